"""Does each public name say what goes in, what comes out, what it refuses, and show an example?

A name is public where a room's ``__all__`` has it.
"""

import inspect
import re
import sys

import pytest
from places import CHECKOUT

sys.path.append(str(CHECKOUT / "docs"))
from builder import names


def lacks(value) -> list[str]:
    """What the name's docstring does not say."""
    said = inspect.getdoc(value) or ""
    if not said:
        return ["docstring"]
    kind = inspect.isclass(value)
    made_by_us = kind and (issubclass(value, BaseException) or issubclass(value, tuple) or is_record(value))
    found = []
    # Where a signature is Keras's own, so are its arguments.
    own = not kind or "__init__" in vars(value)
    asked = [name for name in parameters(value) if own and not made_by_us and not mentioned(name, said)]
    if asked:
        found.append("Args: " + ", ".join(asked))
    if not kind:
        answer = inspect.signature(value).return_annotation
        answers = answer not in (None, "None", inspect.Signature.empty)
        if answers and not re.search(r"\b(Returns?|Yields?|returns?|yields?|[Dd]raw)\b", said):
            found.append("Returns")
    raises = re.search(r"^\s+raise \w", source(value), re.MULTILINE) is not None
    if raises and not made_by_us and not re.search(r"Raises:|refuse|raise", said):
        found.append("Raises")
    if ">>>" not in said and not made_by_us:
        found.append("Example")
    return found


def is_record(value) -> bool:
    return hasattr(value, "__dataclass_fields__")


def mentioned(name: str, said: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", said) is not None


def parameters(value) -> list[str]:
    try:
        return [name for name in inspect.signature(value).parameters if name not in ("self", "kwargs")]
    except ValueError:
        return []


def source(value) -> str:
    """The code of a function, or of a class's ``__init__``: what it does as soon as it is called."""
    function = value if inspect.isfunction(value) else vars(value).get("__init__")
    written = inspect.isfunction(function) and not function.__code__.co_filename.startswith("<")
    return inspect.getsource(function) if written else ""


@pytest.mark.parametrize("name", sorted(names.every()))
def test_a_public_name_says_what_it_does(name):
    assert not lacks(names.every()[name])


def test_a_docstring_that_says_nothing_is_found():
    def blank(x: int) -> int:
        """Do it."""
        if x:
            raise ValueError
        return x

    assert lacks(blank) == ["Args: x", "Returns", "Raises", "Example"]
