"""What did it look like? Figures for a screen or a printed page, in colours that everyone can tell apart.

Every function returns a :class:`matplotlib.figure.Figure`, made without pyplot: nothing pops up, nothing
stays in memory, and the caller's own matplotlib settings are left alone.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

__all__ = ["PALETTE", "canvas", "fits", "fold_spread", "learning_curves", "lines", "residuals"]

PALETTE = sns.color_palette("colorblind")
# Lines differ in dash and marker too, for a page printed in grey.
DASHES = ["-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1))]
MARKERS = ["o", "s", "^", "D", "v", "P"]
REFERENCE = {"color": "0.45", "linewidth": 1, "linestyle": (0, (1, 1.5)), "zorder": 1}


@contextlib.contextmanager
def canvas(
    columns: int = 1, rows: int = 1, width: float = 5.0, height: float = 3.6, **subplots
) -> Iterator[tuple[Figure, np.ndarray]]:
    """Open a figure of ``rows × columns`` panels in the house style; yield it and its axes, always 2-D.

    Args:
        columns, rows: number of panels.
        width, height: of one panel, in inches.
        **subplots: further arguments of :meth:`matplotlib.figure.Figure.subplots`, such as ``sharey``.

    Example:
        >>> with canvas(columns=2) as (figure, axes):
        ...     line = axes[0, 0].plot([1, 2, 3])
    """
    style = sns.axes_style("whitegrid", {"grid.color": "0.92", "axes.edgecolor": "0.4"})
    context = sns.plotting_context("notebook", rc={"lines.linewidth": 1.8, "lines.markersize": 5})
    with mpl.rc_context({**style, **context, "axes.prop_cycle": mpl.cycler(color=PALETTE)}):
        figure = Figure((columns * width, rows * height), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False, **subplots)
        yield figure, axes
        for ax in axes.flat:
            sns.despine(ax=ax)


def learning_curves(
    histories: Mapping[str, pd.DataFrame],
    columns: Mapping[str, str] | None = None,
    ylabel: str = "loss",
    log: bool = True,
) -> Figure:
    """Draw training histories side by side, one panel each on a shared axis.

    Args:
        histories: title → history, one row an epoch, as :func:`kerasdl.training.fit` returns it.
        columns: column → label; default ``loss`` as training and ``val_loss`` as validation, where present.
        ylabel: name and unit of what is drawn.
        log: draw it on a logarithmic axis.

    Raises:
        KeyError: a history lacks a column.
    """
    wanted = columns or {"loss": "training", "val_loss": "validation"}
    with canvas(columns=len(histories), sharey=True) as (figure, axes):
        for ax, (title, history) in zip(axes.flat, histories.items(), strict=True):
            present = wanted if columns else [name for name in wanted if name in history]
            for dash, column in zip(DASHES, present, strict=False):
                ax.plot(history.index, history[column], linestyle=dash, label=wanted[column])
            ax.set(title=title, xlabel="epoch", yscale="log" if log else "linear")
            ax.legend(frameon=False)
        axes.flat[0].set_ylabel(ylabel)
    return figure


def fits(
    points: Mapping[str, tuple[np.ndarray, np.ndarray]],
    curves: Mapping[str, Callable[[np.ndarray], np.ndarray]],
    ax: Axes | None = None,
    title: str = "",
) -> Figure:
    """Draw points (x, y) and, over their range, functions of x.

    Args:
        points: label → (x, y), each ``(samples,)``.
        curves: label → function from ``(samples,)`` to ``(samples,)``.
        ax: draw here, inside an open :func:`canvas`; default a figure of its own.
        title: of the panel.
    """
    if ax is None:
        with canvas() as (figure, axes):
            return fits(points, curves, axes[0, 0], title) or figure
    everywhere = np.concatenate([x for x, _ in points.values()])
    grid = np.linspace(everywhere.min(), everywhere.max(), 300)
    for (label, (x, y)), marker in zip(points.items(), MARKERS, strict=False):
        ax.scatter(x, y, s=16, alpha=0.6, marker=marker, edgecolor="none", label=label)
    for color, dash, (label, curve) in zip(PALETTE[len(points) :], DASHES, curves.items(), strict=False):
        ax.plot(grid, curve(grid), color=color, linestyle=dash, label=label)
    ax.set(title=title, xlabel="x", ylabel="y")
    ax.legend(frameon=False)
    return ax.figure


def lines(
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    xlabel: str,
    ylabel: str,
    xscale: str = "linear",
    yscale: str = "linear",
    reference: Mapping[str, float] | None = None,
    ax: Axes | None = None,
    title: str = "",
) -> Figure:
    """Draw one marked line a label, and thin horizontal lines at reference values.

    Args:
        curves: label → (x, y).
        xlabel, ylabel: names and units of the axes.
        xscale, yscale: Matplotlib's names, such as ``"linear"``, ``"log"`` and ``"symlog"``.
        reference: label → height.
        ax: draw here, inside an open :func:`canvas`; default a figure of its own.
        title: of the panel.
    """
    if ax is None:
        with canvas() as (_, axes):
            return lines(curves, xlabel, ylabel, xscale, yscale, reference, axes[0, 0], title)
    for (label, (x, y)), dash, marker in zip(curves.items(), DASHES, MARKERS, strict=False):
        ax.plot(x, y, linestyle=dash, marker=marker, label=label)
    for label, height in (reference or {}).items():
        ax.axhline(height, **REFERENCE, label=label)
    ax.set(title=title, xlabel=xlabel, ylabel=ylabel, xscale=xscale, yscale=yscale)
    if xscale == "linear" and all(np.equal(np.mod(x, 1), 0).all() for x, _ in curves.values()):
        ax.xaxis.get_major_locator().set_params(integer=True)  # there is no half an epoch
    ax.legend(frameon=False)
    return ax.figure


def residuals(target: np.ndarray, prediction: np.ndarray, unit: str = "") -> Figure:
    """Draw prediction against target, and the residual against the prediction.

    Args:
        target, prediction: ``(samples,)``, in the same unit.
        unit: written on the axes.
    """
    unit = f" ({unit})" if unit else ""
    with canvas(columns=2) as (figure, axes):
        left, right = axes[0]
        left.scatter(target, prediction, s=10, alpha=0.5, edgecolor="none")
        ends = [min(target.min(), prediction.min()), max(target.max(), prediction.max())]
        left.plot(ends, ends, **REFERENCE)
        left.set(xlabel=f"target{unit}", ylabel=f"prediction{unit}")
        right.scatter(prediction, prediction - target, s=10, alpha=0.5, edgecolor="none")
        right.axhline(0, **REFERENCE)
        right.set(xlabel=f"prediction{unit}", ylabel=f"prediction − target{unit}")
    return figure


def fold_spread(
    scores: Mapping[str, pd.DataFrame], ylabel: str = "error", reference: Mapping[str, float] | None = None
) -> Figure:
    """Draw each model's training and validation score on every fold, with the means as bars.

    Args:
        scores: model → the ``scores`` table of :class:`kerasdl.selection.CrossValidation`.
        ylabel: name and unit of the score.
        reference: label → height of a thin horizontal line.
    """
    sides = {"train": "training part", "valid": "validation part"}
    table = pd.concat(scores, names=["model", "fold"]).reset_index()
    table = table.melt(["model", "fold"], list(sides), "side", "score").replace({"side": sides})
    with canvas(width=max(4.5, 2.2 * len(scores) + 2.5)) as (figure, axes):
        ax = axes[0, 0]
        shared = {"data": table, "x": "model", "y": "score", "hue": "side", "ax": ax, "palette": PALETTE[:2]}
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
