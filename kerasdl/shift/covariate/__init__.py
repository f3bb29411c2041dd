"""Which source rows look like the target? Density ratios, how far to trust them, and what weights are for.

base             what every ratio shares
discriminative   DiscriminativeRatio, by a classifier of one of the families, on unskewed columns
direct           KLIEP · ULSIF · RULSIF
mean_matching    KernelMeanMatching
overlap          which target rows the source cannot reach
weights          diagnose, effective_sample_size, ImportanceWeightedKFold, importance_weighted_risk
gate             flatten_weights: weights only as far as they help
"""
