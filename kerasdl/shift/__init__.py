"""What if the data moves? Detect it, weigh or correct for it, watch for it; any model, no backend.

Covariate shift (the inputs move), label shift (the classes' shares move), concept shift (the labels' meaning
moves). Everything here is NumPy or pandas in and out::

    compare     what has moved, where and how much, in one call
    detection   KSTest · MMDTest · C2STest · LSDDTest · BBSDTest; ShiftTest combines them; BatchMonitor
    covariate   DiscriminativeRatio · KLIEP · ULSIF · RULSIF · KernelMeanMatching
                flatten_weights · diagnose · effective_sample_size
                ImportanceWeightedKFold · importance_weighted_risk
    label       BBSE · RLLS · LabelShiftEM, and TargetShift for a regression's target
    monitors    ADWIN · DDM · EDDM · HDDM · KSWIN · PageHinkley
    simulate    covariate_shift · label_shift · concept_shift
"""

from kerasdl.shift import simulate
from kerasdl.shift.comparison.compare import compare
from kerasdl.shift.comparison.result import Comparison
from kerasdl.shift.covariate.base import DensityRatio
from kerasdl.shift.covariate.direct import KLIEP, RULSIF, ULSIF
from kerasdl.shift.covariate.discriminative import DiscriminativeRatio
from kerasdl.shift.covariate.gate import flatten_weights
from kerasdl.shift.covariate.mean_matching import KernelMeanMatching
from kerasdl.shift.covariate.overlap import OverlapWarning
from kerasdl.shift.covariate.weights import (
    ImportanceWeightedKFold,
    Risk,
    diagnose,
    effective_sample_size,
    importance_weighted_risk,
)
from kerasdl.shift.detection.batches import BatchMonitor, BatchResult
from kerasdl.shift.detection.combined import ShiftTest
from kerasdl.shift.detection.dependence import DependenceWarning
from kerasdl.shift.detection.multivariate import C2STest, LSDDTest, MMDTest
from kerasdl.shift.detection.two_sample import BBSDTest, KSTest, ShiftResult
from kerasdl.shift.label.em import LabelShiftEM
from kerasdl.shift.label.regression import TargetShift
from kerasdl.shift.label.shares import BBSE, RLLS, LabelShiftWarning
from kerasdl.shift.monitors import ADWIN, DDM, EDDM, HDDM, KSWIN, PageHinkley

__all__ = [
    "ADWIN",
    "BBSE",
    "DDM",
    "EDDM",
    "HDDM",
    "KLIEP",
    "KSWIN",
    "RLLS",
    "RULSIF",
    "ULSIF",
    "BBSDTest",
    "BatchMonitor",
    "BatchResult",
    "C2STest",
    "Comparison",
    "DensityRatio",
    "DependenceWarning",
    "DiscriminativeRatio",
    "ImportanceWeightedKFold",
    "KSTest",
    "KernelMeanMatching",
    "LSDDTest",
    "LabelShiftEM",
    "LabelShiftWarning",
    "MMDTest",
    "OverlapWarning",
    "PageHinkley",
    "Risk",
    "ShiftResult",
    "ShiftTest",
    "TargetShift",
    "compare",
    "diagnose",
    "effective_sample_size",
    "flatten_weights",
    "importance_weighted_risk",
    "simulate",
]
