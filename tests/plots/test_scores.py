import numpy as np
import pandas as pd
import pytest

from kerasdl import plots

# Three settings on two folds, as a search lists them.
SEARCH = pd.DataFrame(
    {
        "mlp__l2": np.repeat([0.0, 0.1, 1.0], 2),
        "mlp__width": [(8,)] * 6,
        "fold": [1, 2] * 3,
        "train": 0.0,
        "valid": [0.5, 0.7, 0.9, 0.8, np.nan, np.nan],
        "seconds": 1.0,
    }
)


def named(ax):
    return {line.get_label(): list(line.get_ydata()) for line in ax.get_lines() if line.get_label()[0] != "_"}


def test_folds_draws_a_line_a_setting_and_names_what_differs():
    ax = plots.folds(SEARCH, "accuracy", reference={"chance": 0.3}).axes[0]
    lines = named(ax)
    assert list(lines)[:2] == ["l2=0.1", "l2=0"]  # the best first
    assert lines["l2=0.1"] == [0.9, 0.8]
    assert list(lines)[2:] == ["l2=1", "chance"]
    assert ax.get_xticks().tolist() == [1, 2]
    lower = named(plots.folds(SEARCH, lower_is_better=True, most=1).axes[0])
    assert lower == {"l2=0": [0.5, 0.7]}


def test_folds_takes_cross_validations_by_name():
    scores = pd.DataFrame({"train": [1.0, 1.0], "valid": [0.2, 0.4]}, index=pd.RangeIndex(1, 3, name="fold"))
    assert named(plots.folds({"a": scores, "b": scores + 1}).axes[0]) == {"b": [1.2, 1.4], "a": [0.2, 0.4]}
    assert named(plots.folds(scores).axes[0]) == {"valid": [0.2, 0.4]}
    with pytest.raises(KeyError):
        plots.folds({"a": scores[["train"]]})


def test_settings_that_print_alike_are_kept_apart():
    alike = SEARCH.assign(mlp__l2=np.repeat([0.10001, 0.10002, 0.10003], 2), valid=[1, 2, 3, 4, 5, 6])
    ax = plots.dots(alike, "score", lower_is_better=False).axes[0]
    assert [text.get_text() for text in ax.get_yticklabels()] == ["l2=0.1", "l2=0.1 (2)", "l2=0.1 (3)"]


def test_dots_take_a_search_the_best_on_top():
    ax = plots.dots(SEARCH, "accuracy", lower_is_better=False, most=2).axes[0]
    assert [text.get_text() for text in ax.get_yticklabels()] == ["l2=0", "l2=0.1"]
    assert list(ax.get_lines()[1].get_xdata()) == [0.9, 0.8]
    assert ax.get_ylabel() == "the best 2 of 3"
