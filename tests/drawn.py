"""Which figures are drawn in tests, and what is seen of them? One of each kind that is laid out otherwise."""

import io

import numpy as np
import pandas as pd
from matplotlib import image

from kerasdl import plots

HISTORY = pd.DataFrame({"loss": [1.0, 0.01], "val_loss": [2.0, 0.1]}, index=[1, 2])
GRID = pd.DataFrame({"a": [1, 2], "b": [1, 1], "valid": [1.0, 2.0]})
FIGURES = {
    "legend": lambda: plots.lines({"a": ([1, 2], [3, 4])}, "x", "y", yscale="log"),
    "panels": lambda: plots.learning_curves({"left": HISTORY, "right": HISTORY}),
    "colour bar": lambda: plots.heat_map(GRID, "a", "b"),
}


def pixels(png: bytes) -> np.ndarray:
    return image.imread(io.BytesIO(png))
