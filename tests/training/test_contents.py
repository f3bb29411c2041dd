"""Equal content is described alike, in every process; whatever makes a difference is seen, or refused."""

import dataclasses
import enum
import functools
import importlib
import json
import logging
import os
import subprocess
import sys
import threading
import types
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import Ridge
from sklearn.metrics import make_scorer

from kerasdl import models
from kerasdl.training.contents import described, own_parts

HELPERS = """
WIDTHS = [64, 32]
SETTINGS = {{"rate": {number}}}

def factor():
    return {number}

def deeper():
    return factor()

class Base:
    def factor(self):
        return {number}
"""
BASE = "from helpers import Base\n"
MODULE = "import helpers\n"
# What a user writes beside it: each uses a number that stands in the other module.
USES = {
    "a function": "from helpers import factor\ndef thing(): return factor()",
    "its function": "from helpers import deeper\ndef thing(): return deeper()",
    "the module": MODULE + "def thing(): return helpers.deeper()",
    "another name": "import helpers as h\ndef inner(): return h.factor()\ndef thing(): return inner()",
    "an import within": "def thing():\n    from helpers import factor\n    return factor()",
    "a module within": "def thing():\n    import helpers\n    return helpers.factor()",
    "a package": "import pack.helpers\ndef thing(): return pack.helpers.factor()",
    "a package within": "def thing():\n    from pack import helpers\n    return helpers.factor()",
    "a base": BASE + "class Thing(Base):\n    def __call__(self): return self.factor()\nthing = Thing()",
    "slots": MODULE + "class Thing: __slots__ = ['rate']\nthing = Thing()\nthing.rate = helpers.SETTINGS",
    "a method": BASE + "thing = Base().factor",
    "a property": MODULE + "class T: rate = property(lambda self: helpers.factor())\nthing = T()",
    "a dictionary": MODULE + "def thing(): return helpers.SETTINGS['rate']",
    "a wrapper": MODULE + "from functools import cache\n@cache\ndef thing(): return helpers.factor()",
    "a partial": MODULE + "import functools\nthing = functools.partial(helpers.deeper)",
    "a default": MODULE + "def thing(rate=helpers.SETTINGS): return rate",
    "a closure": MODULE + "def make(rate):\n    return lambda: rate\nthing = make(helpers.SETTINGS)",
    "a nested function": MODULE + "def thing():\n    return [helpers.factor() for _ in range(2)]",
    "a scorer": MODULE
    + "from sklearn.metrics import make_scorer\nthing = make_scorer(lambda y, p: helpers.factor())",
}


@pytest.fixture
def content(tmp_path, monkeypatch):
    """Describes what a user's module makes, as a new process would, with a number in the module beside it."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "__init__.py").touch()

    def of(use, number, more=""):
        for path in (tmp_path / "helpers.py", tmp_path / "pack" / "helpers.py"):
            path.write_text(more + HELPERS.format(number=number))
        (tmp_path / "user.py").write_text(use)
        forget()
        return described(importlib.import_module("user").thing)

    def forget():
        for name in ("helpers", "pack.helpers", "pack", "user"):
            sys.modules.pop(name, None)
        importlib.invalidate_caches()

    yield of
    forget()


@pytest.mark.parametrize("use", USES.values(), ids=list(USES))
def test_an_edit_in_another_module_of_one_s_own_is_seen_and_a_comment_is_none(content, use):
    first = content(use, 1.0)
    assert content(use, 1.0, "# A remark, which moves every line.\n\n") == first
    assert content(use, 2.0) != first


def table(**changes):
    plain = {"a": [1.0, 2.0], "b": pd.Categorical(["x", "y"], ["x", "y"])}
    return pd.DataFrame(plain | changes)


class Scale:
    """Something with a method, an attribute and a slot's worth of state."""

    def __init__(self, by):
        self.by = by

    def __call__(self, x):
        return self.by * x


class Wrapper:
    """A decorator with a setting, which has the function that it wraps beside it."""

    def __init__(self, function, by):
        functools.update_wrapper(self, function)
        self.by = by


def one():
    return 1


PAIRS = {
    "index": (table(), table().set_index(pd.Index([1, 0]))),
    "index's name": (table(), table().rename_axis("row")),
    "categories in another order": (table(), table(b=pd.Categorical(["x", "y"], ["y", "x"]))),
    "categories with an order": (table(), table(b=pd.Categorical(["x", "y"], ["x", "y"], ordered=True))),
    "a category more": (table(), table(b=pd.Categorical(["x", "y"], ["x", "y", "z"]))),
    "a column's name": (table(), table().rename(columns={"a": "c"})),
    "columns of one name": (
        pd.DataFrame([[1, 2]], columns=["a", "a"]),
        pd.DataFrame([[1, 3]], columns=["a", "a"]),
    ),
    "a type": (table(), table().astype({"a": "float32"})),
    "a time zone": (
        pd.Series(pd.to_datetime(["2020-01-01"], utc=True)),
        pd.Series(pd.to_datetime(["2020-01-01"]).tz_localize("Europe/Rome")),
    ),
    "a series' index": (pd.Series([1, 2]), pd.Series([1, 2], index=[1, 0])),
    "a mask": (np.ma.masked_array([1, 2], [True, False]), np.ma.masked_array([1, 2], [False, True])),
    "an object among objects": (np.array(["a", 1], object), np.array(["a", "1"], object)),
    "a truth value": (1, True),
    "a number and its word": (1.0, "1.0"),
    "the form of sparse rows": (sparse.csr_array([[1.0]]), sparse.csc_array([[1.0]])),
    "an attribute": (Scale(1.0), Scale(2.0)),
    "what a method is of": (Scale(1.0).__call__, Scale(2.0).__call__),
    "a function bound by hand": tuple(
        types.MethodType(function, Scale(1.0)) for function in (lambda self: 1, lambda self: 2)
    ),
    "a decorator's setting": (Wrapper(one, 1), Wrapper(one, 2)),
    "a built-in function": (max, min),
    "a ufunc": (np.exp, np.log),
    "what a built-in method is of": (np.random.default_rng(0).normal, np.random.default_rng(1).normal),
    "what was learned and stays": tuple(
        FrozenEstimator(Ridge().fit([[0.0], [1.0]], y)) for y in ([0.0, 1.0], [0.0, 2.0])
    ),
    "a parameter": (Ridge(1.0), Ridge(2.0)),
    "a setting of a scorer": (
        make_scorer(np.dot, greater_is_better=True),
        make_scorer(np.dot, greater_is_better=False),
    ),
    "a loss's setting": (keras.losses.Huber(1.0), keras.losses.Huber(2.0)),
    "a partial's argument": (functools.partial(max, 1), functools.partial(max, 2)),
}


@pytest.mark.parametrize(("one", "other"), PAIRS.values(), ids=list(PAIRS))
def test_what_makes_a_difference_is_seen(one, other):
    first = json.dumps(described(one))
    assert json.dumps(described(one)) == first
    assert json.dumps(described(other)) != first


def test_functions_differ_by_their_arguments_names_and_by_what_they_catch():
    def first(features):
        return None

    def second(units):
        return None

    def third(features):
        try:
            features()
        except ValueError:
            return 1
        return 2

    parts = [described(one)[5] for one in (first, second, third)]
    assert json.dumps(parts[0]) != json.dumps(parts[1])
    assert parts[0] != parts[2]


@dataclasses.dataclass
class Point:
    x: float = 1.0
    y: list = dataclasses.field(default_factory=list)


class Colour(enum.Enum):
    RED = 1


LOGGER = logging.getLogger(__name__)


class Own(keras.layers.Layer):
    def call(self, x):
        return x


def various():
    """Things of many kinds, made anew."""

    def score(estimator, X, y):
        LOGGER.info("scored")
        return Point(np.mean(y), [Colour.RED]).x

    loss = keras.losses.Huber(2.0)
    return [
        {"b", "a", "c"},
        {("x", 1.0): frozenset({1, 2.5})},
        score,
        Point(),
        Colour.RED,
        loss,
        keras.optimizers.Adam(0.5),
        Ridge(random_state=np.random.RandomState(3)),
        np.random.default_rng(3),
        table(),
        models.mlp,
        Own,
        keras.callbacks.LearningRateScheduler(lambda epoch: 0.1),
        np.exp,
        range(3),
    ]


def test_another_process_describes_the_same():
    # Under the very name that pytest gives this module.
    code = f"import json, {__name__} as t; print(json.dumps(t.described(t.various())))"
    path = os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": "7"}
    said = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    assert json.loads(said.stdout.splitlines()[-1]) == json.loads(json.dumps(described(various())))


def test_what_cannot_be_told_is_named(tmp_path):
    lock = threading.Lock()
    with open(tmp_path / "file", "w") as file:
        for thing, words in (
            (lambda: lock, r"_thread\.lock"),
            (Scale(file), r"_io\.TextIOWrapper"),
            ((one for one in ()), "generator"),
        ):
            with pytest.raises(TypeError, match=f"^a {words} ") as told:
                described(thing)
            assert "\n" not in str(told.value)


def test_a_thing_that_holds_itself_comes_to_an_end():
    own = [1]
    own.append(own)
    other = [2]
    other.append(other)
    assert described(own) != described(other)


def test_own_parts_of_a_model_are_its_layers_classes_and_functions():
    def model(activation):
        return keras.Sequential([keras.Input((2,)), Own(), keras.layers.Dense(1, activation=activation)])

    plain = model("relu")
    assert own_parts(keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])) == []
    assert "test_contents" in json.dumps(own_parts(plain))
    one, other = (own_parts(model(activation)) for activation in (lambda x: x, lambda x: 2 * x))
    assert one != other
    assert len(one) == len(own_parts(plain)) + 1
