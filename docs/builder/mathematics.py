"""How is mathematics shown? As MathML, written when the site is built: no script, no font from elsewhere."""

import shutil
from pathlib import Path

import ziamath
from docutils import nodes
from latex2mathml import converter
from sphinx.application import Sphinx

FONT = "STIXTwoMath-Regular.ttf"


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the renderer, and the font that browsers without one for mathematics need."""
    app.add_html_math_renderer("mathml", (_inline, None), (_display, None))
    app.connect("build-finished", _copy_font)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _inline(writer: nodes.NodeVisitor, node: nodes.math) -> None:
    writer.body.append(converter.convert(node.astext(), display="inline"))
    raise nodes.SkipNode


def _display(writer: nodes.NodeVisitor, node: nodes.math_block) -> None:
    formula = converter.convert(node.astext(), display="block")
    # It scrolls where the page is narrower, so the keyboard must reach it.
    writer.body.append(
        f'<div class="formula" tabindex="0" role="group" aria-label="formula">{formula}</div>\n'
    )
    raise nodes.SkipNode


def _copy_font(app: Sphinx, error: Exception | None) -> None:
    if error is None:
        shutil.copyfile(Path(ziamath.__file__).parent / "fonts" / FONT, Path(app.outdir) / "_static" / FONT)
