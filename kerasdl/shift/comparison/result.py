"""What does a comparison say? In a screen of text, in a table, in a figure, on a page.

In goes what :func:`kerasdl.shift.compare` found; nothing is computed anew.
"""

import base64
import io
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kerasdl.shift.comparison.effects import Shares
from kerasdl.shift.comparison.page import page
from kerasdl.shift.covariate.overlap import MOST_AUC, MOST_UNREACHED
from kerasdl.shift.detection.two_sample import ShiftResult

COLUMNS_ON_SCREEN = 10
WIDTH = 79


@dataclass(frozen=True)
class Comparison:
    """What has moved between a reference and a sample.

    Attributes:
        result: verdict of :class:`~kerasdl.shift.ShiftTest`; ``result.parts`` tells in what way they differ.
        alpha: its level.
        table: one row a column, the surest move first: ``column``, ``kind``, ``moved``, ``what`` (place,
            spread, shape, shares, missing, new values, dependence), ``effect`` (how large, in a word),
            ``difference`` of means and ``wasserstein`` distance in standard deviations, ``js`` distance,
            ``psi``, ``missing_before``, ``missing_now``, ``new_values`` (share of the sample outside what the
            reference held), ``p``, ``p_family``, ``p_fdr``, ``p_dependence``, ``importance``.
        auc: how surely a forest tells held-out rows apart: 0.5 not at all, 1 always.
        unreached_share: share of the sample's rows that no reference row resembles.
        rows, rows_given: rows of reference and sample looked at, and given.
        shares: for the first columns, the shares of rows in bins.
    """

    result: ShiftResult
    alpha: float
    table: pd.DataFrame
    auc: float
    unreached_share: float
    rows: tuple[int, int]
    rows_given: tuple[int, int]
    shares: dict[str, Shares]

    @property
    def is_shift(self) -> bool:
        """Whether the tables differ, at level ``alpha``."""
        return self.result.is_shift

    @property
    def p_value(self) -> float:
        """The p-value of the verdict."""
        return self.result.p_value

    @property
    def moved(self) -> list[str]:
        """Names of the columns called moved."""
        return self.table.loc[self.table["moved"], "column"].tolist()

    def __str__(self) -> str:
        lines = [
            *self._verdict(),
            "",
            f"{'column':<17} {'kind':<8} {'what moved':<20} {'effect':<7} {'PSI':>5} {'p':>7} {'p (all)':>7}",
        ]
        for row in self.table.head(COLUMNS_ON_SCREEN).to_dict("records"):
            effect = row["effect"] if row["moved"] else "–"
            p = row["p_dependence"] if row["what"] == "dependence" else row["p"]
            lines.append(
                f"{row['column']:<17.17} {row['kind']:<8.8} {row['what'] or '–':<20.20} {effect:<7} "
                f"{row['psi']:>5.2f} {p:>7.1g} {row['p_family']:>7.2g}"
            )
        if len(self.table) > COLUMNS_ON_SCREEN:
            lines.append(f"… {len(self.table) - COLUMNS_ON_SCREEN} more columns in .table")
        lines.append("")
        for step in self.advice:
            lines += textwrap.wrap(step, WIDTH, initial_indent="→ ", subsequent_indent="  ")
        return "\n".join(lines)

    __repr__ = __str__

    def _verdict(self) -> list[str]:
        sampled = ""
        if self.rows != self.rows_given:
            sampled = f", drawn from {self.rows_given[0]:,} and {self.rows_given[1]:,}"
        return [
            f"{'SHIFT' if self.is_shift else 'No shift found'}: p = {self.p_value:.2g} at "
            f"level {self.alpha:g}; "
            f"{len(self.moved)} of {len(self.table)} columns moved",
            f"{self.rows[0]:,} reference rows, {self.rows[1]:,} sample rows{sampled}",
        ]

    @property
    def advice(self) -> list[str]:
        """What to do next, the first thing first."""
        table = self.table
        gaps = (table["missing_now"] - table["missing_before"]).abs() > 0.05
        broken = table.loc[table["moved"] & gaps, "column"].tolist()
        unseen = table.loc[(table["kind"] == "category") & (table["new_values"] > 0.01), "column"].tolist()
        steps = []
        if broken:
            steps.append(f"The share of gaps changed; look at how these are collected: {_some(broken)}.")
        if unseen:
            steps.append(f"Encoders may fail on values that the reference never held: {_some(unseen)}.")
        return steps + (self._after_a_shift() if self.is_shift else self._without_a_shift())

    def _without_a_shift(self) -> list[str]:
        if self.moved:
            return ["As a whole nothing is told from chance: keep the model, and look at the columns named."]
        return ["Keep the model: nothing is told from chance."]

    def _after_a_shift(self) -> list[str]:
        parts = self.result.parts
        answers = [parts[name] for name in ("classes", "predictions") if name in parts]
        columns = [p for name, p in parts.items() if name not in ("classes", "predictions")]
        steps = []
        if answers and min(answers) < 0.01 < min(columns):
            steps.append(
                "The model's answers moved, its inputs hardly: perhaps the shares of the "
                "classes. Estimate them by "
                "LabelShiftEM and read its goodness_of_fit_."
            )
        alone = []
        if self.unreached_share > MOST_UNREACHED:
            alone.append(f"{self.unreached_share:.0%} of the sample's rows resemble no reference row")
        if self.auc > MOST_AUC:
            alone.append(f"a classifier nearly always tells the two apart (AUC {self.auc:.2f})")
        if alone:
            said = " and ".join(alone)
            said = said[0].upper() + said[1:]
            steps.append(f"{said}: weights cannot make up for rows that are missing. Label some and retrain.")
        elif self.auc < 0.6:
            steps.append(
                f"A classifier hardly tells the two apart (AUC {self.auc:.2f}): the move is "
                f"real and small. Watch "
                "the model's error before anything else; weights will change little."
            )
        else:
            steps.append(
                f"The two overlap (AUC {self.auc:.2f}). If the meaning of the labels stands still, weigh the "
                "reference by DiscriminativeRatio through flatten_weights, which keeps weights that help."
            )
        return steps

    def plot(self) -> Any:
        """Return a matplotlib figure: the shares of the first columns in both tables, side by side."""
        import matplotlib.pyplot as plt  # who wants no picture should not wait for it
        import seaborn as sns

        names = list(self.shares)
        across = min(4, len(names))
        down = -(-len(names) // across)
        palette = sns.color_palette("colorblind")
        figure, axes = plt.subplots(down, across, figsize=(3.6 * across, 2.6 * down), squeeze=False)
        for ax, name in zip(axes.flat, names, strict=False):
            bins = self.shares[name]
            at = np.arange(len(bins.labels))
            ax.bar(at - 0.2, bins.reference, 0.4, color=palette[0], label="reference")
            ax.bar(at + 0.2, bins.sample, 0.4, color=palette[1], label="sample")
            row = self.table[self.table["column"] == name].iloc[0]
            ax.set_title(f"{name}: {row['what'] or 'unmoved'}", fontsize=9)
            shown = at[:: max(1, -(-len(at) // 8))]
            ax.set_xticks(
                shown, [str(bins.labels[k])[:12] for k in shown], rotation=45, ha="right", fontsize=7
            )
            ax.tick_params(axis="y", labelsize=7)
        for ax in axes.flat[len(names) :]:
            ax.set_visible(False)
        axes[0, 0].set_ylabel("share of rows", fontsize=8)
        axes[0, 0].legend(frameon=False, fontsize=8)
        sns.despine(figure)
        figure.tight_layout()
        return figure

    def to_html(self, path: str | Path | None = None) -> str:
        """Return one page that needs nothing beside it, and write it to ``path`` if one is given."""
        import matplotlib.pyplot as plt

        figure = self.plot()
        picture = io.BytesIO()
        figure.savefig(picture, format="png", dpi=110)
        plt.close(figure)
        encoded = base64.b64encode(picture.getvalue()).decode("ascii")
        written = page(self._verdict(), self.is_shift, self.advice, self.result.parts, encoded, self.table)
        if path is not None:
            Path(path).write_text(written, encoding="utf-8")
        return written


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
