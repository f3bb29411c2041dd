"""Are the bounds those of Hoeffding and McDiarmid?"""

from math import log, sqrt

import pytest

from kerasdl import shift


def test_hoeffding_bound_of_the_a_test_is_the_published_one():
    """After 50 zeros, m ones fire once m/(50+m) ≥ √(m / (2 · 50 (50 + m)) ln 1/δ)."""
    fires = [m for m in range(1, 50) if m / (50 + m) >= sqrt(m / (100 * (50 + m)) * log(1000))]
    assert shift.HDDM("A").update_many([0.0] * 50 + [1.0] * 50)[0] == 50 + fires[0] - 1


@pytest.mark.parametrize("kind", ["A", "W"])
def test_hddm_warns_before_it_alarms(kind):
    one = shift.HDDM(kind)
    warned = False
    for x in [0.0] * 100 + [1.0, 1.0, 0.0] * 30:
        if one.update(x):
            break
        warned = warned or one.warning_
    assert warned
    assert one.n_updates == 0
