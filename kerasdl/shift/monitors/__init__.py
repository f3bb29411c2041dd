"""When did a stream change? Monitors that read one number at a time, one detector a file.

A monitor takes the numbers of a stream, most often a model's errors, and answers after each whether the
stream has just changed. What every monitor owes is written in ``base``; ``MONITORS`` lists them all.
"""

from kerasdl.shift.monitors.adwin import ADWIN
from kerasdl.shift.monitors.base import Monitor
from kerasdl.shift.monitors.ddm import DDM
from kerasdl.shift.monitors.eddm import EDDM
from kerasdl.shift.monitors.hddm import HDDM
from kerasdl.shift.monitors.kswin import KSWIN
from kerasdl.shift.monitors.page_hinkley import PageHinkley

MONITORS: dict[str, type[Monitor]] = {
    one.__name__: one for one in (ADWIN, DDM, EDDM, HDDM, KSWIN, PageHinkley)
}

__all__ = ["ADWIN", "DDM", "EDDM", "HDDM", "KSWIN", "MONITORS", "Monitor", "PageHinkley"]
