"""What is a chapter's page? Its prose, its code, what each backend showed, and how to run it oneself.

Runs go in; a page for each chapter comes out, and its script and notebook to take away.
"""

import html
import re
import shutil
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import image

from builder import numbers, tree
from builder.runs import TITLES, Run, Told
from kerasdl.course import answers, report
from kerasdl.course.cli import notebook

QUIET = ("start",)  # what the page itself says: which chapter runs, on what
ALIKE = 2 / 255  # mean distance of two figures' pixels, up to which they count as one
OTHERS = {"keras": "Keras", "python": "Python", "kerasdl": "kerasdl"}
PIXELS_PER_INCH = 150 / 96  # of a figure's file, to those of a page


def write(found: list[Told], source: Path) -> None:
    """Write every chapter's page, and copy its figures, script and notebook."""
    for told in found:
        folder = source / "tutorials"
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(told.script.path, folder / told.script.path.name)
        for backend, run in told.runs.items():
            for name in run.result.figures:
                to = source / "extra" / "figures" / backend / told.script.name
                to.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(run.folder / f"{name}.png", to / f"{name}.png")
        tree.page(source, f"{told.page}.md", text(told))
    notebook.write([told.script for told in found], source / "tutorials")


def text(told: Told) -> str:
    """Return the page, as MyST has it."""
    written = [told.cells[0].text, _opening(told)]
    number, folded = 0, True
    for cell in told.cells[1:]:
        if cell.prose:
            if folded:  # settings and imports: who reads here wants the question first
                written.append("::::::")
            folded = False
            written.append(cell.text)
        else:
            if folded and number == 0:
                written.append("::::::{dropdown} Settings and imports")
            code = _fenced(cell.text, "{code-block} python", ":class: cell")
            written += [code, shown(told, number)]
            number += 1
    return "\n\n".join(part for part in [*written, _answers(told), _again(told)] if part)


def _opening(told: Told) -> str:
    """What a reader wants to know before the first line: how long it takes, and what can be taken away."""
    stem = told.script.path.stem
    lines = [
        ":::{div} chapter-facts",
        f"{report.duration(told.one.result.full_seconds or told.one.result.seconds)} on two cores",
        f"· {{download}}`{stem}.py <{stem}.py>`",
        f"· {{download}}`{stem}.ipynb <{stem}.ipynb>`",
        "· [run it](#run-it-yourself)",
        "· [play with it](#play-with-it)",
        ":::",
    ]
    if any(run.result.fast for run in told.runs.values()):
        lines += [
            "",
            ":::{note}",
            "What this page shows was run with `--fast`: small settings, whose numbers are held to no band.",
            ":::",
        ]
    return "\n".join(lines)


def shown(told: Told, number: int) -> str:
    """Return what a code cell showed: once where all backends showed the same, else with a tab for each."""
    runs = {
        backend: [output for output in run.outputs[number] if output["kind"] not in QUIET]
        for backend, run in told.runs.items()
    }
    kinds = {tuple(output["kind"] for output in outputs) for outputs in runs.values()}
    if len(kinds) > 1:
        return _tabs({b: _all(told, b, outputs) for b, outputs in runs.items()})
    written = []
    # Outputs that differ stand in one set of tabs as long as nothing that is alike comes between them.
    places = range(len(kinds.pop()))
    for alike, group in groupby(places, lambda n: _alike(told, {b: o[n] for b, o in runs.items()})):
        chosen = list(group)
        if alike:
            one = told.one.result.backend
            written.append(_all(told, one, [runs[one][n] for n in chosen]))
        else:
            written.append(_tabs({b: _all(told, b, [o[n] for n in chosen]) for b, o in runs.items()}))
    return "\n\n".join(written)


def _alike(told: Told, outputs: dict[str, dict[str, Any]]) -> bool:
    first, *others = outputs.values()
    if first["kind"] == "results":
        return True
    if first["kind"] != "figure":
        return all(other == first for other in others)
    if any(other["name"] != first["name"] for other in others):
        return False
    one, *rest = (image.imread(told.runs[b].folder / f"{o['name']}.png") for b, o in outputs.items())
    return all(other.shape == one.shape and np.abs(other - one).mean() < ALIKE for other in rest)


def _tabs(pages: dict[str, str]) -> str:
    items = [
        f"::::{{tab-item}} {TITLES[backend]}\n:sync: {backend}\n\n{page}\n::::"
        for backend, page in pages.items()
    ]
    return "\n".join([":::::{tab-set}", ":sync-group: backend", "", *items, ":::::"])


def _all(told: Told, backend: str, outputs: list[dict[str, Any]]) -> str:
    return "\n\n".join(filter(None, (_one(told, backend, output) for output in outputs)))


def _one(told: Told, backend: str, output: dict[str, Any]) -> str:
    if output["kind"] == "text":
        said = output["text"].strip("\n")
        return _fenced(said, "{code-block} text", ":class: output") if said.strip() else ""
    if output["kind"] == "table":
        return raw(f'<div class="table-wrapper output">{_plain(output["html"])}</div>')
    if output["kind"] == "figure":
        path = f"figures/{backend}/{told.script.name}/{output['name']}.png"
        return figure(path, told.runs[backend], output["name"], output["alt"])
    if output["kind"] == "results":
        return raw(numbers.table(told))
    raise ValueError(f"{told.script.name} showed a {output['kind']!r}: its page does not know how")


def _plain(table: str) -> str:
    """A pandas table without its own alignment, which the page's style decides."""
    return (
        re.sub(r' style="[^"]*"| border="0"', "", table)
        .replace("<table ", '<table class="docutils" ', 1)
        .replace('class="docutils" class="dataframe"', 'class="docutils dataframe"')
    )


def figure(path: str, run: Run, name: str, alt: str) -> str:
    """Return a figure in its own size, or as wide as the page if that is narrower."""
    height, width = image.imread(run.folder / f"{name}.png").shape[:2]
    alt = alt or name.replace("_", " ")
    said = run.result.figures.get(name, "")
    size = f'width="{width / PIXELS_PER_INCH:.0f}" height="{height / PIXELS_PER_INCH:.0f}"'
    caption = f"<figcaption>{html.escape(said)}</figcaption>" if said else ""
    return raw(
        f'<figure class="output"><a href="../{path}"><img src="../{path}" alt="{html.escape(alt)}" {size} '
        f'loading="lazy"></a>{caption}</figure>'
    )


def _answers(told: Told) -> str:
    known = answers.read(told.script)
    written = []
    for answer in known:
        body = re.sub(r"^(Shows|Prints): (.+)$", r"- \1: \2", answer.text, flags=re.MULTILINE)
        written += [f"::::{{dropdown}} {answer.number}. {answer.brief}", body, "::::"]
    return "\n\n".join(["### Answers", *written]) if known else ""


def _again(told: Told) -> str:
    script = told.script
    setting = next(iter(script.settings))
    notes = comments(script.path.read_text(encoding="utf-8"))
    rows = [
        f"| `{name}` | {_value(value)} | {_value(script.fast[name]) if name in script.fast else ''} "
        f"| {notes.get(name, '')} |"
        for name, value in script.settings.items()
    ]
    changed = next((e for e in re.findall(r"`--set ([^`]+)`", " ".join(script.exercises))), f"{setting}=…")
    lines = [
        "## Run it yourself",
        "",
        "```sh",
        f"kerasdl run {script.name} --fast",
        f"kerasdl run {script.name} --set {changed}",
        f"kerasdl run {script.name} --backend all",
        "```",
        "",
        f"`kerasdl list {script.name}` shows the settings in a terminal;",
        f"`kerasdl notebook {script.name}` writes the chapter as a notebook.",
        "",
        "### Play with it",
        "",
        "```sh",
        f"kerasdl play {script.name}",
        "```",
        "",
        "opens the chapter in a browser: move a setting, and its figures follow. It is an extra:",
        "`pip install '.[play]'`.",
        "",
        "### Settings",
        "",
        "| setting | in full | with `--fast` | |",
        "|---|---|---|---|",
        *rows,
        "",
        _names(told),
        "",
        _made(told),
    ]
    return "\n".join(lines)


def _value(value: Any) -> str:
    return f"`{value!r}`"


def comments(text: str) -> dict[str, str]:
    """Return what stands beside each setting in the chapter's declaration."""
    declaration = text.partition("settings={")[2].partition("\n    },")[0]
    found = re.findall(r'^\s*"(\w+)": .*?,  # (.+)$', declaration, re.MULTILINE)
    return {name: said.replace("|", r"\|") for name, said in found}


def _names(told: Told) -> str:
    from builder import names

    used = names.used(told.script.path.read_text(encoding="utf-8"))
    if not used:
        return ""
    links = " · ".join(f"{{py:obj}}`{name.removeprefix('kerasdl.')} <{name}>`" for name in used)
    return f"**In the library:** {links}"


def _made(told: Told) -> str:
    """On which versions, when, and in which time each backend ran this page."""
    said = []
    for backend, run in told.runs.items():
        versions = run.result.versions
        own = f"{TITLES[backend]} {versions.get(backend, '')}".strip()
        said.append(f"{own} ({report.duration(run.result.seconds)})")
    one = told.one.result
    how = "with `--fast` " if one.fast else ""
    versions = ", ".join(f"{name} {one.versions[key]}" for key, name in OTHERS.items() if key in one.versions)
    data = ", ".join(f"{name} {source}" for name, source in one.data.items())
    lines = [
        ":::{div} made",
        f"Run {how}on {one.when}, each in a process of its own: {', '.join(said)}; {versions}.",
        f"Data: {data}." if data else "",
        f"Digest of the code: `{one.code}`.",
        ":::",
    ]
    return "\n".join(filter(None, lines))


def raw(text: str) -> str:
    """Return a block of HTML."""
    return _fenced(text, "{raw} html")


def _fenced(text: str, kind: str, *options: str) -> str:
    ticks = "`" * max([3, *(len(run) + 1 for run in re.findall(r"`{3,}", text))])
    return "\n".join([f"{ticks}{kind}", *options, *([""] if options else []), text, ticks])
