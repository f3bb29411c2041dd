"""A course of two small chapters, and a server of it that runs as the command line runs it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from kerasdl import files

CURVE = """\
# %% [markdown]
# # Curve: a line that moves
#
# It is as steep as its setting says.

# %%
import time

from kerasdl import course

chapter = course.Chapter(
    "curve",
    settings={
        "slope": 2.0,  # of the line
        "steps": 3,
        "strength": 0.0,
        "shift": False,
        "optimizer": "adam",
        "points": (1, 2),
        "seed": 0,
    },
    fast={"steps": 2},
)
settings = chapter.settings

# %%
import pandas as pd
from matplotlib.figure import Figure

# %% [markdown]
# ## What happened
#
# The line is $y = a x^2$, and <b>not</b> bold.

# %%
for step in chapter.track(range(settings.steps), "steps"):
    time.sleep(settings.strength)
if settings.slope > 18:
    raise ValueError(f"slope={settings.slope}: it does not fit into the picture")
figure = Figure(figsize=(4, 3))
axes = figure.subplots()
rise = [settings.slope * x + settings.shift for x in settings.points]
axes.plot(settings.points, rise, color={"adam": "blue", "sgd": "red"}[settings.optimizer])
axes.set_ylim(0, 20)
chapter.figure("line", figure, shows="a line that rises")
chapter.history("points", pd.DataFrame({"slope": [settings.slope]}))

# %% [markdown]
# It rises.

# %%
chapter.exact("slope, twice", 2 * settings.slope, 2 * settings.slope, within=0)
chapter.trained("slope", settings.slope, (0, 10), headline=True)
chapter.finish()
"""
OTHER = CURVE.replace("# # Curve: a line that moves", "# # Other").replace('"curve"', '"other"')
# The command line, with another folder of tutorials.
PROGRAM = """\
import sys
from pathlib import Path

from kerasdl import files

folder = files.folder
files.folder = lambda name: Path(sys.argv[1]) if name == "tutorials" else folder(name)
from kerasdl.course import cli

sys.exit(cli.main(sys.argv[2:]))
"""


class Served:
    """A server in a process of its own, until it is stopped."""

    def __init__(self, tutorials: Path | None, folder: Path, *words: str):
        files.write(folder / "serve.py", PROGRAM)
        start = [str(folder / "serve.py"), str(tutorials)] if tutorials else ["-m", "kerasdl"]
        environment = {**os.environ, "KERASDL_CACHE": str(folder / "cache"), "TMPDIR": str(folder)}
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, *start, "play", *words, "--no-browser"],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.address = self.process.stdout.readline().strip()

    def stop(self, number: int = signal.SIGINT) -> int:
        """Send a signal, wait for the end, and return the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(20)
        finally:
            self.process.kill()
            self.process.stdout.close()
