"""What can I run? ``kerasdl list · run · compare · doctor · data``.

Each command's work lives in a module of its own, imported when it is asked for: ``--help`` and ``list``
answer at once.
"""

import argparse
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

from kerasdl import __version__, files
from kerasdl.course import request

DESCRIPTION = "The deep-learning foundations course, on TensorFlow, JAX or PyTorch."
EPILOG = """\
examples:
  kerasdl run --fast                          the whole course in minutes, offline
  kerasdl run polynomial_fit --set epochs=20  one chapter, one setting changed
  kerasdl run --backend jax torch && kerasdl compare
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    0: all is well. 1: a chapter failed, backends disagree, or something is missing. 2: the command was not
    understood. 130: interrupted.
    """
    try:
        options = _parser().parse_args(arguments)
        return options.run(options)
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130
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

    command = commands.add_parser("list", help="the chapters, a line each")
    command.add_argument("chapter", nargs="*", metavar="CHAPTER", help="show these chapters' settings")
    command.set_defaults(run=_list)

    command = commands.add_parser("run", help="run chapters; no name runs the whole course")
    command.add_argument("chapter", nargs="*", metavar="CHAPTER", help="by name or number")
    request.add_options(command)
    command.add_argument(
        "--record",
        action="store_true",
        help="for whoever changes a chapter: hold full runs to their bands, keep what they reach beside it",
    )
    command.set_defaults(run=_run)

    command = commands.add_parser("answers", help="the answers to a chapter's exercises")
    command.add_argument("chapter", metavar="CHAPTER", help="by name or number")
    command.add_argument(
        "number", nargs="*", type=int, metavar="N", help="of these exercises; none means all"
    )
    command.set_defaults(run=_answers)

    command = commands.add_parser("notebook", help="chapters as notebooks")
    command.add_argument("chapter", nargs="*", metavar="CHAPTER", help="by name or number; none means all")
    command.add_argument("--to", type=Path, default=Path("notebooks"), metavar="DIR", help="their folder")
    request.add_settings(command)
    command.add_argument("--execute", action="store_true", help="run each, and keep what it shows")
    command.set_defaults(run=_notebook)

    command = commands.add_parser("compare", help="hold the backends' stored results side by side")
    command.add_argument("folder", nargs="?", type=Path, help="where they are (default: as --out)")
    _add_out(command)
    command.set_defaults(run=_compare)

    command = commands.add_parser("doctor", help="what is installed, what is missing, and how to mend it")
    command.set_defaults(run=_doctor)

    command = commands.add_parser("data", help="the data sets: where each comes from")
    command.add_argument("action", choices=["list", "fetch", "verify"])
    command.add_argument("name", nargs="*", metavar="NAME", help="data sets; none means all")
    command.set_defaults(run=_data)
    return parser


def _add_out(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--out", type=Path, default=files.RESULTS, metavar="DIR", help=f"default: {files.RESULTS}"
    )


def _list(options: argparse.Namespace) -> int:
    from kerasdl.course import syllabus

    chosen = [syllabus.find(name) for name in options.chapter]
    for script in chosen or syllabus.scripts():
        summary = script.summary if chosen else textwrap.shorten(script.summary, 80, placeholder=" …")
        print(f"{script.number}  {script.name:<20} {summary}")
        for name, value in script.settings.items() if chosen else ():
            fast = f"   (fast: {script.fast[name]!r})" if name in script.fast else ""
            print(f"    {name}={value!r}{fast}")
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
    )


def _answers(options: argparse.Namespace) -> int:
    from kerasdl.course import answers, syllabus

    script = syllabus.find(options.chapter)
    known = answers.read(script)
    if not known:
        raise ValueError(f"chapter {script.name!r} has no answers yet")
    for number in options.number:
        if not 1 <= number <= len(known):
            raise ValueError(f"exercise {number} of {script.name!r}: give a number from 1 to {len(known)}")
    for answer in known:
        if not options.number or answer.number in options.number:
            question = textwrap.fill(script.exercises[answer.number - 1], 80)
            print(f"{answer.number}. {answer.brief}\n\n{question}\n\n{answer.text}\n")
    return 0


def _notebook(options: argparse.Namespace) -> int:
    from kerasdl.course import syllabus
    from kerasdl.course.cli import notebook

    scripts = [syllabus.find(name) for name in options.chapter] or syllabus.scripts()
    known = {name: value for script in scripts for name, value in script.settings.items()}
    request.overrides(options.set, known)
    for path in notebook.write(scripts, options.to, options.fast, options.set, options.execute):
        print(path)
    return 0


def _compare(options: argparse.Namespace) -> int:
    from kerasdl.course import report, results

    return 0 if report.compare(results.load_all(options.folder or options.out)) else 1


def _doctor(options: argparse.Namespace) -> int:
    from kerasdl.course.cli import doctor

    return doctor.examine()


def _data(options: argparse.Namespace) -> int:
    from kerasdl.course.cli import data

    return data.act(options.action, options.name)
