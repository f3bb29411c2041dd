"""What did each chapter measure? Its results beside their references and bands, backend by backend."""

import html
from pathlib import Path

from builder import tree
from builder.runs import TITLES, Told
from kerasdl.course.report import number
from kerasdl.course.results import Check, Exact

INTRODUCTION = """\
# Results

Every number that the chapters stand for, on each backend, held to what it must be. **Exact** results are true
at any setting, whatever the seed and the data: by hand against the model, a closed form, a guard. **Trained**
ones are what the chapter's full setting reaches; each has a band, and a reference where one is published.
A ✓ says that a number is where it must be. How far the backends may lie apart is held to each result's
tolerance, by `kerasdl compare` too.
"""


def write(found: list[Told], source: Path) -> None:
    """Write the page of all results."""
    parts = [INTRODUCTION, summary(found)]
    fast = [told.script.number for told in found if told.one.result.fast]
    if fast:
        chapters = "all chapters" if len(fast) == len(found) else f"chapters {', '.join(fast)}"
        parts.append(f":::{{note}}\nRun with `--fast`, so that no trained number is judged: {chapters}.\n:::")
    for told in found:
        parts += [
            f"## {told.script.number} {told.script.title.partition(':')[0]}",
            f"[{told.script.title}](/{told.page}.md)",
            f"```{{raw}} html\n{table(told)}\n```",
        ]
    tree.page(source, "results.md", "\n\n".join(parts))


def summary(found: list[Told]) -> str:
    """Return how many of the results hold, in a sentence."""
    every = [
        (check, run.result) for told in found for run in told.runs.values() for check in run.result.checks
    ]
    judged = [check.holds for check, result in every if isinstance(check, Exact) or not result.fast]
    said = f"**{sum(judged)} of {len(judged)}** judged results hold"
    several = [told for told in found if len(told.runs) > 1]
    checks = [(told, check) for told in several for check in told.one.result.checks]
    kept = sum(spread(told, check.name) <= check.tolerance for told, check in checks)
    agree = f"; **{kept} of {len(checks)}** agree between the backends within their tolerance"
    return f"{said}{agree if checks else ''}."


def spread(told: Told, name: str) -> float:
    """Return how far the backends lie apart on a result."""
    values = [c.measured for run in told.runs.values() for c in run.result.checks if c.name == name]
    return max(values) - min(values)


def table(told: Told) -> str:
    """Return a chapter's results as a table in HTML."""
    heads = "".join(f'<th scope="col" class="number">{TITLES[backend]}</th>' for backend in told.runs)
    width = len(told.runs) + 3
    body = []
    for heading, reference, band, checks in (
        ("Exact at any setting", "expected", "within", told.one.result.exact),
        ("Trained", "reference", "band", told.one.result.trained),
    ):
        if checks:
            body.append(
                f'<tr class="group"><th scope="rowgroup">{heading}</th>'
                + "<td></td>" * (width - 3)
                + f'<td class="number">{reference}</td><td class="number">{band}</td></tr>'
            )
            body += [_row(told, check) for check in checks]
    return (
        '<div class="table-wrapper"><table class="docutils results"><thead><tr><th scope="col">'
        f"measured</th>{heads}<th></th><th></th></tr></thead><tbody>{''.join(body)}</tbody></table></div>"
    )


def _row(told: Told, check: Check) -> str:
    cells = []
    for run in told.runs.values():
        own = next((c for c in run.result.checks if c.name == check.name), None)
        if own is None:
            cells.append('<td class="number">–</td>')
            continue
        sign = ""
        if isinstance(own, Exact) or not run.result.fast:
            sign = ' <span class="sign">✓</span>' if own.holds else ' <span class="fails">✗</span>'
        cells.append(f'<td class="number">{number(own.measured)}{sign}</td>')
    if isinstance(check, Exact):
        known, band = number(check.expected), f"± {number(check.within, 2)}"
    else:
        known = "" if check.reference is None else number(check.reference)
        band = f"{number(check.band[0], 3)} … {number(check.band[1], 3)}"
    source = f"<small>{html.escape(check.source)}</small>" if check.source else ""
    return (
        f'<tr><th scope="row">{html.escape(check.name)}{source}</th>{"".join(cells)}'
        f'<td class="number">{known}</td><td class="number">{band}</td></tr>'
    )
