"""What does a visitor see first? What this is, each chapter as a picture, the way to the rest."""

from pathlib import Path

from builder import tree
from builder.runs import TITLES, Told
from kerasdl.course import report

# The figure that shows best what a chapter is about; the first one of any other.
PICTURES = {
    "polynomial_fit": "fits",
    "weight_decay": "decays",
    "model_selection": "candidates",
    "convolution": "feature_maps",
    "recurrent_networks": "gradient_norms",
    "gated_cells": "adding",
    "deep_and_bidirectional": "cheat",
}
GUIDES = {
    "install": "Install, GPUs",
    "scikit-learn": "scikit-learn in ten minutes",
    "shift": "Has my data moved?",
    "recurrent": "Faster recurrent layers",
    "clusters": "From a laptop to a cluster",
    "own-chapter": "Write your own chapter",
}
# The tables of the benchmarks have long headings.
BENCHMARKS = {
    "recurrent": "Recurrent layers",
    "kfold": "All folds in one program",
    "fit": "Whole epochs in one program",
    "scaling": "Folds on workers",
    "dropout": "Portable dropout",
    "play": "Play: a change and its figures",
    "shift": "Shift tools",
    "shift_power": "Power of the shift tests",
    "shift_tables": "Shift in raw tables",
}


def write(found: list[Told], source: Path) -> None:
    """Write the front page and the contents of the whole site."""
    from builder import reference

    cards = "\n".join(_card(told) for told in found)
    front = (tree.ROOT / "docs" / "builder" / "front.md").read_text(encoding="utf-8")
    backends = dict.fromkeys(TITLES[backend] for told in found for backend in told.runs)
    guides = {f"docs/{name}": title for name, title in GUIDES.items()}
    measured = sorted(path.stem for path in (source / "benchmarks" / "results").glob("*.md"))
    names = {**BENCHMARKS, **{stem: stem.replace("_", " ") for stem in measured if stem not in BENCHMARKS}}
    tables = {f"benchmarks/results/{name}": title for name, title in names.items()}
    contents = [
        _toctree(
            "Chapters", {t.page: f"{t.script.number} {t.script.title.partition(':')[0]}" for t in found}
        ),
        _toctree("Guides", _there(source, guides)),
        _toctree("Reference", {"results": "Results", **reference.pages()}),
        _toctree("Benchmarks", _there(source, tables)),
        _toctree(
            "Project", {"CONTRIBUTING": "Contributing", "CHANGELOG": "Changes", "data/README": "Data sets"}
        ),
    ]
    text = front.replace("CARDS", cards).replace("BACKENDS", _listed(list(backends)))
    tree.page(source, "index.md", "\n\n".join([text, *contents]))


def _card(told: Told) -> str:
    names = list(told.one.result.figures)
    name = PICTURES.get(told.script.name, "")
    name = name if name in names else names[0]
    picture = f"extra/figures/{told.one.result.backend}/{told.script.name}/{name}.png"
    title, _, question = told.script.title.partition(": ")
    minutes = report.duration(told.one.result.full_seconds or told.one.result.seconds)
    return f"""\
:::{{grid-item-card}} {told.script.number} {title}
:link: {told.page}
:link-type: doc
:shadow: none
:img-top: {picture}
:img-alt: {title}

{question[:1].upper()}{question[1:]}
```{{card-footer}}
{minutes}
```
:::"""


def _toctree(caption: str, pages: dict[str, str]) -> str:
    entries = "\n".join(f"{title} <{page}>" for page, title in pages.items())
    return f":::{{toctree}}\n:hidden:\n:caption: {caption}\n\n{entries}\n:::"


def _there(source: Path, pages: dict[str, str]) -> dict[str, str]:
    return {page: title for page, title in pages.items() if (source / f"{page}.md").exists()}


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
