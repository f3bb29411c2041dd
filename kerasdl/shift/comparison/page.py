"""What does a comparison look like as one page? HTML with its style and its picture inside.

In go the pieces of a comparison; out comes a page that needs nothing beside it.
"""

import html
from typing import Any

import numpy as np
import pandas as pd

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 1200px; color: #222 }
h1 { font-size: 1.4em; padding: .5em .7em; border-radius: .3em }
h1.shift { background: #fde3cf } h1.calm { background: #dcefe3 }
img { max-width: 100% } .wide { overflow-x: auto }
table { border-collapse: collapse; font-size: 13px }
th, td { padding: .2em .6em; text-align: left; white-space: nowrap }
th { border-bottom: 2px solid #888 } td.n { text-align: right; font-variant-numeric: tabular-nums }
tr.moved td:first-child { font-weight: 600 } tr.still { color: #777 }
tr:nth-child(even) { background: #f6f6f6 }
"""

LEGEND = (
    "p: by relabelling; p_dependence: of its correlations with other columns; p_family: for all columns "
    "together (Westfall & Young); p_fdr: share of false alarms among the columns so far (Benjamini & "
    "Hochberg). difference, wasserstein: in standard deviations. psi above 0.1 is often called medium, above "
    "0.25 large. new_values: share of the sample outside what the reference held. importance: how much the "
    "AUC of a domain classifier falls without the column."
)


def page(
    lines: list[str],
    is_shift: bool,
    advice: list[str],
    parts: dict[str, float],
    picture: str,
    table: pd.DataFrame,
) -> str:
    """Return the page.

    Args:
        lines: the verdict, and the rows looked at.
        is_shift: the verdict.
        advice: what to do next.
        parts: p-values of the parts of the test.
        picture: a PNG in base64.
        table: one row a column.
    """
    kind = "shift" if is_shift else "calm"
    steps = "".join(f"<li>{html.escape(step)}</li>" for step in advice)
    tested = "".join(f"<tr><td>{html.escape(k)}</td><td class=n>{v:.3g}</td></tr>" for k, v in parts.items())
    head = "".join(f"<th>{html.escape(str(name))}</th>" for name in table.columns)
    body = "".join(_row(row) for row in table.to_dict("records"))
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Has the data moved?</title><style>{STYLE}</style></head>
<body>
<h1 class="{kind}">{html.escape(lines[0])}</h1><p>{html.escape(lines[1])}</p>
<h2>What to do next</h2><ul>{steps}</ul>
<h2>The surest moves</h2>
<img alt="Shares of rows, reference beside sample" src="data:image/png;base64,{picture}">
<h2>Column by column</h2><div class="wide"><table><tr>{head}</tr>{body}</table></div>
<p>{html.escape(LEGEND)}</p>
<h2>In what way the tables differ as a whole</h2>
<table><tr><th>part</th><th>p, by itself</th></tr>{tested}</table>
</body></html>
"""


def _row(row: dict[Any, Any]) -> str:
    cells = []
    for value in row.values():
        if isinstance(value, (bool, np.bool_)):
            cells.append(f"<td>{'yes' if value else ''}</td>")
        elif isinstance(value, float):
            cells.append(f"<td class=n>{'' if np.isnan(value) else format(value, '.3g')}</td>")
        else:
            cells.append(f"<td>{html.escape(str(value))}</td>")
    return f"<tr class={'moved' if row['moved'] else 'still'}>{''.join(cells)}</tr>"
