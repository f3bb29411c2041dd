"""Is what a chapter shows kept by the cell that showed it, with tables and figures as such?"""

import contextlib
import io
import runpy
import sys

import pytest
from matplotlib.figure import Figure

from kerasdl.course import chapter, reached, shown

SCRIPT = """\
import sys
# %% [markdown]
# # Title

# %%
print("one")


def say(text):
    print(text)
    print("aside", file=sys.stderr)


# %% [markdown]
# Prose

# %%
say("two")
for word in ("three",
             "four"):
    say(word)

# %%
show()
x = 1
"""


@pytest.fixture
def run(tmp_path, capsys):
    """Run the script with a ``show`` of the test's own; return what each cell showed and what was written."""
    path = tmp_path / "script.py"
    path.write_text(SCRIPT, encoding="utf-8")

    def go(show):
        stream = io.StringIO()
        recorder = shown.Recorder(str(path), stream)
        with contextlib.redirect_stdout(recorder):
            runpy.run_path(str(path), {"show": lambda: show(recorder)}, run_name="__main__")
        recorder.save(tmp_path)
        kept = shown.load(tmp_path)
        assert kept == recorder.cells
        return kept, stream.getvalue()

    return go


def test_text_belongs_to_the_cell_that_runs_wherever_the_function_stands(run):
    cells, written = run(lambda recorder: None)
    assert [cell["outputs"] for cell in cells] == [
        [{"kind": "text", "text": "one\n"}],
        [{"kind": "text", "text": "two\nthree\nfour\n"}],
        [],
    ]
    assert cells[2]["code"] == reached.code("show()\nx = 1\n")
    assert written == "one\ntwo\nthree\nfour\n"


def test_what_stands_for_text_takes_its_place(run):
    def show(recorder):
        print("before")
        with contextlib.suppress(KeyError), recorder.instead("figure", name="curve"):
            print("figure: curve.png")
            raise KeyError
        print("after")

    cells, written = run(show)
    assert cells[2]["outputs"] == [
        {"kind": "text", "text": "before\n"},
        {"kind": "figure", "name": "curve"},
        {"kind": "text", "text": "after\n"},
    ]
    assert "figure: curve.png\n" in written  # the log has it all


def test_a_chapter_shows_tables_and_figures_as_such(run, tmp_path, monkeypatch):
    import numpy as np
    import pandas as pd

    monkeypatch.setattr(sys, "argv", ["script.py", "--out", str(tmp_path / "out")])
    figure = Figure()
    ax = figure.subplots()
    ax.plot([1, 2], [3, 4], label="train")
    ax.set(xlabel="epoch", ylabel="loss", title="Learning")

    def show(recorder):
        monkeypatch.setattr(
            chapter, "host", chapter.Host(tmp_path, lambda label, share: None, shown=recorder.instead)
        )
        one = chapter.Chapter("some", settings={"seed": 0})
        one.table(pd.DataFrame({"a<b": [np.float32(1 / 3)]}, index=["row"]))
        one.figure("curve", figure, "It falls.")
        one.exact("one", 1.0, 1.0, within=0)
        one.finish()

    cells, _ = run(show)
    start, table, curve, results = cells[2]["outputs"]
    assert (start["kind"], results["kind"]) == ("start", "results")
    assert "<td>0.3333</td>" in table["html"]
    assert "a&lt;b" in table["html"]
    assert curve == {
        "kind": "figure",
        "name": "curve",
        "alt": "It falls. Learning: loss against epoch: train rises from 3 to 4.",
    }


def test_a_run_that_left_nothing_is_told_from_one_that_did(tmp_path):
    with pytest.raises(FileNotFoundError, match="run the chapter again"):
        shown.load(tmp_path)
