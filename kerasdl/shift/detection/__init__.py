"""Has the data moved? Tests of two samples, and a monitor of batches.

two_sample      what every test does; KSTest and BBSDTest, a column at a time
multivariate    MMDTest · C2STest · LSDDTest, all columns together
combined        ShiftTest, several statistics at one level; its scores of a column are in scores
permutation     how unusual a statistic is when the labels are dealt at random
dependence      rows that depend on their neighbours, and rows that are repeated
batches         BatchMonitor, which keeps a budget of false alarms over all batches
"""
