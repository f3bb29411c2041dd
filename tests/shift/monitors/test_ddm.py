"""Does the control chart follow the published rule?"""

from math import sqrt

import numpy as np
from streams import errors

from kerasdl import shift


def test_ddm_follows_the_published_rule():
    stream = errors(0.2, 0.6, 200, 0)
    rate, least, fired = 0.0, (np.inf, 0, 0), None
    for i, x in enumerate(stream, 1):
        rate += (x - rate) / i
        s = sqrt(rate * (1 - rate) / i)
        if i < 30:
            continue
        if rate + s <= least[0]:
            least = (rate + s, rate, s)
        if rate + s > least[1] + 3 * least[2]:
            fired = i - 1
            break
    assert shift.DDM().update_many(stream)[0] == fired
