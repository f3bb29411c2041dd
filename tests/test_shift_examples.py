"""Do the examples in the docstrings run, and show what they say?"""

import doctest
import importlib
import pkgutil

import pytest

import kerasdl.shift


@pytest.mark.parametrize("name", [module.name for module in pkgutil.iter_modules(kerasdl.shift.__path__)])
def test_examples_hold(name):
    assert doctest.testmod(importlib.import_module(f"kerasdl.shift.{name}")).failed == 0
