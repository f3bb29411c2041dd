"""Where does the page come from? A server on this machine alone, whose address holds a secret.

A chapter goes in; the address comes out, in the terminal and in a browser. Only who has the token in the
address gets a page or a file; Ctrl-C ends the server and every process it started.
"""

import contextlib
import secrets
import shutil
import socket
import tempfile
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kerasdl import backends
from kerasdl.course import request, signals, syllabus

HOST = "127.0.0.1"
NEEDED = "pip install 'kerasdl[play]'"
MOST_TABS = 12  # each has a process of its own
RECONNECT = 15.0  # seconds for which a tab that fell asleep finds what it left
TITLE = "kerasdl play"


def serve(
    chapter: str | None = None,
    backend: str | None = None,
    fast: bool = True,
    settings: Sequence[str] = (),
    port: int = 0,
    browser: bool = True,
) -> int:
    """Serve the page until Ctrl-C, and return the exit code.

    Args:
        chapter: the one that the page opens with, by name or number; default the first.
        backend: by name; default the one configured or installed.
        fast: whether it opens at the fast setting.
        settings: ``NAME=VALUE`` words that it opens with.
        port: 0 means one that is free.
        browser: whether to open a browser.

    Raises:
        ValueError: an unknown chapter, backend or setting.
        ModuleNotFoundError: no backend, or not the library that makes the page, is installed.
        OSError: the port is taken.
    """
    script = syllabus.find(chapter) if chapter else syllabus.scripts()[0]
    opening = request.overrides(settings, script.settings, script.name)
    choice = backends.choose(backend, train=True)
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((HOST, port))
            listening.listen()  # a browser that is quicker than the server waits for it
        except OSError as error:
            raise OSError(f"port={port} cannot be had ({error.strerror}): leave --port out") from None
        token = secrets.token_urlsafe(18)
        address = f"http://{HOST}:{listening.getsockname()[1]}/{token}/{script.name}"
        folder = Path(tempfile.mkdtemp(prefix="kerasdl-play-"))
        try:
            application = _application(token, script, opening, choice.name, fast, folder)
            print(f"{address}\nbackend: {choice.name} ({choice.reason}); Ctrl-C ends it", flush=True)
            _run(application, listening, address if browser else "")
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    return 0


def _run(application: Any, listening: socket.socket, address: str) -> None:
    import uvicorn

    # A websocket that is open would keep the server from ending.
    config = uvicorn.Config(application, log_level="error", timeout_graceful_shutdown=1)
    if address:
        with contextlib.suppress(webbrowser.Error):
            webbrowser.open(address)
    try:
        uvicorn.Server(config).run(sockets=[listening])
    except signals.Terminated:
        raise
    except KeyboardInterrupt:
        pass  # this is how it ends


def _application(
    token: str, script: syllabus.Script, opening: dict[str, Any], backend: str, fast: bool, folder: Path
) -> Any:
    """The pages, the files of their runs, and what refuses everybody else."""
    try:
        from fastapi import FastAPI
        from fastapi.middleware.trustedhost import TrustedHostMiddleware
        from fastapi.responses import FileResponse, PlainTextResponse, Response
        from nicegui import app, ui
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f"{error.name} is not installed: {NEEDED}") from None
    from kerasdl.course.play.page import Page
    from kerasdl.course.play.player import Player

    players: set[Player] = set()
    ready: list[Player] = []

    def player() -> Player:
        if ready:
            return ready.pop()
        players.add(new := Player(backend))
        return new

    async def start() -> None:
        ready.append(first := player())
        with contextlib.suppress(RuntimeError):  # the page will say so
            await first.warm(script.path, fast)

    async def end() -> None:
        for one in list(players):
            await one.close()

    app.on_startup(start)
    app.on_shutdown(end)

    @ui.page(f"/{token}/{{name}}", title=TITLE)
    async def page(name: str) -> None:
        if len(players) > MOST_TABS:
            ui.label(f"{MOST_TABS} tabs are open: close one, and load this page again.")
            return
        try:
            chosen = syllabus.find(name)
        except ValueError as error:
            ui.label(str(error))
            return
        own, place = player(), Path(tempfile.mkdtemp(dir=folder))

        def file(path: Path) -> str:
            return f"/{token}/file/{path.relative_to(folder)}"

        def chose(name: str) -> None:
            ui.run_javascript(f"history.replaceState(null, '', '/{token}/{name}')")

        Page(chosen, fast, opening if chosen.name == script.name else {}, own, place, file, chose)

        async def closed() -> None:
            players.discard(own)
            await own.close()
            shutil.rmtree(place, ignore_errors=True)

        ui.context.client.on_delete(closed)

    @app.get(f"/{token}/file/{{path:path}}")
    def file(path: str) -> Response:
        wanted = (folder / path).resolve()
        if not wanted.is_relative_to(folder.resolve()) or not wanted.is_file():
            return PlainTextResponse("not there any more", 404)
        return FileResponse(wanted, headers={"Cache-Control": "no-store"})

    outer = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    ui.run_with(outer, title=TITLE, tailwind=False, show_welcome_message=False, reconnect_timeout=RECONNECT)
    outer.add_middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"])
    return outer
