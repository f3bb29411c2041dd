"""The examples in the docstrings of what needs no backend; tests/test_house.py runs the others."""

import doctest
import importlib
import pkgutil

import pytest

from kerasdl import datasets, scratch, shift

MODULES = [
    module.name
    for package in (datasets, scratch, shift)
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}.")
]


@pytest.mark.parametrize(
    "name", ["kerasdl.checks", "kerasdl.files", "kerasdl.names", "kerasdl.random", "kerasdl.text", *MODULES]
)
def test_the_examples_run(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0
