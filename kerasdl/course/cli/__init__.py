"""What can I run? ``kerasdl list · run · new · play · results · answers · notebook``, and a few more.

Each command's work lives in a module of its own, imported when it is asked for: ``--help`` and ``list``
answer at once.
"""

import argparse
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kerasdl import __version__, backends, files
from kerasdl.course import request, signals

DESCRIPTION = "The deep-learning foundations course, on TensorFlow, JAX or PyTorch."
EPILOG = """\
examples:
  kerasdl run --fast                          the whole course, in minutes
  kerasdl run polynomial_fit --set epochs=20  one chapter, one setting changed
  kerasdl results polynomial_fit              all that it found
  kerasdl run --backend jax torch && kerasdl compare
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    0: all is well. 1: a chapter failed, backends disagree, or something is missing. 2: the command was not
    understood. 130: interrupted. 143: asked to end by SIGTERM.
    """
    request.replace_unknown_signs()
    signals.obey()
    try:
        options = _parser().parse_args(arguments)
        return options.run(options)
    except KeyboardInterrupt as interrupt:
        print("\ninterrupted", file=sys.stderr)
        return signals.exit_code(interrupt)
    except (ValueError, OSError, ModuleNotFoundError) as error:
        # What a user can mend arrives as one line; anything else is a fault of ours and keeps its traceback.
        print(f"kerasdl: {error}", file=sys.stderr)
        return 2 if isinstance(error, ValueError) else 1


def _parser() -> argparse.ArgumentParser:
    parser = request.Parser(
        "kerasdl",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"kerasdl {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    command = _command(
        commands,
        "list",
        "the chapters: titles, minutes, files",
        "Without a name: each chapter's number, name, title and file, and how long its full setting takes. "
        "With one: what the chapter is about, its settings, and what --fast makes of them.",
    )
    command.add_argument("chapter", nargs="*", metavar="CHAPTER", help="show these chapters' settings")
    command.set_defaults(run=_list)

    command = _command(
        commands,
        "run",
        "run chapters; no name runs the whole course",
        "A chapter asked for alone shows all it prints; of several, each shows a line, and a page at the end "
        "says what holds and what was learned. Exit code 1 where a chapter fails.",
    )
    command.add_argument(
        "chapter", nargs="*", metavar="CHAPTER", help="by name or number; or a script of yours"
    )
    request.add_options(command)
    command.add_argument(
        "--jobs",
        type=request.whole,
        metavar="N",
        help="how many chapters run at once, in a process each (default: 2, on a single core 1)",
    )
    command.add_argument(
        "--no-cache", action="store_true", help="compile anew, and keep nothing of it (JAX keeps programs)"
    )
    command.add_argument(
        "--record",
        action="store_true",
        help="for whoever changes a chapter: hold full runs to their bands, keep what they reach beside it",
    )
    command.add_argument(
        "--resume",
        action="store_true",
        help="go on with a course that was interrupted: leave out chapters that have a result of the same "
        "code, settings, versions and data; the one that was interrupted starts again",
    )
    command.set_defaults(run=_run)

    command = _command(
        commands,
        "play",
        "a page on this machine where settings move and figures follow",
        "Opens a chapter in the browser, its settings as controls: move one, and the chapter runs again. "
        "Only this machine can reach the page, by the address that is printed. Ctrl-C ends it.",
    )
    command.add_argument(
        "chapter", nargs="?", metavar="CHAPTER", help="by name or number; default: the first"
    )
    command.add_argument("--full", action="store_true", help="open at the full setting, not the fast one")
    command.add_argument(
        "--set", action="extend", nargs="+", default=[], metavar="NAME=VALUE", help="settings to open with"
    )
    command.add_argument("--backend", metavar="B", choices=backends.NAMES, help="default: as for run")
    command.add_argument("--port", type=int, default=0, metavar="N", help="default: one that is free")
    command.add_argument("--no-browser", action="store_true", help="print the address, open nothing")
    command.set_defaults(run=_play)

    command = _command(
        commands,
        "new",
        "begin a chapter of your own",
        "Write NAME.py here: a small chapter that runs as it is, with every part that a chapter has.",
    )
    command.add_argument("name", metavar="NAME", help="of the chapter, as in my_chapter")
    command.set_defaults(run=_new)

    command = _command(
        commands,
        "answers",
        "the answers to a chapter's exercises",
        "For each exercise at the end of a chapter: the question, the answer in a few sentences, the command "
        "or the change to make in a copy, and what the run then shows.",
    )
    command.add_argument("chapter", metavar="CHAPTER", help="by name or number")
    command.add_argument(
        "number", nargs="*", type=int, metavar="N", help="of these exercises; none means all"
    )
    command.set_defaults(run=_answers)

    command = _command(
        commands,
        "notebook",
        "chapters as notebooks",
        "Write chapters as .ipynb files with the same cells, and one above them that says how they run. "
        "Needs the extra kerasdl[notebook].",
    )
    command.add_argument("chapter", nargs="*", metavar="CHAPTER", help="by name or number; none means all")
    command.add_argument("--to", type=Path, default=Path("notebooks"), metavar="DIR", help="their folder")
    request.add_settings(command)
    command.add_argument("--execute", action="store_true", help="run each, and keep what it shows")
    command.set_defaults(run=_notebook)

    command = _command(
        commands,
        "results",
        "all numbers that runs have found, chapter by chapter",
        "What is exact at any setting, and what was learned, beside what the chapter's full setting reaches.",
    )
    command.add_argument("chapter", nargs="*", metavar="CHAPTER", help="by name or number; none means all")
    _add_out(command)
    command.set_defaults(run=_results)

    command = _command(
        commands,
        "compare",
        "hold the backends' stored results side by side",
        "Each result of each chapter on the backends that it has run on, how far they lie apart, and how far "
        "they may; full, fast and changed runs each for themselves. Exit code 1 where they lie further "
        "apart, and where a chapter is missing on a backend, failed, or found nothing. First: "
        "`kerasdl run --backend all`.",
    )
    command.add_argument(
        "folder",
        nargs="*",
        type=Path,
        help="where they are (default: as --out); two stand side by side, as of a CPU and of a GPU",
    )
    _add_out(command)
    command.set_defaults(run=_compare)

    command = _command(
        commands,
        "doctor",
        "what is installed, what is missing, and how to mend it",
        "Python, packages, backends and the devices they see, where data come from; and for each thing that "
        "is missing the command that mends it. Exit code 1 where the chosen backend cannot run the course.",
    )
    command.set_defaults(run=_doctor)

    command = _command(
        commands,
        "data",
        "the data sets: where each comes from",
        "list: which source each data set has now; fetch: bring the real ones into the cache; verify: look "
        "for damage. Without one of these words, list.",
    )
    command.add_argument("word", nargs="*", metavar="[list | fetch | verify] NAME", help="none means all")
    command.set_defaults(run=_data)
    return parser


def _command(commands: Any, name: str, short: str, long: str) -> Any:
    """A command with a line in the list of commands and a paragraph in its own help."""
    return commands.add_parser(name, help=short, description=long)


def _add_out(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--out", type=Path, default=files.RESULTS, metavar="DIR", help=f"default: {files.RESULTS}"
    )


def _list(options: argparse.Namespace) -> int:
    from kerasdl.course import contents, syllabus

    chosen = [syllabus.find(name) for name in options.chapter]
    print(contents.settings(chosen) if chosen else contents.chapters(syllabus.scripts()))
    return 0


def _run(options: argparse.Namespace) -> int:
    from kerasdl.course.cli import run

    return run.run(
        options.chapter,
        options.backend or [],
        options.fast,
        options.set,
        options.devices,
        options.out,
        options.record,
        not options.no_cache,
        options.resume,
        options.jobs,
    )


def _play(options: argparse.Namespace) -> int:
    from kerasdl.course.play import server

    return server.serve(
        options.chapter,
        options.backend,
        not options.full,
        options.set,
        options.port,
        not options.no_browser,
    )


def _new(options: argparse.Namespace) -> int:
    from kerasdl.course.cli import new

    path = new.write(options.name, Path.cwd())
    print(f"{path.name} runs as it is: `kerasdl run {path.name}`, or `python {path.name} --fast`")
    return 0


def _answers(options: argparse.Namespace) -> int:
    from kerasdl.course import answers, contents, syllabus

    width = min(80, contents.width())  # in wider lines the eye loses its way
    script = syllabus.find(options.chapter)
    known = answers.read(script)
    if not known:
        raise ValueError(f"chapter {script.name!r} has no answers yet")
    for number in options.number:
        if not 1 <= number <= len(known):
            raise ValueError(f"exercise {number} of {script.name!r}: give a number from 1 to {len(known)}")
    for answer in known:
        if not options.number or answer.number in options.number:
            question = textwrap.fill(script.exercises[answer.number - 1], width)
            text = answers.readable(answer.text, width)
            print(f"{answer.number}. {answer.brief}\n\n{question}\n\n{text}\n")
    return 0


def _notebook(options: argparse.Namespace) -> int:
    from kerasdl.course import syllabus
    from kerasdl.course.cli import notebook, run

    scripts = [syllabus.find(name) for name in options.chapter] or syllabus.scripts()
    run.check_settings(options.set, scripts)
    for path in notebook.write(scripts, options.to, options.fast, options.set, options.execute):
        print(path)
    return 0


def _results(options: argparse.Namespace) -> int:
    from kerasdl.course import page, report, results, workplace

    found = results.load_all(options.out)
    chapters = list(page.chapters(found))
    wanted = [_stored(name, chapters) for name in options.chapter] or chapters
    report.show([result for name in wanted for result in found if result.chapter == name])
    for folder in workplace.failed(options.out):
        if folder.name in wanted:
            print(f"{folder.name} on {folder.parent.name}: its last run failed, see {folder}")
    return 0


def _stored(name: str, stored: Sequence[str]) -> str:
    """The name of a stored result: a chapter's, by name or number, or a copy's."""
    from kerasdl.course import syllabus

    if name not in stored:
        name = syllabus.find(name).name
    if name not in stored:
        raise ValueError(f"{name} has no results here: `kerasdl run {name}` makes some")
    return name


def _compare(options: argparse.Namespace) -> int:
    from dataclasses import replace

    from kerasdl.course import compare, results, syllabus, workplace

    order, found = [script.name for script in syllabus.scripts()], []
    lost: dict[tuple[str, str], Path] = {}
    folders = options.folder or [options.out]
    for folder in folders:
        where = f", {folder.name}" if len(folders) > 1 else ""
        found += [replace(one, backend=one.backend + where) for one in results.load_all(folder)]
        lost |= {(path.parent.name + where, path.name): path for path in workplace.failed(folder)}
    return 0 if compare.compare(found, order, lost) else 1


def _doctor(options: argparse.Namespace) -> int:
    from kerasdl.course.cli import doctor

    return doctor.examine()


def _data(options: argparse.Namespace) -> int:
    from kerasdl.course.cli import data

    words = options.word
    if not words or words[0] not in data.ACTIONS:
        words = ["list", *words]
    return data.act(words[0], words[1:])
