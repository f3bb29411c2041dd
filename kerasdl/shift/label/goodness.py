"""Can the target's predictions be a mix of the classes at all? The check of label shift's one assumption.

In go probabilities of the target and of labelled rows; out come how far the target lies from every mix of
the classes, and the least share of it that no class explains. If p(x | y) stands still, the target's
predictions are distributed as a mixture of those of the classes; an unseen class, or noise, produces
predictions that no mixture can explain.
"""

from typing import NamedTuple

import numpy as np
from scipy.optimize import linprog
from scipy.stats import gamma, norm

LEVELS = (0.1, 0.25, 0.5, 0.75)  # quantiles of the validation rows' confidence
MOST_CLASSES = 50  # beyond, the linear program costs more than it tells


class GoodnessOfFit(NamedTuple):
    """How well a mix of the classes explains the target.

    Attributes:
        statistic: the squared distance of the target's mean features from those of the mix, in deviations.
        p_value: chance of one at least as large if only the class shares have moved.
    """

    statistic: float
    p_value: float


class Features:
    """Means of functions of a row's probabilities, by which targets are compared.

    How surely a class is named; the probabilities themselves, which class is named, and which unsurely.
    """

    def __init__(self, p: np.ndarray):
        self.edges = np.unique(np.quantile(p.max(axis=1), LEVELS))

    def __call__(self, p: np.ndarray) -> np.ndarray:
        """Return the features ``(rows, any)`` of probabilities ``(rows, classes)``."""
        sure = np.searchsorted(self.edges, p.max(axis=1))
        said = np.eye(p.shape[1])[p.argmax(axis=1)]
        bins = np.eye(len(self.edges) + 1)[sure]
        unsure = said * (sure <= len(self.edges) // 2)[:, None]
        surest = p.max(axis=1)
        doubt = np.log(np.maximum(1 - surest, 1e-6))
        return np.column_stack([bins, surest, doubt, p, said, unsure])

    @property
    def of_sureness(self) -> int:
        """How many of the first features are about how surely a class is named, whichever it is."""
        return len(self.edges) + 3

    def cells(self, p: np.ndarray) -> np.ndarray:
        """Return the number of each row's cell: class named × how surely."""
        return p.argmax(axis=1) * (len(self.edges) + 1) + np.searchsorted(self.edges, p.max(axis=1))


def class_means(features: np.ndarray, y: np.ndarray, classes: int) -> np.ndarray:
    """Return the mean features of each class ``(classes, any)``."""
    counts = np.bincount(y, minlength=classes)
    return np.eye(classes)[y].T @ features / np.maximum(counts, 1)[:, None]


def goodness_of_fit(gap: np.ndarray, simulated: np.ndarray, of_sureness: int) -> GoodnessOfFit:
    """Judge a gap between target and mix by gaps of simulated targets that are mixes.

    The sum of squared gaps, each in its own simulated deviation, is compared with a gamma distribution of the
    simulated sums' mean and variance (Box 1954); once for all features and once for those of sureness, in
    which rows of no class show first. The smaller p-value is doubled.

    Args:
        gap: mean features of the target less those of the mix ``(features,)``.
        simulated: the same for targets made from labelled rows ``(draws, features)``.
        of_sureness: number of first features that are about sureness.
    """
    deviation = np.sqrt((simulated**2).mean(axis=0))
    used = deviation > 1e-9
    # A feature that no mix ever moves and that is moved all the same is an answer by itself.
    scale = np.where(used, deviation, float(deviation[used].min()) if used.any() else 1e-9)
    found = [
        _one(gap[part] / scale[part], simulated[:, part] / scale[part])
        for part in (slice(None), slice(of_sureness))
    ]
    return GoodnessOfFit(found[0].statistic, min(1.0, 2 * min(one.p_value for one in found)))


def _one(gap: np.ndarray, simulated: np.ndarray) -> GoodnessOfFit:
    statistic, sums = float(gap @ gap), (simulated**2).sum(axis=1)
    mean, variance = float(sums.mean()), float(sums.var())
    if mean <= 0 or variance <= 0:
        return GoodnessOfFit(statistic, 1.0)
    return GoodnessOfFit(statistic, float(gamma.sf(statistic, mean**2 / variance, scale=variance / mean)))


def unexplained_share(target: np.ndarray, val: np.ndarray, y: np.ndarray, classes: int, cells: int) -> float:
    """Return the least share of the target that no mix of the classes explains, at 97.5 % confidence.

    In no cell may the classes together bring more rows than the target has there; the largest total they can
    reach under that is a linear program (the proportion of a mixture, Blanchard, Lee & Scott 2010). What the
    unknown rows look like is not known, so it is a lower bound, and 0 where they look like a known class.

    Args:
        target: cell of each target row ``(rows,)``. val: of each validation row.
        y: class of each validation row.
        classes, cells: how many there are.
    """
    if classes > MOST_CLASSES:
        return 0.0
    held = np.bincount(target, minlength=cells) / len(target)
    counts = np.bincount(y, minlength=classes)
    shares = np.zeros((cells, classes))
    np.add.at(shares, (val, y), 1.0)
    shares /= counts
    rows = len(target)
    # Both sides are counted: the target's cell, and a class's share of it.
    error = np.sqrt((held * (1 - held) + 1 / rows) / rows + held**2 / np.maximum(shares @ counts, 1))
    z = norm.ppf(1 - 0.025 / cells)  # all cells together
    found = linprog(-np.ones(classes), shares, held + z * error, bounds=(0, 1))
    return float(np.clip(1 + found.fun, 0, 1)) if found.success else 0.0
