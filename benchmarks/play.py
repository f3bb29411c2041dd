"""How soon does `kerasdl play` answer? A setting of a chapter changes in a warm process, time and again.

    KERAS_BACKEND=jax python benchmarks/play.py        # --quick: three chapters, three changes, nothing kept

A change is a run of the chapter at its fast setting with another seed, asked of the page's own
:class:`kerasdl.course.play.player.Player`: wall time from the wish until its end is told, and processor time
of the chapter's process, without the one that draws its figures. The first run of a process, which imports
and compiles, is told apart. Of the chapter's later changes the table has the median. ``--memory NN`` makes
200 changes of a chapter and tells the memory of both processes after 1, 20, 100 and 200; ``--walk`` goes
through all chapters in turn, as a reader does, and tells the memory after each. ``--page`` times the page
itself: from the command until Chromium, which is open already, shows the chapter's heading and controls. It
needs selenium, Chromium and its driver. Only wall times of a quiet machine count; processor times hold on a
busy one, roughly.
"""

import argparse
import asyncio
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from kept import Kept

from kerasdl import backends
from kerasdl.course import syllabus
from kerasdl.course.play.player import Job, Player

BARS = {
    "02": 0.7,
    "04": 0.7,
    "05": 0.7,
    "03": 2.0,
    "06": 2.0,
    "09": 2.0,
    "10": 2.0,
}  # seconds on two cores, JAX
OTHERS = 3.0  # how many times a bar the other backends may take
PAGE = 3.0  # seconds until the page itself is there
TOLD = (1, 20, 100, 200)  # changes after which memory is told


class Reader:
    """Asks one player for changes, one after the other."""

    def __init__(self, backend: str, folder: Path):
        self.player = Player(backend, self._told)
        self.folder, self.number = folder, 0
        self._end: asyncio.Future

    def _told(self, event: dict) -> None:
        if event["event"] == "end" and event["job"] == self.number:
            self._end.set_result(event)

    async def change(self, script: syllabus.Script, seed: int) -> dict:
        """Run a chapter with another seed; return its wall and processor seconds, and the process's MiB."""
        self.number += 1
        self._end = asyncio.get_running_loop().create_future()
        words = ("--fast", "--set", f"seed={seed}")
        started = time.perf_counter()
        self.player.ask(Job(self.number, script.path, words, self.folder / str(self.number)))
        event = await self._end
        wall = time.perf_counter() - started
        shutil.rmtree(self.folder / str(self.number), ignore_errors=True)
        now = memory(self.player)
        return {"wall": wall, "processor": event["busy"], "memory": now, "error": event["error"]}


def memory(player: Player) -> float:
    """MiB that the player's process and the one that draws hold; 0 where the system does not say."""
    return resident(player.process.pid) if player.process else 0.0


def resident(process: int) -> float:
    """MiB that a process and all that it has started hold."""
    found, of = 0.0, Path(f"/proc/{process}")
    if of.exists():
        line = next(line for line in (of / "status").read_text().splitlines() if line.startswith("VmRSS"))
        started = [int(one) for task in of.glob("task/*/children") for one in task.read_text().split()]
        found = int(line.split()[1]) / 1024 + sum(map(resident, started))
    return found


async def changes(backend: str, scripts: Sequence[syllabus.Script], count: int) -> dict[str, dict]:
    """Return of each chapter its first run and its changes, in a process of its own."""
    rows = {}
    for script in scripts:
        with tempfile.TemporaryDirectory() as folder:
            reader = Reader(backend, Path(folder))
            first = await reader.change(script, 0)
            tried = [await reader.change(script, 1 + turn) for turn in range(count)]
            await reader.player.close()
        found = [one for one in tried if not one["error"]]  # a seed whose training diverges ends early
        row = {name: [one[name] for one in found] for name in ("wall", "processor")}
        rows[f"{script.number} {script.name}"] = {
            **row,
            "first": [first["wall"]],
            "memory": found[-1]["memory"],
        }
        print(
            script.number, script.name, *(f"{statistics.median(row[n]):.2f} s {n}" for n in row), flush=True
        )
    return rows


async def grown(backend: str, script: syllabus.Script) -> dict[str, float]:
    """Return the memory of one chapter's process after so many changes."""
    with tempfile.TemporaryDirectory() as folder:
        reader, found = Reader(backend, Path(folder)), {}
        for turn in range(max(TOLD)):
            held = (await reader.change(script, turn))["memory"]
            if turn + 1 in TOLD:
                found[f"{turn + 1} changes of {script.number}"] = held
                print(f"{turn + 1} changes of {script.number}: {held:.0f} MiB", flush=True)
        await reader.player.close()
    return found


async def walked(backend: str, scripts: Sequence[syllabus.Script]) -> dict[str, float]:
    """Return the memory after two runs of each chapter in turn, with one player."""
    with tempfile.TemporaryDirectory() as folder:
        reader, found = Reader(backend, Path(folder)), {}
        for script in scripts:
            for seed in (0, 1):
                held = (await reader.change(script, seed))["memory"]
            found[f"walk: {script.number}"] = held
            print(f"walk: {script.number}: {held:.0f} MiB", flush=True)
        await reader.player.close()
    return found


def page(backend: str, rounds: int) -> list[float]:
    """Return the seconds from ``kerasdl play`` until a browser shows its page, of some starts."""
    from selenium import webdriver
    from selenium.webdriver.support.wait import WebDriverWait

    options, found = webdriver.ChromeOptions(), []
    options.binary_location = shutil.which("chromium") or shutil.which("chromium-browser") or ""
    for word in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(word)
    browser = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        for _ in range(rounds):
            started = time.perf_counter()
            server = subprocess.Popen(
                [sys.executable, "-m", "kerasdl", "play", "04", "--backend", backend, "--no-browser"],
                stdout=subprocess.PIPE,
                text=True,
            )
            assert server.stdout
            browser.get(server.stdout.readline().strip())
            WebDriverWait(browser, 60, 0.02).until(lambda b: b.find_elements("css selector", ".control"))
            found.append(time.perf_counter() - started)
            server.send_signal(signal.SIGINT)
            server.communicate()
    finally:
        browser.quit()
    return found


def table(record: dict) -> str:
    lines = [
        "# Play: seconds from a change of a setting to its figures, in a warm process",
        "",
        "Written by `benchmarks/play.py`; see there for what is measured. Medians (least – most).",
        "",
        "| backend | chapter | wall | processor | bar | first run | MiB |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for backend, run in sorted(record.items()):
        for name, row in run["rows"].items():
            cells = [
                f"{statistics.median(t):.2f} ({min(t):.2f} – {max(t):.2f})"
                for t in (row["wall"], row["processor"])
            ]
            bar = BARS.get(name[:2], 0.0) * (1 if backend == "jax" else OTHERS)
            cells += [f"{bar:.1f}" if bar else "", f"{row['first'][0]:.1f}", f"{row['memory']:.0f}"]
            lines.append(f"| {backend} | {name} | {' | '.join(cells)} |")
    held = {backend: run["memory"] for backend, run in sorted(record.items()) if run.get("memory")}
    if held:
        lines += ["", "| backend | after | MiB |", "|---|---|---:|"]
        lines += [
            f"| {b} | {after} | {mib:.0f} |" for b, found in held.items() for after, mib in found.items()
        ]
    for backend, run in sorted(record.items()):
        if times := run.get("page"):
            said = f"{statistics.median(times):.2f} ({min(times):.2f} – {max(times):.2f})"
            lines += ["", f"The page itself is there after {said} s on {backend}; bar {PAGE:.0f}."]
    lines += [""] + [f"- {backend}: {run['where']}" for backend, run in sorted(record.items())]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--quick", action="store_true", help="chapters 02, 04 and 09, three changes, nothing written"
    )
    parser.add_argument("--only", nargs="*", default=[], metavar="NN", help="chapters by number; default all")
    parser.add_argument("--changes", type=int, default=9, help="of each chapter")
    parser.add_argument("--memory", nargs="*", default=[], metavar="NN", help="200 changes of these chapters")
    parser.add_argument("--walk", action="store_true", help="all chapters in turn with one player")
    parser.add_argument("--page", action="store_true", help="how soon the page itself is there")
    options = parser.parse_args()
    backend = backends.choose(train=True).name
    wanted = options.only or (["02", "04", "09"] if options.quick else [])
    every = syllabus.scripts()
    kept = Kept("play", table, write=not options.quick)
    own = kept.record.get(backend, {"rows": {}, "memory": {}})
    if options.page:
        own["page"] = page(backend, 3 if options.quick else options.changes)
    elif options.memory or options.walk:
        for script in every:
            if script.number in options.memory:
                own["memory"] |= asyncio.run(grown(backend, script))
        if options.walk:
            own["memory"] |= asyncio.run(walked(backend, every))
    else:
        chosen = [script for script in every if not wanted or script.number in wanted]
        own["rows"] |= asyncio.run(changes(backend, chosen, 3 if options.quick else options.changes))
    kept.add(backend, own)


if __name__ == "__main__":
    main()
