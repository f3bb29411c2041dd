"""Which streams are the monitors tested on? Errors whose rate is known."""

import numpy as np


def errors(before: float, after: float, rows: int, seed: int) -> list[float]:
    """Return ``rows`` errors, 0 or 1, of the one rate and then as many of the other."""
    rng = np.random.default_rng(seed)
    return (rng.random(2 * rows) < np.repeat([before, after], rows)).astype(float).tolist()
