"""The table of ``recurrent.py``: seconds to ratios, beside the bars."""

import json
import statistics
from pathlib import Path

from kerasdl import files

# Layer alone, as a share of raw torch's speed.
LAYER_BARS = {"torch": 0.95, "jax": 0.6, "tensorflow": 0.6}
TOKENS = {"fit": 12 * 32 * 35}


def write_table(path: Path, results: dict) -> None:
    """Write ``path`` with ``.json`` and ``.md``."""
    files.write(path.with_suffix(".json"), json.dumps(results, indent=1).encode())
    files.write(path.with_suffix(".md"), render(results).encode())


def render(results: dict) -> str:
    machine, text = results["machine"], ["# Recurrent layers, measured", ""]
    text += ["`python benchmarks/recurrent.py` rebuilds it. Median milliseconds ± half the quartiles' range."]
    for kind, title in (("layer", "Layer alone, forward and backward"), ("fit", "Through `fit`, 12 steps")):
        rows = [row for row in results["rows"] if row["setting"]["kind"] == kind]
        if rows:
            text += ["", f"## {title}", "", *_table(rows, kind)]
    text += ["", f"Machine: {json.dumps(machine)}", ""]
    return "\n".join(text)


def _table(rows: list[dict], kind: str) -> list[str]:
    names = list(dict.fromkeys(name for row in rows for name in row["seconds"]))
    backends = [name.split(",")[0] for name in names if name.endswith("ours")]
    ratios = [f"{b}: ours / stock" for b in backends] + [f"{b}: ours / raw torch" for b in backends]
    lines = ["| | " + " | ".join([*names, *ratios]) + " |", "|---" * (1 + len(names) + len(ratios)) + "|"]
    for row in rows:
        middle = {name: statistics.median(times) for name, times in row["seconds"].items()}
        cells = [_time(row["seconds"].get(name)) for name in names]
        for other in ("stock", "raw torch"):
            for backend in backends:
                base = middle.get(f"{backend}, stock" if other == "stock" else "torch, raw torch")
                cells.append("–" if base is None else f"{base / middle[f'{backend}, ours']:.2f}")
        lines.append(f"| {_name(row['setting'])} | " + " | ".join(cells) + " |")
    lines += ["", "Ratios are speeds: above 1, ours is the faster."]
    if kind == "layer":
        bars = ", ".join(f"{b} {LAYER_BARS[b]}" for b in backends)
        lines += [f"Bars beside raw torch: {bars}; beside stock: 1 everywhere."]
        lines += ["", "First step, with trace and compilation, in seconds:", ""]
        lines += [
            f"- {_name(row['setting'])}: " + ", ".join(f"{k} {v:.2f}" for k, v in row["first_step"].items())
            for row in rows
        ]
    else:
        lines += ["", "Tokens a second:", ""]
        for row in rows:
            speeds = {k: TOKENS["fit"] / statistics.median(v) for k, v in row["seconds"].items()}
            lines.append(
                f"- {_name(row['setting'])}: " + ", ".join(f"{k} {v:,.0f}" for k, v in speeds.items())
            )
    return lines


def _time(times: list[float] | None) -> str:
    if times is None:
        return "–"
    low, middle, high = statistics.quantiles(times, n=4)
    return f"{1000 * middle:.1f} ± {500 * (high - low):.1f}"


def _name(setting: dict) -> str:
    parts = [setting["cell"], f"{setting['layers']} × {setting['units']}", f"batch {setting['batch']}"]
    parts += [name for name in ("bidirectional", "mask") if setting[name]]
    return ", ".join(parts)
