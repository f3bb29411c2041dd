"""Is it noticed when the source has no rows like the target's?"""

import numpy as np
import pytest

from kerasdl import shift
from kerasdl.shift.covariate import overlap


def ring(rows, radius, rng):
    angle = rng.uniform(0, 2 * np.pi, rows)
    return radius * np.column_stack([np.cos(angle), np.sin(angle)])


def no_overlap(name):
    rng = np.random.default_rng(0)
    if name == "ring":
        return rng.normal(0, 0.1, size=(300, 2)), ring(300, 3, rng)
    if name == "between":
        return rng.choice([-1.0, 1.0], (300, 1)), np.zeros((300, 1))
    target = rng.normal(size=(400, 2))
    target[:140] += 8
    return rng.normal(size=(400, 2)), target


@pytest.mark.parametrize("name", ["ring", "between", "a third elsewhere"])
def test_no_overlap_is_warned_of_where_means_agree(name):
    source, target = no_overlap(name)
    ratio = shift.DiscriminativeRatio(random_state=0)
    with pytest.warns(shift.OverlapWarning, match="target rows lie where the source has none"):
        ratio.fit(source, target)
    assert ratio.diagnostics_["unreached_share"] == pytest.approx(0.35 if "third" in name else 1, abs=0.06)
    assert ratio.diagnostics_["held_out_auc"] > (0.6 if "third" in name else 0.99)


def test_a_column_constant_in_the_target_is_no_lack_of_overlap():
    rng = np.random.default_rng(0)
    price = np.where(rng.random(1000) < 0.05, 50_000.0, 0.0)
    source = np.column_stack([price, rng.normal(size=1000)])
    target = np.column_stack([np.zeros(800), rng.normal(size=800)])
    ratio = shift.DiscriminativeRatio(random_state=0).fit(source, target)
    # (mean, deviation) of the source are 50,000 · (.05, √(.05 · .95)), and the target has none.
    assert ratio.diagnostics_["imbalance_before"] == pytest.approx(0.05 / np.sqrt(0.05 * 0.95 / 2), rel=0.15)


def test_plain_shifts_and_none_are_not_warned_of():
    rng = np.random.default_rng(0)
    for gap in (0, 0.5, 1):
        source, target = rng.normal(size=(400, 3)), rng.normal([gap, 0, 0], 1, size=(400, 3))
        ratio = shift.DiscriminativeRatio(random_state=0).fit(source, target)
        assert ratio.diagnostics_["unreached_share"] < 0.15


def test_auc_counts_pairs_in_the_right_order():
    rng = np.random.default_rng(0)
    scores, is_target = rng.integers(5, size=40).astype(float), rng.random(40) < 0.4
    s, t = scores[~is_target], scores[is_target]
    expected = np.mean((t[:, None] > s) + 0.5 * (t[:, None] == s))
    assert overlap.auc(scores, is_target) == pytest.approx(expected)
