"""Is the house in order? Floors, the imports that are never allowed, and short files, read off the sources.

Every rule is a function of ``{module: source}`` that returns the violations it finds, so that a planted
violation shows that the rule holds.
"""

import ast
import functools
import itertools
import re
import sys
import tomllib
from collections.abc import Iterator

import pytest
from places import CHECKOUT

from kerasdl import backends, borrowed

# From the top floor down: a room imports rooms on lower floors alone, and nothing of the same floor.
FLOORS = [
    {"__main__"},
    {"course"},
    {"selection"},
    {"estimators"},
    {"models", "training"},
    {"layers", "devices", "engines"},
    {"initializers", "text", "datasets", "scratch", "shift", "plots"},
    {"random", "backends", "borrowed", "checks"},
    {"names", "files"},
]
FLOOR = {room: -number for number, floor in enumerate(FLOORS) for room in floor}
# These serve the course and its readers: the library does without them.
FOR_READERS = {"course", "datasets", "plots"}
NAMED_TUPLES = {"_fields", "_replace", "_asdict"}  # public, whatever the underscore says
WITHOUT_KERAS = {"", "shift", "scratch", "text", "datasets", "checks", "names", "files", "random", "backends"}
BACKENDS = {"tensorflow", "jax", "torch"}
# Where a backend may be named, and where a private part of Keras, torch or scikit-learn may be.
BACKEND_PLACES = (
    "kerasdl.layers.kernels",
    "kerasdl.devices",
    "kerasdl.training",
    "kerasdl.borrowed",
    "kerasdl.course.precision",
)
PRIVATE_PLACES = ("kerasdl.borrowed", "kerasdl.layers.kernels", "kerasdl.devices")


def sources() -> dict[str, str]:
    """Return the text of every module of the package by its dotted name."""
    found = {}
    for path in sorted((CHECKOUT / "kerasdl").rglob("*.py")):
        name = ".".join(path.relative_to(CHECKOUT).with_suffix("").parts).removesuffix(".__init__")
        found[name] = path.read_text(encoding="utf-8")
    return found


def room(module: str) -> str:
    """Return the room that a module of kerasdl stands in; "" for the package's own face."""
    return module.split(".")[1] if "." in module else ""


def imports(source: str, known: dict[str, str]) -> Iterator[str]:
    """Yield the dotted name of every module that a source imports, anywhere in it.

    ``kerasdl.models.linear`` and ``import_module("kerasdl.models")`` reach a module as an import does.
    """
    for whole, else_ in mentions(source):
        if name := whole if whole in known else else_:
            yield name


@functools.cache
def mentions(source: str) -> tuple[tuple[str, str], ...]:
    """Return what a source may import: a dotted name, and what is meant where no such module is known."""
    found: list[tuple[str, str]] = []
    for node in ast.walk(parsed(source)):
        if isinstance(node, ast.Import):
            found += [(alias.name, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are written in full"
            found += [(f"{node.module}.{alias.name}", node.module) for alias in node.names]
        elif isinstance(node, ast.Attribute):
            found.append((ast.unparse(node), ""))
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            found += [(word, word) for word in words(node.args)]
    return tuple(found)


def words(nodes: list[ast.expr]) -> list[str]:
    """Return the strings among some expressions."""
    return [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]


@functools.cache
def parsed(source: str) -> ast.Module:
    """Read a module's source once, for all questions that are asked of it."""
    return ast.parse(source)


def arrows(modules: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Yield (importer, imported) for each import inside kerasdl; a package holds what it re-exports."""
    for name, source in modules.items():
        for other in imports(source, modules):
            if other.partition(".")[0] == "kerasdl" and other != name:
                yield name, other


def against_the_floors(modules: dict[str, str]) -> list[str]:
    """Rooms without a floor, and imports that do not run downward."""
    lost = sorted({room(name) for name in modules} - FLOOR.keys() - {""})
    found = [f"room {name!r} stands on no floor" for name in lost]
    for name, other in arrows(modules):
        here, there = room(name), room(other)
        if here != there and here in FLOOR and there in FLOOR and FLOOR[here] <= FLOOR[there]:
            found.append(f"{name} imports {other}, which is not on a lower floor")
    return found


def library_on_the_course(modules: dict[str, str]) -> list[str]:
    """Imports by the library of what serves the course and its readers."""
    return [
        f"{name} imports {other}"
        for name, other in arrows(modules)
        if room(other) in FOR_READERS and room(name) not in {*FOR_READERS, "__main__"}
    ]


def keras_where_none_is_needed(modules: dict[str, str]) -> list[str]:
    """Imports of Keras or a backend in rooms that promise to need neither, and of a backend elsewhere."""
    found = []
    for name, source in modules.items():
        libraries = {other.partition(".")[0] for other in imports(source, modules)}
        if room(name) in WITHOUT_KERAS:
            found += [f"{name} imports {library}" for library in libraries & {"keras", *BACKENDS}]
        elif not name.startswith(BACKEND_PLACES):
            found += [f"{name} imports {library}" for library in libraries & BACKENDS]
    return found


def circles(modules: dict[str, str]) -> list[str]:
    """Modules that import one another, by way of others or directly.

    A package shows what the modules inside it make, so they may not take anything from its face.
    """
    showing = {name for name, other in arrows(modules) if other.startswith(f"{name}.")}
    below: dict[str, set[str]] = {name: set() for name in modules}
    for name, other in arrows(modules):
        if not name.startswith(f"{other}.") and not other.startswith(f"{name}."):
            below[name].add(other)
    inside = [(name, other) for name, other in arrows(modules) if name.startswith(f"{other}.")]
    found = [f"{name} -> {other} -> {name}" for name, other in inside if other in showing - {"kerasdl"}]
    done: set[str] = set()

    def descend(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            found.append(" -> ".join((*path[path.index(name) :], name)))
        elif name not in done:
            for other in sorted(below.get(name, ())):
                descend(other, (*path, name))
            done.add(name)

    for name in modules:
        descend(name, ())
    return found


def made_here(modules: dict[str, str]) -> set[str]:
    """Return the attributes that kerasdl's own classes define or set; reading one does not make it ours."""
    found = set()
    for source in modules.values():
        for node in ast.walk(parsed(source)):
            if isinstance(node, ast.ClassDef):
                methods = ast.FunctionDef | ast.AsyncFunctionDef
                found |= {part.name for part in node.body if isinstance(part, methods)}
                targets = [part.target for part in node.body if isinstance(part, ast.AnnAssign)]
                targets += [one for part in node.body if isinstance(part, ast.Assign) for one in part.targets]
                found |= {name.id for one in targets for name in ast.walk(one) if isinstance(name, ast.Name)}
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                found |= {node.attr} if ast.unparse(node.value) in {"self", "cls"} else set()
    return found


BY_NAME = {"getattr", "hasattr", "setattr", "delattr", "operator.attrgetter", "attrgetter"}


def private_uses(node: ast.AST, source: str) -> list[str]:
    """Return the parts of other libraries' names that a node uses, and names under ``keras.src`` whole."""
    taken: list[str] = []
    if isinstance(node, ast.Import):
        taken = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        taken = [f"{node.module}.{alias.name}" for alias in node.names]
    elif isinstance(node, ast.Attribute):
        root = re.search(rf"import keras as {re.escape(ast.unparse(node.value))}$", source, re.MULTILINE)
        return (
            ["keras.src"]
            if node.attr == "src" and (root or ast.unparse(node) == "keras.src")
            else [node.attr]
        )
    elif isinstance(node, ast.Call) and ast.unparse(node.func) in BY_NAME:
        return words(node.args)
    elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
        taken = words(node.args)
    elif isinstance(node, ast.Subscript) and re.search(r"^vars\(|__dict__$", ast.unparse(node.value)):
        return words([node.slice])
    taken = [one for one in taken if one.partition(".")[0] != "kerasdl"]
    return [part for one in taken for part in ([one] if one.startswith("keras.src") else one.split("."))]


def private_names(modules: dict[str, str], allowed: tuple[str, ...] = PRIVATE_PLACES) -> list[str]:
    """Private parts of other libraries outside ``borrowed``, the kernels and the devices.

    An attribute with a leading underscore is ours where a class of kerasdl defines or sets it.
    """
    ours = made_here(modules) | NAMED_TUPLES
    found = []
    for module, source in modules.items():
        if allowed and module.startswith(allowed):
            continue
        for node in ast.walk(parsed(source)):
            for name in private_uses(node, source):
                private = name.startswith("_") and not name.endswith("__") and name not in ours
                if private or name.startswith("keras.src"):
                    found.append(f"{module}:{node.lineno} uses {name}")
    return found


def unlisted(modules: dict[str, str]) -> list[str]:
    """Private parts of other libraries, wherever they are used, that ``borrowed`` does not list."""
    listed = " ".join(entry.what for entry in borrowed.ENTRIES.values())
    uses = [(use, use.rpartition(" ")[2]) for use in private_names(modules, allowed=())]
    return [use for use, name in uses if not re.search(rf"(?<!\w){re.escape(name)}(?!\w)", listed)]


def long_or_silent(modules: dict[str, str]) -> list[str]:
    """Files past 400 lines, and files that do not open with a line and then say what is in them."""
    found = [f"{name} has {n} lines" for name, s in modules.items() if (n := len(s.splitlines())) > 400]
    opening = {name: ast.get_docstring(parsed(source)) or "" for name, source in modules.items()}
    silent = [name for name, words in opening.items() if "\n\n" not in words and room(name) != "__main__"]
    return found + [f"{name} does not say what is in it" for name in silent]


RULES = [
    against_the_floors,
    library_on_the_course,
    keras_where_none_is_needed,
    circles,
    private_names,
    unlisted,
    long_or_silent,
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_house_keeps_its_plan(rule):
    assert rule(sources()) == []


@pytest.mark.parametrize(
    ("rule", "planted", "answer"),
    [
        (against_the_floors, {"kerasdl.attic": '""'}, "room 'attic' stands on no floor"),
        (against_the_floors, {"kerasdl.layers.new": "from kerasdl import models"}, "not on a lower floor"),
        (against_the_floors, {"kerasdl.models.new": "from kerasdl import training"}, "not on a lower floor"),
        (against_the_floors, {"kerasdl.engines": "from kerasdl.selection import grid"}, "not on a lower"),
        (library_on_the_course, {"kerasdl.models.new": "from kerasdl import datasets"}, "kerasdl.datasets"),
        (library_on_the_course, {"kerasdl.training.new": "import kerasdl.course.cli"}, "course.cli"),
        (keras_where_none_is_needed, {"kerasdl.shift.new": "from keras import ops"}, "imports keras"),
        (keras_where_none_is_needed, {"kerasdl.models.new": "def f():\n    import torch"}, "imports torch"),
        (
            circles,
            {"kerasdl.text": "from kerasdl import names", "kerasdl.names": "from kerasdl import text"},
            "kerasdl.names -> kerasdl.text -> kerasdl.names",
        ),
        (
            against_the_floors,
            {"kerasdl.layers.new": "import kerasdl\nkerasdl.models.linear(1)"},
            "not on a lower",
        ),
        (library_on_the_course, {"kerasdl.text": "f = import_module('kerasdl.course')"}, "kerasdl.course"),
        (keras_where_none_is_needed, {"kerasdl.models.new": "t = __import__('torch')"}, "imports torch"),
        (keras_where_none_is_needed, {"kerasdl": "import keras"}, "imports keras"),
        (
            circles,
            {"kerasdl.shift.new": "from kerasdl.shift import KSTest"},
            "kerasdl.shift.new -> kerasdl.shift",
        ),
        (private_names, {"kerasdl.models.new": "from keras.src import ops"}, "uses keras.src.ops"),
        (private_names, {"kerasdl.models.new": "from keras import src"}, "uses keras.src"),
        (private_names, {"kerasdl.models.new": "import keras as k\nk.src.ops"}, "uses keras.src"),
        (private_names, {"kerasdl.models.new": "import torch._dynamo"}, "uses _dynamo"),
        (private_names, {"kerasdl.models.new": "import_module('keras.src.ops')"}, "uses keras.src.ops"),
        (private_names, {"kerasdl.models.new": "operator.attrgetter('_of_keras')"}, "uses _of_keras"),
        (private_names, {"kerasdl.models.new": "vars(m)['_of_keras']"}, "uses _of_keras"),
        (private_names, {"kerasdl.models.new": "_of_keras = 1\nm._of_keras"}, "uses _of_keras"),
        (
            private_names,
            {"kerasdl.models.new": "class A:\n    def f(self): return self._trainable_variables"},
            "uses _trainable_variables",
        ),
        (unlisted, {"kerasdl.devices.new": "model._build()"}, "uses _build"),
        (
            private_names,
            {"kerasdl.models.new": "model._flatten_layers_of_keras()"},
            "_flatten_layers_of_keras",
        ),
        (private_names, {"kerasdl.text": "getattr(x, '_of_others', None)"}, "uses _of_others"),
        (unlisted, {"kerasdl.devices.new": "model._secret_of_keras()"}, "uses _secret_of_keras"),
        (long_or_silent, {"kerasdl.text": '"""Long."""\n' * 401}, "has 401 lines"),
        (long_or_silent, {"kerasdl.text": "x = 1"}, "does not say"),
        (long_or_silent, {"kerasdl.text": '"""Is this all?"""'}, "does not say"),
    ],
)
def test_a_planted_violation_is_found(rule, planted, answer):
    found = rule(sources() | planted)
    assert any(answer in violation for violation in found), found


# What a library is called where it is not called as its package; IPython is there where it is asked for.
DISTRIBUTIONS = {
    "sklearn": "scikit-learn",
    "IPython": "ipykernel",
    "markdown_it": "markdown-it-py",
    "mdit_py_plugins": "mdit-py-plugins",
}


def undeclared(modules: dict[str, str]) -> list[str]:
    """Libraries that are imported and that pyproject.toml does not name among what kerasdl needs."""
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *itertools.chain(*project["optional-dependencies"].values())]
    known = {re.match(r"[\w-]+", one)[0] for one in wanted} | {"kerasdl"} | sys.stdlib_module_names
    imported = {other.partition(".")[0] for source in modules.values() for other in imports(source, modules)}
    return sorted(imported - {name for name in imported if DISTRIBUTIONS.get(name, name) in known})


def test_every_library_that_is_imported_is_declared():
    assert undeclared(sources()) == []
    assert undeclared(sources() | {"kerasdl.text": "import polars, numpy"}) == ["polars"]


def parts_missing(backend: str, texts: dict[str, str]) -> list[str]:
    """Return what a backend lacks of the parts that each of ``backends.NAMES`` has."""
    wanted = {
        f"kerasdl/layers/kernels/{backend}.py": "def recur(",
        f"kerasdl/devices/{backend}.py": "def step(",
        f"kerasdl/training/programs/{backend}.py": "class Program(",
        "kerasdl/course/cli/doctor.py": f'    "{backend}": ',
        "pyproject.toml": f"\n{backend} = [",
        "tox.ini": f"    {backend}: KERAS_BACKEND = {backend}\n",
    }
    return [path for path, words in wanted.items() if words not in texts.get(path, "")]


def everything() -> dict[str, str]:
    """Return the text of every source and every configuration file by its path."""
    paths = [*(CHECKOUT / "kerasdl").rglob("*.py"), CHECKOUT / "pyproject.toml", CHECKOUT / "tox.ini"]
    return {path.relative_to(CHECKOUT).as_posix(): path.read_text(encoding="utf-8") for path in paths}


@pytest.mark.parametrize("backend", backends.NAMES)
def test_a_backend_has_all_its_parts_and_one_that_is_taken_away_is_missed(backend):
    texts = everything()
    assert parts_missing(backend, texts) == []
    for path in (path for path in texts if path.endswith(f"/{backend}.py")):
        assert parts_missing(backend, {name: text for name, text in texts.items() if name != path}) == [path]
    assert len(parts_missing("another", texts)) == 6


GUIDE = CHECKOUT / "CONTRIBUTING.md"


def unknown_tests(guide: str) -> list[str]:
    """Return the tests that a guide names and that are not there."""
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", guide)
    assert named
    unknown = []
    for path, test in named:
        if "NAME" in path:
            continue
        file = CHECKOUT / path
        if not file.exists() or (test and f"\ndef {test}(" not in file.read_text(encoding="utf-8")):
            unknown.append(f"{path}::{test}")
    return unknown


def test_the_guide_names_tests_that_are_there():
    guide = GUIDE.read_text(encoding="utf-8")
    assert unknown_tests(guide) == []
    assert unknown_tests(guide + "`tests/test_text.py::test_nothing`") == ["tests/test_text.py::test_nothing"]
