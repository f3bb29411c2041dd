"""Which table holds a column of every kind? One whose columns can be moved one at a time."""

import numpy as np
import pandas as pd

KINDS = ["size", "is_new", "colour", "note", "sold"]


def mixed(rows: int, seed: int, moved: str | None = None) -> pd.DataFrame:
    """Return numbers with gaps, booleans, categories, text and dates; ``moved`` names a column to move."""
    rng = np.random.default_rng(seed)
    size = rng.normal(100, 20, rows) + (30 if moved == "size" else 0)
    size[rng.random(rows) < 0.1] = np.nan
    shares = [0.2, 0.3, 0.5] if moved == "colour" else [0.6, 0.3, 0.1]
    words = ["quiet garden", "near station", "needs paint", "view of river"]
    note = [
        f"{words[k]} {n}"
        for k, n in zip(rng.integers(4, size=rows), rng.integers(10**6, size=rows), strict=True)
    ]
    if moved == "note":
        note = [text + " sold as seen without any warranty" for text in note]
    days = rng.integers(0, 300, rows) + (200 if moved == "sold" else 0)
    return pd.DataFrame(
        {
            "size": size,
            "is_new": rng.random(rows) < (0.8 if moved == "is_new" else 0.3),
            "colour": rng.choice(["red", "green", "blue"], rows, p=shares),
            "note": note,
            "sold": pd.Timestamp("2024-01-01") + pd.to_timedelta(days, unit="D"),
        }
    )
