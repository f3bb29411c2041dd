"""How can each setting be moved? A slider with a range for a number, a switch, a choice, or a field of text.

A chapter's declaration goes in; out comes a :class:`Control` for each setting. Its range follows from the
setting's value, from its limits (:mod:`kerasdl.course.limits`), and from what the chapter's exercises try.
"""

import ast
import io
import math
import re
import shlex
import tokenize
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kerasdl.course import limits, request
from kerasdl.course.syllabus import Script

STOPS = 40  # of a slider that is not over whole numbers one by one
FEW = 16  # up to which a whole number is moved one by one
SEEDS = 99


@dataclass(frozen=True)
class Control:
    """How one setting can be moved.

    Attributes:
        name: the setting's.
        value: where it starts.
        kind: ``slider``, ``switch``, ``choice`` or ``text``.
        hint: what the chapter says beside it.
        low, high: a slider's ends.
        log: whether equal ways along the slider are equal factors.
        choices: the words to choose from.
    """

    name: str
    value: Any
    kind: str
    hint: str = ""
    low: float = 0.0
    high: float = 1.0
    log: bool = False
    choices: tuple[str, ...] = ()

    @property
    def stops(self) -> int:
        """The slider's last place; its first is 0."""
        if isinstance(self.value, int) and not self.log:
            return round(self.high - self.low)
        return STOPS

    def at(self, place: int) -> Any:
        """Return the value at a place of the slider: a round number, and exactly the start at its own place.

        Example:
            >>> noise = Control("noise", 0.25, "slider", low=0.025, high=2.5, log=True)
            >>> noise.at(0), noise.at(20), noise.at(30), noise.at(40)
            (0.025, 0.25, 0.79, 2.5)
        """
        if place == self.place(self.value):
            return self.value
        if place in (0, self.stops):
            found = float(self.high if place else self.low)
        elif self.log:
            found = _round(self.low * (self.high / self.low) ** (place / self.stops))
        else:
            found = float(f"{self.low + (self.high - self.low) * place / self.stops:.3g}")
        return round(found) if isinstance(self.value, int) else found

    def place(self, value: float) -> int:
        """Return the place on the slider that is nearest to a value, which may lie beyond its ends."""
        value = min(max(value, self.low), self.high)
        if self.log:
            share = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return round(share * self.stops)


def of(script: Script, fast: bool = True) -> list[Control]:
    """Return a control for each setting of a chapter, at its full value or at that of ``--fast``."""
    hints = _hints(script)
    values = {**script.settings, **(script.fast if fast else {})}
    return [_control(script, name, value, hints.get(name, "")) for name, value in values.items()]


def _control(script: Script, name: str, value: Any, hint: str) -> Control:
    limit = limits.of(script.name, name, script.settings[name])
    if isinstance(value, bool):
        return Control(name, value, "switch", hint)
    if isinstance(value, str) and limit.words:
        return Control(name, value, "choice", hint, choices=limit.words)
    if isinstance(value, str | tuple):
        known = f"known: {', '.join(limit.words)}" if limit.words else ""
        return Control(name, value, "text", "; ".join(filter(None, [hint, known])))
    return Control(name, value, "slider", hint, *_range(name, value, limit, _tried(script, name)))


def _range(name: str, value: float, limit: limits.Limit, tried: list[float]) -> tuple[float, float, bool]:
    """Low end, high end, and whether equal ways are equal factors.

    All that may be given, where that has two ends; else a tenth to ten times the value, or as far as the
    exercises go; whole numbers that are small one by one.
    """
    if isinstance(value, float) and math.isfinite(limit.low) and math.isfinite(limit.high):
        return limit.low, limit.high, False
    if name == "seed":
        return 0, max(SEEDS, value), False
    whole, log = isinstance(value, int), True
    if whole and abs(value) <= FEW:
        low, high, log = min(1, value), max(8, 2 * value), False
    elif whole:
        low, high = max(round(value / 10), 1), 10 * value
    elif value > 0:
        low, high = (float(f"{value * factor:.12g}") for factor in (0.1, 10))  # not 0.30000000000000004
    else:  # a size of its own, on both sides of 0
        low, high, log = min(0.0, 10 * value), max(1.0, -10 * value), False
    low, high = min([low, *tried]), max([high, *tried])
    low, high = max(low, limit.low), min(high, limit.high)
    return low, high, log and low > 0


def _tried(script: Script, name: str) -> list[float]:
    """The values of a number that the chapter's exercises try."""
    words = re.findall(rf"--set {name}=([-+.e\d]+)", " ".join(script.exercises))
    kind = type(script.settings[name])
    return [kind(word) for word in words]


def _round(number: float) -> float:
    """Two significant digits: enough for a slider, and short in a command."""
    return float(f"{number:.2g}")


def word(name: str, value: Any) -> str:
    """Return the ``NAME=VALUE`` that the command line takes for a setting.

    Example:
        >>> word("hidden", (64, 32)), word("noise", 0.1), word("cells", ("gru",))
        ('hidden=64,32', 'noise=0.1', 'cells=gru')
    """
    return f"{name}={','.join(map(str, value)) if isinstance(value, tuple) else value}"


def read(script: Script, name: str, text: str) -> Any:
    """Return what a user typed for a setting, as a value of its kind.

    Raises:
        kerasdl.course.Refused: it is not of the setting's kind, or beyond its limits; one line says which.
    """
    return request.overrides([f"{name}={text}"], script.settings, script.name)[name]


def words(script: Script, fast: bool, values: Mapping[str, Any]) -> list[str]:
    """Return the words after ``kerasdl run NAME`` that run a chapter with these settings."""
    declared = {**script.settings, **(script.fast if fast else {})}
    changed = [word(name, value) for name, value in values.items() if value != declared[name]]
    return [*(["--fast"] if fast else []), *(["--set", *changed] if changed else [])]


def command(script: Script, fast: bool, values: Mapping[str, Any]) -> str:
    """Return the command that runs a chapter with these settings."""
    return shlex.join(["kerasdl", "run", script.name, *words(script, fast, values)])


def _hints(script: Script) -> dict[str, str]:
    """Return what stands as a comment beside a setting in its chapter."""
    text = script.path.read_text(encoding="utf-8")
    notes = {
        token.start[0]: token.string.lstrip("# ")
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type == tokenize.COMMENT
    }
    found: dict[str, str] = {}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "course.Chapter":
            for keyword in node.keywords:
                if keyword.arg == "settings" and isinstance(keyword.value, ast.Dict):
                    for key, value in zip(keyword.value.keys, keyword.value.values, strict=True):
                        if isinstance(key, ast.Constant) and value.end_lineno in notes:
                            found[str(key.value)] = notes[value.end_lineno]
    return found
