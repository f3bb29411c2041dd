"""How good is each model, and on which folds? Scores as dots and lines, of models and of a search's settings.

Scores by name, or the tables that :mod:`kerasdl.selection` makes, go in; a :class:`matplotlib.figure.Figure`
comes out.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from kerasdl.plots.style import PALETTE, REFERENCE, Colour, canvas, looks

MEASURED = ("fold", "train", "valid", "seconds", "heat")  # a search's columns that are no setting


def folds(
    scores: pd.DataFrame | Mapping[str, pd.DataFrame],
    ylabel: str = "score",
    lower_is_better: bool = False,
    most: int = 5,
    reference: Mapping[str, float] | None = None,
    colours: Mapping[str, Colour] | None = None,
) -> Figure:
    """Draw the validation score over the folds, a line for each model or setting: which folds are hard?

    Args:
        scores: the ``scores`` of :class:`kerasdl.selection.CrossValidation` or ``GridSearch``, or several
            of the former by the models' names.
        ylabel: name and unit of the score.
        lower_is_better: the score is an error.
        most: lines by the best mean that stand out and are named; the others are grey.
        reference: label → height of a thin horizontal line.
        colours: label → colour.

    Raises:
        KeyError: a table without the column ``valid``.

    Example:
        >>> import pandas as pd
        >>> table = pd.DataFrame({"l2": [0, 0, 1, 1], "fold": [1, 2, 1, 2], "valid": [0.9, 0.8, 0.7, 0.9]})
        >>> [text.get_text() for text in folds(table).axes[0].get_legend().get_texts()]
        ['l2=0', 'l2=1']
    """
    found = _by_candidate(scores)
    order = _ranked({name: own.to_list() for name, own in found.items()}, lower_is_better)
    every = looks(order[:most], colours)
    long = max(map(len, order[:most])) > 18  # the names stand beside the panel
    with canvas(width=9 if long else 6.5) as (figure, axes):
        ax = axes[0, 0]
        for name in order[most:]:
            ax.plot(found[name].index, found[name], color="0.8", linewidth=1, zorder=1)
        for name in order[:most]:
            ax.plot(found[name].index, found[name], **every[name], label=name)
        for label, height in (reference or {}).items():
            ax.axhline(height, **REFERENCE, label=label)
        ax.set(xlabel="fold", ylabel=ylabel)
        ax.set_xticks(sorted(set().union(*(own.index for own in found.values()))))
        ax.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def dots(
    scores: Mapping[str, Sequence[float]] | pd.DataFrame,
    xlabel: str,
    reference: Mapping[str, float] | None = None,
    colours: Mapping[str, Colour] | None = None,
    lower_is_better: bool = True,
    most: int = 30,
) -> Figure:
    """Draw each candidate's scores as dots on a line of its own, with their mean as a bar; the best on top.

    Args:
        scores: candidate → its scores, as over folds or seeds; or the ``scores`` of
            :class:`kerasdl.selection.GridSearch`, whose settings are the candidates.
        xlabel: name and unit of a score.
        reference: label → place of a thin vertical line.
        colours: candidate → colour; default one for all.
        lower_is_better: whether the smaller score is the better one.
        most: candidates that are drawn; where there are more, the best, and the figure says so.

    Example:
        >>> figure = dots({"small": [0.3, 0.4], "large": [0.2, 0.5]}, "error of a fold")
        >>> figure.axes[0].get_xlabel()
        'error of a fold'
    """
    if isinstance(scores, pd.DataFrame):
        scores = {name: own.to_list() for name, own in _by_candidate(scores).items()}
    order = _ranked(scores, lower_is_better)[:most][::-1]
    with canvas(width=7.0, height=max(2.4, 0.32 * len(order) + 1.2)) as (figure, axes):
        ax = axes[0, 0]
        for place, name in enumerate(order):
            colour = (colours or {}).get(name, PALETTE[0])
            ax.plot(scores[name], np.full(len(scores[name]), place), "o", color=colour, alpha=0.7)
            ax.vlines(float(np.mean(scores[name])), place - 0.3, place + 0.3, color="0.15", linewidth=2)
        for label, value in (reference or {}).items():
            ax.axvline(value, **REFERENCE, label=label)
        ax.set_yticks(range(len(order)), order)
        ax.set(xlabel=xlabel, ylim=(-0.6, len(order) - 0.4))
        if len(order) < len(scores):
            ax.set_ylabel(f"the best {len(order)} of {len(scores)}")
        if reference:
            ax.legend(frameon=False)
    return figure


def fold_spread(
    scores: Mapping[str, pd.DataFrame], ylabel: str = "error", reference: Mapping[str, float] | None = None
) -> Figure:
    """Draw each model's training and validation score on every fold, with the means as bars.

    Args:
        scores: model → the ``scores`` table of :class:`kerasdl.selection.CrossValidation`.
        ylabel: name and unit of the score.
        reference: label → height of a thin horizontal line.

    Example:
        >>> scores = pd.DataFrame({"train": [0.1, 0.2], "valid": [0.3, 0.5]}, index=[1, 2])
        >>> fold_spread({"linear": scores}, "RMSE").axes[0].get_ylabel()
        'RMSE'
    """
    sides = {"train": "training part", "valid": "validation part"}
    table = pd.concat(scores, names=["model", "fold"]).reset_index()
    table = table.melt(["model", "fold"], list(sides), "side", "score").replace({"side": sides})
    with canvas(width=max(4.5, 2.2 * len(scores) + 2.5)) as (figure, axes):
        ax = axes[0, 0]
        shared: dict[str, Any] = {
            "data": table,
            "x": "model",
            "y": "score",
            "hue": "side",
            "ax": ax,
            "palette": PALETTE[:2],
        }
        sns.stripplot(**shared, dodge=True, jitter=0.08, size=6, alpha=0.8)
        half = 0.2
        for place, model in enumerate(scores):
            for shift, side in ((-half, "train"), (half, "valid")):
                mean = scores[model][side].mean()
                ends = (place + shift - 0.7 * half, place + shift + 0.7 * half)
                ax.hlines(mean, *ends, color="0.15", linewidth=2, zorder=5)
        for label, height in (reference or {}).items():
            ax.axhline(height, **REFERENCE, label=label)
        ax.set(xlabel="", ylabel=ylabel)
        ax.legend(frameon=False, title=None)
    return figure


def _by_candidate(scores: pd.DataFrame | Mapping[str, pd.DataFrame]) -> dict[str, pd.Series]:
    """Return each candidate's validation scores over the folds, by what tells it from the others."""
    if not isinstance(scores, pd.DataFrame):
        return {name: own["valid"] for name, own in scores.items()}
    if "fold" not in scores:
        return {"valid": scores["valid"]}
    settings = [name for name in scores if name not in MEASURED]
    shown = scores[settings].map(repr)
    names = [name for name in settings if shown[name].nunique() > 1]
    short = {name: name.rpartition("__")[2] for name in names}
    short = short if len(set(short.values())) == len(short) else {name: name for name in names}
    groups = scores.groupby([shown[name] for name in settings], sort=False) if settings else [("", scores)]
    found: dict[str, pd.Series] = {}
    for _, own in groups:
        values = own.iloc[0]
        label = ", ".join(f"{short[name]}={_said(values[name])}" for name in names) or "valid"
        label += f" ({len(found) + 1})" if label in found else ""
        found[label] = own.set_index("fold")["valid"]
    return found


def _said(value: Any) -> str:
    """Return a setting's value in few letters."""
    said = f"{value:.4g}" if isinstance(value, (float, np.floating)) else str(value)
    return said if len(said) <= 24 else said[:23] + "…"


def _ranked(scores: Mapping[str, Sequence[float]], lower_is_better: bool) -> list[str]:
    """Return the names by their mean score, the best first and those without one last."""
    sign = 1 if lower_is_better else -1
    means = {name: sign * float(np.mean(own)) for name, own in scores.items()}
    return sorted(means, key=lambda name: (np.isnan(means[name]), means[name]))
