"""What if the data moves? Detect it, weigh or correct for it, watch for it; any model, no backend.

Covariate shift (the inputs move), label shift (the classes' shares move), concept shift (the labels' meaning
moves). Everything here is NumPy or pandas in and out.

    detect      KSTest · MMDTest · C2STest · LSDDTest · BBSDTest, and ShiftTest, which combines them
    covariate   DiscriminativeRatio · KLIEP · ULSIF · RULSIF · KernelMeanMatching
    label       BBSE · RLLS · LabelShiftEM
    monitors    ADWIN · DDM · PageHinkley · HDDM
    weights     flatten_weights · ImportanceWeightedKFold · importance_weighted_risk · effective_sample_size
    simulate    covariate_shift · label_shift · concept_shift
"""

from kerasdl.shift import simulate
from kerasdl.shift.base import DensityRatio
from kerasdl.shift.batches import BatchMonitor, BatchResult
from kerasdl.shift.combined import ShiftTest
from kerasdl.shift.compare import compare
from kerasdl.shift.comparison import Comparison
from kerasdl.shift.covariate import DiscriminativeRatio
from kerasdl.shift.dependence import DependenceWarning
from kerasdl.shift.detect import BBSDTest, KSTest, ShiftResult
from kerasdl.shift.direct import KLIEP, RULSIF, ULSIF
from kerasdl.shift.em import LabelShiftEM
from kerasdl.shift.gate import flatten_weights
from kerasdl.shift.label import BBSE, RLLS, LabelShiftWarning
from kerasdl.shift.mean_matching import KernelMeanMatching
from kerasdl.shift.monitors import ADWIN, DDM, EDDM, HDDM, KSWIN, PageHinkley
from kerasdl.shift.multivariate import C2STest, LSDDTest, MMDTest
from kerasdl.shift.overlap import OverlapWarning
from kerasdl.shift.regression import TargetShift
from kerasdl.shift.weights import (
    ImportanceWeightedKFold,
    Risk,
    diagnose,
    effective_sample_size,
    importance_weighted_risk,
)

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
