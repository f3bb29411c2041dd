"""Is the house in order? What the README promises of the code itself."""

import ast
import doctest
import importlib
import pkgutil
import re
import subprocess
import sys

import pytest
from conftest import CHECKOUT

import kerasdl

SOURCES = sorted((CHECKOUT / "kerasdl").rglob("*.py"))
BACKENDS = {"tensorflow", "jax", "torch"}
# Those in tests/core, what a wheel carries beside the code, and what needs one backend are left out.
ELSEWHERE = ("__main__", "data.", "tutorials.", "datasets", "scratch", "shift", "layers.kernels.", "devices.")
MODULES = [
    module.name
    for module in pkgutil.walk_packages(kerasdl.__path__, "kerasdl.")
    if not module.name.removeprefix("kerasdl.").startswith(ELSEWHERE)
]


def imported(tree):
    """The top-level names of every module that a source imports, anywhere in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module.partition(".")[0]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(CHECKOUT)))
def test_a_source_is_short_and_opens_with_its_question(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 400
    tree = ast.parse(text)
    assert path.name == "__main__.py" or ast.get_docstring(tree)
    if not {"kernels", "devices"} & set(path.parts):
        assert not BACKENDS & set(imported(tree)), "it belongs in layers/kernels, or in devices"


def test_only_the_choosers_set_the_backend():
    setters = [
        str(path.relative_to(CHECKOUT))
        for path in SOURCES
        if re.search(
            r"""environ\[["']KERAS_BACKEND["']\] =|"KERAS_BACKEND": """, path.read_text(encoding="utf-8")
        )
    ]
    assert setters == ["kerasdl/backends.py", "kerasdl/cli/run.py"]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_run(name):
    module = importlib.import_module(name)
    failures, _ = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert failures == 0


@pytest.mark.parametrize(
    "code",
    [
        "import kerasdl",
        "import kerasdl; kerasdl.set_seed(0)",
        "from kerasdl.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass",
        "from kerasdl.cli import main; main(['list'])",
        "import kerasdl.datasets; kerasdl.datasets.house_prices()",
        "import kerasdl.scratch",
        "import kerasdl.report, kerasdl.results",
    ],
)
def test_what_needs_no_backend_loads_none(code):
    check = f"import sys\n{code}\nassert not {{'keras', *{BACKENDS}}} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", check], check=True, capture_output=True)


def test_help_and_list_load_no_heavy_library():
    check = (
        "import sys\nfrom kerasdl.cli import main\nmain(['list'])\n"
        "assert not {'numpy', 'pandas', 'rich', 'sklearn', 'matplotlib'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", check], check=True, capture_output=True)


def test_an_unknown_name_of_the_package_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = kerasdl.nothing
