"""Searches: drawn or raced, the scores are those of each setting by itself."""

import numpy as np
import pytest
from scipy.stats import loguniform
from sklearn.linear_model import Ridge
from sklearn.model_selection import ParameterSampler

from kerasdl import models
from kerasdl.estimators import KerasRegressor
from kerasdl.selection import cross_validate, grid_search, halving_search, random_search

X = np.random.default_rng(0).normal(size=(36, 3))
Y = X @ [1.0, -2.0, 0.5]


def regressor(**changes):
    settings = {"epochs": 4, "batch_size": 12, "random_state": 0, "build__hidden": (4,)}
    return KerasRegressor(models.mlp, **(settings | changes))


def test_a_random_draw_is_scikit_learns_and_scores_as_each_alone():
    rates = {"learning_rate": loguniform(1e-3, 1e-1)}
    found = random_search(regressor(), X, Y, rates, cv=3, draws=4, random_state=5, vectorize=True)
    assert found.engine == "together"
    expected = list(ParameterSampler(rates, 4, random_state=5))
    assert found.table.learning_rate.tolist() == [one["learning_rate"] for one in expected]
    alone = cross_validate(regressor(**expected[2]), X, Y, cv=3, vectorize=False)
    assert found.table.valid[2] == pytest.approx(alone.mean.valid, rel=1e-5)


def test_a_race_keeps_the_best_and_trains_them_longer():
    grid = {"learning_rate": [1e-5, 1e-4, 1e-3, 1e-2, 3e-2, 1e-1]}
    found = halving_search(regressor(), X, Y, grid, cv=3, first=2, last=6, factor=3, vectorize=True)
    heats = found.table.groupby("heat")
    assert heats.size().tolist() == [6, 2]
    assert heats.epochs.first().tolist() == [2, 6]
    first = found.table[found.table.heat == 1]
    kept = set(first.nlargest(2, "valid").learning_rate)
    assert set(found.table[found.table.heat == 2].learning_rate) == kept
    assert sorted(found.table["rank"]) == list(range(1, 9))
    best = found.table.loc[found.table["rank"].idxmin()]
    assert (best.heat, best.learning_rate) == (2, found.best_params["learning_rate"])
    whole = grid_search(regressor(epochs=6), X, Y, {"learning_rate": sorted(kept)}, cv=3)
    assert found.best_params["learning_rate"] == whole.best_params["learning_rate"]


@pytest.mark.parametrize(
    ("sizes", "words"),
    [
        ({"first": 9, "last": 3}, "last=3 is below first=9"),
        ({"first": 1, "last": 3, "factor": 1}, "factor=1"),
        ({"first": 0, "last": 3}, "first=0"),
    ],
)
def test_a_race_that_cannot_be_run_is_answered(sizes, words):
    with pytest.raises(ValueError, match=words):
        halving_search(Ridge(), X, Y, {"alpha": [1.0]}, resource="max_iter", **sizes)


def test_a_long_search_prints_in_ten_lines():
    found = grid_search(Ridge(), X, Y, {"alpha": np.linspace(0.1, 1, 100).tolist()}, cv=3)
    assert len(repr(found).splitlines()) <= 10
    assert "100 settings" in repr(found)
