"""Answers to the exercises: their form is held here; in the slow suite every command shows its claim."""

import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kerasdl import files
from kerasdl.course import answers, cli, results, syllabus

SECONDS = 60
TEXT = """\
# Answers: A title

## 1. More noise

It rises.

```sh
kerasdl run tiny --set noise=1.0
```

Shows: SGD: steps to f < 0.001 in [40, 44]
Shows: error > 2 × full
Shows: error < 0.5 × "other: error"
Prints: it rose

## 2. Another number

```diff
 kept = 0
-x = 1
+x = 2
```

```sh
python mine.py --fast
```

Shows: error < 1e-3
"""
SCRIPTS = {script.path.stem: script for script in syllabus.scripts()}


def test_an_answer_is_read_as_it_is_written():
    first, second = answers.parse(TEXT)
    assert (first.number, first.brief, first.commands[0].words) == (
        1,
        "More noise",
        "kerasdl run tiny --set noise=1.0",
    )
    assert [(c.check, c.low, c.high) for c in first.commands[0].claims] == [
        ("SGD: steps to f < 0.001", "40", "44"),
        ("error", "2 × full", ""),
        ("error", "", '0.5 × "other: error"'),
    ]
    assert first.commands[0].prints == ["it rose"]
    assert second.copy_of("kept = 0\nx = 1\ny = 3\n") == "kept = 0\nx = 2\ny = 3\n"
    with pytest.raises(ValueError, match="stands 0 times"):
        second.copy_of("x = 1\n")


@pytest.mark.parametrize(
    ("error", "shown"),
    [(0.3, True), (0.15, False), (0.6, False), (float("nan"), False), (float("inf"), False)],
)
def test_a_claim_is_judged_on_the_results_of_its_run(error, shown):
    claims = answers.parse(TEXT)[0].commands[0].claims
    found = results.Result("tiny", "jax", False, {})
    found.checks = [
        results.Trained("error", error, (0, 1), 0.1, full=0.1),
        results.Trained("other: error", 1.0, (0, 1), 0.1),
        results.Exact("SGD: steps to f < 0.001", 42, 42, 0, 0),
    ]
    assert all(claim.holds(found) for claim in claims) is shown
    found.checks = found.checks[1:]
    with pytest.raises(KeyError):
        claims[1].holds(found)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("# Answers: A title", "# A title", "open with"),
        ("## 2.", "## 3.", "where '## 2. …' should"),
        ("kerasdl run tiny", "rm -r tiny", "one command"),
        ("> 2 × full", "= 2", "write 'Shows"),
        ("It rises.", "Shows: error < 1", "follows no command"),
    ],
)
def test_a_file_that_breaks_the_form_is_refused(old, new, words):
    with pytest.raises(ValueError, match=words):
        answers.parse(TEXT.replace(old, new))


@pytest.mark.parametrize("stem", SCRIPTS)
def test_every_exercise_has_its_answer(stem):
    script = SCRIPTS[stem]
    known = answers.read(script)
    assert len(known) == len(script.exercises) > 0
    assert all(answer.text for answer in known)


def test_answers_are_shown_when_asked_for(capsys):
    assert cli.main(["answers", "4", "1"]) == 0
    said = capsys.readouterr().out
    script = SCRIPTS["04_polynomial_fit"]
    assert " ".join(answers.read(script)[0].text.split()) in " ".join(said.split())
    assert max(map(len, said.splitlines())) <= 80
    assert script.exercises[0].split()[0] in said
    assert answers.read(script)[1].brief not in said
    assert cli.main(["answers", "4", "99"]) == 2
    assert "give a number from 1 to" in capsys.readouterr().err


@pytest.mark.parametrize("columns", [60, 80])
@pytest.mark.parametrize("stem", SCRIPTS)
def test_answers_can_be_read_at_any_width(stem, columns, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", str(columns))
    assert cli.main(["answers", stem]) == 0
    code = False
    for line in capsys.readouterr().out.splitlines():
        code ^= line.startswith("```")
        # Code is as it is written, for pages of 80 columns; commands and prose follow the terminal.
        assert len(line) <= (80 if code else columns), line


def test_a_folded_command_is_still_one():
    words = " ".join(f"--set setting_{number}={number}" for number in range(9))
    shown = answers.readable(f"Type:\n\n```sh\nkerasdl run tiny {words}\n```", 60)
    assert max(map(len, shown.splitlines())) <= 60
    command = shown.partition("```sh\n")[2].partition("\n```")[0]
    # To a shell a backslash at the end of a line joins it with the next.
    assert command.replace("\\\n", "").split() == ["kerasdl", "run", "tiny", *words.split()]


def run(words: list[str], folder: Path) -> str:
    """Run a command where its results go to this folder; return its output."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, sys.path))}
    started, before = time.monotonic(), os.times()
    done = subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=10 * SECONDS,
        encoding="utf-8",
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-2000:]
    # On a busy machine the clock goes on while the command waits.
    worked = sum(os.times()[2:4]) - sum(before[2:4])
    assert min(time.monotonic() - started, worked) <= SECONDS, words
    return said


@pytest.mark.slow
@pytest.mark.parametrize("stem", SCRIPTS)
def test_every_command_shows_what_its_answer_claims(stem, tmp_path):
    script = SCRIPTS[stem]
    for answer in answers.read(script):
        folder = tmp_path / str(answer.number)
        copy = files.write(folder / answers.COPY, answer.copy_of(script.path.read_text(encoding="utf-8")))
        for number, command in enumerate(answer.commands):
            out = folder / str(number)
            program, *words = shlex.split(command.words)
            said = run(
                [*(["-m", "kerasdl"] if program == "kerasdl" else []), *words, "--out", str(out)], folder
            )
            name = copy.stem if program == "python" else syllabus.find(words[1]).name
            for text in command.prints:
                assert text in said, (answer.number, text)
            for claim in command.claims:
                (found,) = results.load_all(out)
                assert found.chapter == name
                assert claim.holds(found), (answer.number, claim.text, found.checks)
        for program in answer.programs:
            run([str(files.write(folder / "program.py", program))], folder)
