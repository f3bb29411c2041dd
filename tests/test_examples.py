"""Do the examples in the docstrings run? Here those that need Keras; without a backend, all the others."""

import doctest
import importlib
import pkgutil

import pytest
from test_architecture import WITHOUT_KERAS, room

import kerasdl
from kerasdl import backends

# What a wheel carries beside the code, what starts a program, and what needs one backend by name.
ELSEWHERE = ("__main__", "data.", "tutorials.", "course.cli.worker", "layers.kernels.", "devices.")
ELSEWHERE += tuple(f"training.programs.{name}" for name in backends.NAMES)
ELSEWHERE += tuple(f"course.play.{name}" for name in ("page", "rows", "findings"))  # need kerasdl[play]
MODULES = [
    name
    for _, name, _ in pkgutil.walk_packages(kerasdl.__path__, "kerasdl.")
    if not name.removeprefix("kerasdl.").startswith(ELSEWHERE)
    and (room(name) in WITHOUT_KERAS) == (not backends.installed())
]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_run(name):
    found = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert found.failed == 0
