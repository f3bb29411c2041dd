"""What is a small course made of? Chapters that do what their names say; and how their errors are read."""

import re

OPENING = """\
# %% [markdown]
# # Chapter {name}
#
# It does what its name says.

# %%
import os
import time

from kerasdl import course

chapter = course.Chapter({name!r}, settings={{"value": 0.5, "epochs": 3}}, fast={{"epochs": 1}})
"""
BODIES = {
    "good": "print('speaking from inside')\nchapter.exact('v', chapter.settings.value, 0.5, "
    "within=0.5, source='us')\nchapter.finish()\n",
    "learned": "chapter.trained('first number', 1.0, (0, 1))\nchapter.trained('accuracy', 0.375 + "
    "chapter.settings.value, (0, 1), headline=True)\nchapter.finish()\n",
    "broken": "raise OSError('the disk is full')\n",
    "crash": "os.write(1, b'last words')\nos.kill(os.getpid(), 9)\n",
    "diverging": "raise FloatingPointError('loss is inf after epoch 2: lower the learning rate')\n",
    "choosy": "if chapter.settings.epochs > 50:\n    raise ValueError('epochs=99: give at most 50')\n"
    "chapter.exact('v', 0, within=0)\nchapter.finish()\n",
    "endless": "print('waiting', flush=True)\ntime.sleep(600)\n",
}


def without_notes(stderr):
    """The lines of an error stream but those in which TensorFlow tells of its build, at any log level."""
    return [
        line for line in stderr.splitlines() if not re.match(r"WARNING: All log messages|[IWE]\d{4} ", line)
    ]
