"""How do chapters and library find each other? Names in code lead to their entry, entries to the chapters."""

import importlib
import re
from collections.abc import Callable
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.domains.python import PyObject
from sphinx.environment import BuildEnvironment
from sphinx.util.nodes import make_refnode

from builder import names, reference

_CODE = re.compile(
    r'(<div class="[^"]*highlight-(?:python|default)[^"]*"[^>]*>)(.*?)(</div>\s*</div>)', re.DOTALL
)
_DOTTED = re.compile(
    r'<span class="n[a-z]?">\w+</span>(?:<span class="o">\.</span><span class="n[a-z]?">\w+</span>)+'
)
_BARE = re.compile(r'<span class="n[a-z]?">(\w+)</span>')


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect both directions."""
    for field in PyObject.doc_field_types:
        if field.name == "variable":
            field.label = "Attributes"  # as the docstrings call them
    app.connect("autodoc-process-docstring", _tidy, priority=400)  # before napoleon, at 500, reads it
    app.connect("autodoc-process-docstring", _say_where_used)
    app.connect("missing-reference", _by_its_public_name)
    app.connect("autodoc-skip-member", _only_ours)
    app.connect("html-page-context", _link_code)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _tidy(app: Sphinx, what: str, name: str, value: object, options: Any, lines: list[str]) -> None:
    """Write ``a, b: both`` without its spaces: napoleon takes what stands before the first one for a type."""

    def joined(found: re.Match[str]) -> str:
        *others, last = found[2].split(",")
        said = [re.sub(r"(\*|_$)", r"\\\1", other.strip()) for other in others]
        return f"{found[1]}{','.join([*said, last.strip().replace('*', chr(92) + '*')])}: "

    text = re.sub(r"^( +)((?:\**\w+,\s+)+\**\w+): ", joined, "\n".join(lines), flags=re.MULTILINE)
    # |x| is a magnitude here, and no substitution.
    lines[:] = re.sub(r"\|(?=\S)([^|`\n]+)(?<=\S)\|", r"\|\1\|", text).splitlines()


def _by_its_public_name(
    app: Sphinx, env: BuildEnvironment, node: addnodes.pending_xref, shown: nodes.Element
) -> nodes.Node | None:
    """Lead to the public name of what has another; show without a link what exists but has no page."""
    target = node.get("reftarget", "")
    if node.get("refdomain") != "py" or not target.startswith("kerasdl."):
        return None
    meant = _found(target)
    if meant is None:
        return None
    for name, value in names.every().items():
        entry = env.get_domain("py").objects.get(name)
        if value is meant and entry:
            return make_refnode(app.builder, node["refdoc"], entry.docname, entry.node_id, [shown])
    return shown


def _found(name: str) -> object:
    """What a dotted name stands for; None if it stands for nothing."""
    module, _, rest = name.rpartition(".")
    attributes = [rest]
    while module:
        try:
            value: object = importlib.import_module(module)
        except ModuleNotFoundError:
            module, _, rest = module.rpartition(".")
            attributes.insert(0, rest)
            continue
        for attribute in attributes:
            value = getattr(value, attribute, None)
        return value
    return None


def _say_where_used(app: Sphinx, what: str, name: str, value: object, options: Any, lines: list[str]) -> None:
    chapters = [chapter for chapter in reference.users().get(name, []) if chapter[0] in app.env.found_docs]
    if chapters:
        links = " · ".join(f":doc:`{title} </{page}>`" for page, title in chapters)
        lines += ["", f"**In chapters:** {links}", ""]


def _only_ours(app: Sphinx, what: str, name: str, member: object, skip: bool, options: Any) -> bool | None:
    """Leave out what a class has from Keras, scikit-learn or Python."""
    module = getattr(member, "__module__", None) or getattr(getattr(member, "fget", None), "__module__", "")
    return None if skip or module.startswith("kerasdl") else True


def _link_code(
    app: Sphinx, page: str, template: str, context: dict[str, Any], tree: nodes.document | None
) -> None:
    """Make links of the library's names in a page's Python code."""
    if tree is None or "highlight" not in context.get("body", ""):
        return
    code = [b for b in tree.findall(nodes.literal_block) if b.get("language", "") in ("python", "default")]
    meant: dict[str, str] = {}
    for block in code:
        try:
            meant |= names.aliases(re.sub(r"^(>>>|\.\.\.) ?", "", block.astext(), flags=re.MULTILINE))
        except SyntaxError:
            continue  # a fragment, or an example with its outputs
    if not meant:
        return
    objects = app.env.get_domain("py").objects
    path = context["pathto"]

    def link(name: str, shown: str) -> str:
        if name not in objects:
            return shown
        to = f"{path(objects[name].docname)}#{objects[name].node_id}"
        return f'<a class="to-library" href="{to}">{shown}</a>'

    context["body"] = _CODE.sub(
        lambda found: found[1] + _linked(found[2], meant, link) + found[3], context["body"]
    )


def _linked(code: str, meant: dict[str, str], link: Callable[[str, str], str]) -> str:
    def dotted(found: re.Match[str]) -> str:
        parts = _BARE.findall(found[0])
        if parts[0] not in meant:
            return found[0]
        # The longest beginning that has an entry: models.mlp of models.mlp.__name__.
        pieces = re.findall(r'<span class="n[a-z]?">\w+</span>', found[0])
        dot = '<span class="o">.</span>'
        for length in range(len(parts), 1, -1):
            name = ".".join([meant[parts[0]], *parts[1:length]])
            shown = dot.join(pieces[:length])
            if (linked := link(name, shown)) != shown:
                return dot.join([linked, *pieces[length:]])
        return found[0]

    code = _DOTTED.sub(dotted, code)
    # Names imported by themselves: KerasClassifier(…).
    return re.sub(
        r'(?<!</span><span class="o">\.</span>)<span class="n">(\w+)</span>(?=<span class="p">\()',
        lambda found: link(meant[found[1]], found[0]) if found[1] in meant else found[0],
        code,
    )
