"""What are the answers to a chapter's exercises? Kept in ``tutorials/answers/NN_name.md``, and tested.

Text goes in; out come, exercise by exercise, the prose, the commands to type and what each run must show.

A file of answers opens with ``# Answers: the chapter's title`` and has, for every bullet under the chapter's
``## What to try``, in the same order, a part such as these::

    ## 1. Noise of standard deviation 1

    The cubic's errors settle at the variance of the noise, now 1, and the line's hardly move: …

    ```sh
    kerasdl run polynomial_fit --set noise=1.0
    ```

    Shows: cubic: test error in [0.7, 1.6]
    Shows: line: test error > 40 × "cubic: test error"

    ## 2. A degree of 6

    A change to make in a copy of the chapter (``cp 04_polynomial_fit.py mine.py``), and the copy run:

    ```diff
    -    model = models.polynomial(degree)
    +    model = models.polynomial(6)
    ```

    ```sh
    python mine.py --fast
    ```

    Shows: cubic: test error > full

    ## 3. By hand

    A program of its own, run as it stands; what it claims it asserts:

    ```python
    import numpy as np
    …
    assert error < 1e-3
    ```

The rules:

* A ``sh`` block holds one command: ``kerasdl run CHAPTER …`` or ``python mine.py …``, where ``mine.py`` is a
  copy of the chapter with this part's ``diff`` blocks made. It ends with exit code 0, in at most 60 seconds.
* In a ``diff`` block, lines that begin with a space or with ``-`` stand in the chapter just so, once; those
  that begin with ``+`` are in the copy. Blocks are made in their order.
* ``Shows: CHECK < B``, ``> B`` or ``in [A, B]`` follow a command, each on a line of its own: ``CHECK`` is the
  name of a result of that run. A bound is a number, ``full`` (what the full setting reaches for that
  check), ``"ANOTHER CHECK"`` of the same run, or a number times one of these: ``0.5 × full``.
* ``Prints: TEXT`` follows a command, too: its output has this text.
* Where the exercise names ``--set NAME=VALUE``, a command of its answer has it.
* An exercise for thought alone needs no command.
"""

import math
import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kerasdl.course.results import Result
from kerasdl.course.syllabus import Script

COPY = "mine.py"
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_BOUND = r'(?:[-+.\d]+(?:e[-+]?\d+)?(?: × (?:full|"[^"]+"))?|full|"[^"]+")'
_CLAIM = re.compile(
    rf"^Shows: (?P<check>.+) (?:(?P<relation>[<>]) (?P<bound>{_BOUND})"
    rf"|in \[(?P<low>{_BOUND}), (?P<high>{_BOUND})\])$",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Claim:
    """What a run must show: a check of it lies between two bounds.

    Attributes:
        text: as it is written.
        check: the name of the result.
        low, high: bounds, as written; empty where there is none.
    """

    text: str
    check: str
    low: str
    high: str

    def holds(self, result: Result) -> bool:
        """Whether the run shows it.

        Raises:
            KeyError: the run has no such check, or what the full setting reaches is not recorded.
        """
        measured = {check.name: check.measured for check in result.checks}
        full = {check.name: check.full for check in result.trained if check.full is not None}
        known = {f'"{name}"': number for name, number in measured.items()}
        if self.check in full:
            known["full"] = full[self.check]
        low = _bound(self.low, known) if self.low else -math.inf
        high = _bound(self.high, known) if self.high else math.inf
        # NaN never holds: it compares as false.
        return low <= measured[self.check] <= high


@dataclass
class Command:
    """A command to type, what its results must show, and what its output must have."""

    words: str
    claims: list[Claim] = field(default_factory=list)
    prints: list[str] = field(default_factory=list)


@dataclass
class Answer:
    """The answer to one exercise.

    Attributes:
        number: of the exercise, from 1.
        brief: the exercise in brief.
        text: all of it, as it is written.
        commands: to type, in order.
        changes: for each ``diff`` block, what stands in the chapter and what in the copy.
        programs: the ``python`` blocks.
    """

    number: int
    brief: str
    text: str
    commands: list[Command] = field(default_factory=list)
    changes: list[tuple[str, str]] = field(default_factory=list)
    programs: list[str] = field(default_factory=list)

    def copy_of(self, chapter: str) -> str:
        """Return the chapter's text with this answer's changes made.

        Raises:
            ValueError: what is to be changed is not in the chapter, or more than once.
        """
        for old, new in self.changes:
            if chapter.count(old) != 1:
                raise ValueError(f"answer {self.number}: stands {chapter.count(old)} times, not once:\n{old}")
            chapter = chapter.replace(old, new)
        return chapter


def path_of(script: Script) -> Path:
    """Return where a chapter's answers are kept."""
    return script.path.parent / "answers" / f"{script.path.stem}.md"


def read(script: Script) -> list[Answer]:
    """Return a chapter's answers, in order; none where it has no file of them.

    Raises:
        ValueError: the file is not as this module describes, or does not fit the chapter's exercises.
    """
    path = path_of(script)
    if not path.exists():
        return []
    answers = parse(path.read_text(encoding="utf-8"), path.name)
    if len(answers) != len(script.exercises):
        raise ValueError(f"{path.name}: {len(answers)} answers to {len(script.exercises)} exercises")
    for answer, exercise in zip(answers, script.exercises, strict=True):
        for setting in re.findall(r"--set [^\s`]+", exercise):
            if not any(setting in command.words for command in answer.commands):
                raise ValueError(f"{path.name}, {answer.number}: no command has the exercise's {setting}")
        answer.copy_of(script.path.read_text(encoding="utf-8"))
    return answers


def readable(text: str, width: int = 80) -> str:
    """Return an answer's text with its prose and its commands in lines of at most this width; code is kept.

    Example:
        >>> print(readable("One two\\nthree.\\n\\n```sh\\na   b\\n```", width=8))
        One two
        three.
        <BLANKLINE>
        ```sh
        a   b
        ```
    """
    written = []
    for part in re.split(r"(^```.*?^```$)", text, flags=re.MULTILINE | re.DOTALL):
        if part.startswith("```sh"):
            part = "\n".join(_folded(line, width) for line in part.splitlines())
        if part.startswith("```"):
            written.append(part)
            continue
        for paragraph in filter(None, map(str.strip, part.split("\n\n"))):
            # Claims and the points of a list have lines of their own.
            pieces = re.split(r"\n(?=Shows:|Prints:|[-*] |\d+\. |\|)", paragraph)
            written.append("\n".join(textwrap.fill(" ".join(piece.split()), width) for piece in pieces))
    return "\n\n".join(written)


def _folded(command: str, width: int) -> str:
    """A command in lines that a shell reads as one."""
    pieces = textwrap.wrap(command, width - 2, subsequent_indent="    ", break_on_hyphens=False)
    return " \\\n".join(pieces)


def parse(text: str, name: str = "answers") -> list[Answer]:
    """Return the answers that a text holds.

    Raises:
        ValueError: a part that is out of order, something that is not a command, a claim that cannot be read.
    """
    opening, *parts = re.split(r"^## ", text, flags=re.MULTILINE)
    if not opening.startswith("# Answers: "):
        raise ValueError(f"{name}: open with '# Answers: the chapter's title'")
    answers = []
    for number, part in enumerate(parts, start=1):
        heading, _, body = part.partition("\n")
        if not (match := re.fullmatch(rf"{number}\. (.+)", heading)):
            raise ValueError(f"{name}: '## {heading}' stands where '## {number}. …' should")
        answers.append(_answer(number, match[1], body.strip(), f"{name}, {number}"))
    return answers


def _answer(number: int, brief: str, body: str, where: str) -> Answer:
    answer = Answer(number, brief, body)
    after = 0
    for block in _BLOCK.finditer(body):
        _claims(answer, body[after : block.start()], where)
        after = block.end()
        language, inside = block.groups()
        if language == "sh":
            if not re.fullmatch(rf"(kerasdl run [\w ]|python {re.escape(COPY)}).*\n", inside):
                raise ValueError(
                    f"{where}: one command, `kerasdl run …` or `python {COPY} …`, not {inside!r}"
                )
            answer.commands.append(Command(inside.strip()))
        elif language == "diff":
            lines = inside.splitlines()
            old, new = (
                "\n".join(line[1:] for line in lines if line[:1] in (kept, " ", "")) for kept in ("-", "+")
            )
            answer.changes.append((old, new))
        elif language == "python":
            answer.programs.append(inside)
    _claims(answer, body[after:], where)
    return answer


def _claims(answer: Answer, prose: str, where: str) -> None:
    for line in re.findall(r"^(?:Shows|Prints):.*$", prose, flags=re.MULTILINE):
        if not answer.commands:
            raise ValueError(f"{where}: {line!r} follows no command")
        command = answer.commands[-1]
        if line.startswith("Prints:"):
            command.prints.append(line.removeprefix("Prints:").strip())
            continue
        match = _CLAIM.match(line)
        if not match:
            raise ValueError(f"{where}: {line!r}: write 'Shows: CHECK < B', '> B' or 'in [A, B]'")
        bound = match["bound"] or ""
        low = match["low"] or (bound if match["relation"] == ">" else "")
        high = match["high"] or (bound if match["relation"] == "<" else "")
        command.claims.append(Claim(line, match["check"], low, high))


def _bound(text: str, known: Mapping[str, float]) -> float:
    factor, times, name = text.rpartition(" × ")
    if times:
        return float(factor) * known[name]
    return known[text] if text in known or text == "full" or text.startswith('"') else float(text)
