"""How is the site built? ``python docs/build.py RESULTS`` makes ``build/site`` of the runs in a folder.

Nothing is run: what chapters showed is read from what ``kerasdl run --backend all --out RESULTS`` left.
"""

import argparse
import functools
import http.server
import shutil
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from builder import chapters, charts, front, numbers, reference, runs, tree  # noqa: E402

from kerasdl import backends, files  # noqa: E402

BUILD = HERE.parent / "build"


def build(folder: Path, to: Path) -> None:
    """Write the site's sources beside ``to``, and the site itself into it.

    Args:
        folder: the results of the chapters, ``folder/BACKEND/CHAPTER``.
        to: the folder of the site.

    Raises:
        FileNotFoundError: no chapter has been run there, or one lacks what it showed.
        ValueError: a chapter has changed since it was run.
        SystemExit: a reference is broken, a name lacks its documentation, or anything else is amiss.
    """
    from sphinx.application import Sphinx

    backends.use()  # to import layers; what they say is the same on each
    found = runs.load(folder)
    if (to / ".buildinfo").exists():  # of an earlier build, whose pages may be gone
        shutil.rmtree(to)
    source, trees = to.parent / f"{to.name}-source", to.parent / f"{to.name}-doctrees"
    shutil.rmtree(source, ignore_errors=True)
    tree.copy(source)
    for part in (chapters, numbers, charts, reference, front):
        part.write(found, source)
    kept = {"html_extra_path": [str(source / "extra")]}
    app = Sphinx(source, HERE, to, trees, "html", kept, warningiserror=True, status=None)
    app.build()
    if app.statuscode:
        raise SystemExit(app.statuscode)


def serve(folder: Path, port: int) -> None:
    """Show the site to this machine until Ctrl-C."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        print(f"http://127.0.0.1:{server.server_port}/ (Ctrl-C ends it)", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()


def main() -> None:
    """Build the site, and serve it where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "results", nargs="?", type=Path, default=files.RESULTS, help=f"default: {files.RESULTS}"
    )
    parser.add_argument("--to", type=Path, default=BUILD / "site", metavar="DIR", help="default: build/site")
    parser.add_argument("--serve", action="store_true", help="show it at an address of this machine")
    parser.add_argument("--port", type=int, default=8000)
    options = parser.parse_args()
    started = time.perf_counter()
    try:
        build(options.results.resolve(), options.to.resolve())
    except (FileNotFoundError, ValueError) as error:
        raise SystemExit(f"{parser.prog}: {error}") from None
    print(f"{options.to / 'index.html'}: built in {time.perf_counter() - started:.0f} s")
    if options.serve:
        serve(options.to, options.port)


if __name__ == "__main__":
    main()
