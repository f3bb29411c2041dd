"""The tables of ``recurrent.py``: seconds to ratios, beside the bars."""

import json
import statistics
from pathlib import Path

from kerasdl import files

# Layer alone, as a share of raw torch's speed.
BARS = {"torch": 0.95, "jax": 0.6, "tensorflow": 0.6}
GATES = {"LSTM": 4, "PeepholeLSTM": 4, "GRU": 3, "SimpleRNN": 1}
TIME, FEATURES, FIT_STEPS = 35, 28, 12
TITLES = {"layer": "Layer alone, forward and backward", "fit": f"Through `fit`, {FIT_STEPS} steps"}


def write_table(path: Path, results: dict) -> None:
    """Write ``path`` with ``.json`` and ``.md``."""
    files.write(path.with_suffix(".json"), json.dumps(results, indent=1).encode())
    files.write(path.with_suffix(".md"), render(results).encode())


def render(results: dict) -> str:
    machine = results["machine"]
    text = [
        "# Recurrent layers, measured",
        "",
        "Written by `benchmarks/recurrent.py`; see there for what is measured, and `recurrent_notes.md` for",
        "what stands behind it. Ratios are speeds: above 1, ours is the faster.",
    ]
    for kind, title in TITLES.items():
        rows = [row for row in results["rows"] if row["setting"]["kind"] == kind]
        if rows:
            text += ["", f"## {title}", "", *_ratios(rows, kind, machine), "", "Milliseconds:", ""]
            text += _times(rows, kind)
            if kind == "layer":
                text += [
                    "",
                    "The first step, with trace and compilation, in seconds:",
                    "",
                    *_first_steps(rows),
                ]
    versions = ", ".join(f"Keras {found['keras']} on {name}" for name, found in machine["versions"].items())
    load = f"{machine['load_before']:.1f} before, {machine['load_after']:.1f} after"
    text += ["", f"Machine: {machine['cores']} cores of {machine['processor']}; load {load} (the measurement"]
    text += [f"itself is 1 to 2); {machine['minutes']} minutes; {versions}.", ""]
    return "\n".join(text)


def _ratios(rows: list[dict], kind: str, machine: dict) -> list[str]:
    """Ours beside stock and beside raw torch on each backend; for a layer, its share of the peak as well."""
    backends = [name.split(",")[0] for name in rows[0]["seconds"] if name.endswith("ours")]
    peak = machine["peak_gflops"] if kind == "layer" else None
    names = [f"{b} ÷ stock" for b in backends] + [f"{b} ÷ raw torch" for b in backends]
    names += [f"{b}: share of peak" for b in backends] if peak else [f"{b}: tokens/s" for b in backends]
    lines = [_line("", *names), "|---" + "|---:" * len(names) + "|"]
    for row in rows:
        seconds = {name: statistics.median(times) for name, times in row["seconds"].items()}
        ours = {b: seconds[f"{b}, ours"] for b in backends}
        cells = [f"{seconds[f'{b}, stock'] / ours[b]:.2f}" for b in backends]
        raw = seconds.get("torch, raw torch")
        cells += ["–" if raw is None else f"{raw / ours[b]:.2f}" for b in backends]
        if peak:
            cells += [f"{_operations(row['setting']) / ours[b] / peak / 1e9:.0%}" for b in backends]
        else:
            tokens = FIT_STEPS * row["setting"]["batch"] * TIME
            cells += [f"{tokens / ours[b]:,.0f}" for b in backends]
        lines.append(_line(_name(row["setting"]), *cells))
    if kind == "layer":
        bars = ", ".join(f"{b} {BARS[b]}" for b in backends)
        lines += ["", f"Bars: 1 beside stock; beside raw torch, {bars}."]
        lines += (
            [f"The peak, a product of two 2048 × 2048 float32 matrices: {peak:.0f} GFLOP/s."] if peak else []
        )
    else:
        lines += ["", "Bar: 2 beside stock."]
    return lines


def _times(rows: list[dict], kind: str) -> list[str]:
    names = list(dict.fromkeys(name for row in rows for name in row["seconds"]))
    lines = [_line("", *names), "|---" + "|---:" * len(names) + "|"]
    for row in rows:
        lines.append(_line(_name(row["setting"]), *(_time(row["seconds"].get(name)) for name in names)))
    return lines


def _first_steps(rows: list[dict]) -> list[str]:
    names = list(dict.fromkeys(name for row in rows for name in row["first_step"]))
    lines = [_line("", *names), "|---" + "|---:" * len(names) + "|"]
    for row in rows:
        cells = [f"{row['first_step'][n]:.2f}" if n in row["first_step"] else "–" for n in names]
        lines.append(_line(_name(row["setting"]), *cells))
    return lines


def _operations(setting: dict) -> float:
    """Floating-point operations of the matrix products: forward, to the inputs, and to the weights."""
    width, total = FEATURES, 0
    units, ways = setting["units"], 1 + setting["bidirectional"]
    for _ in range(setting["layers"]):
        total += ways * 6 * setting["batch"] * TIME * (width + units) * GATES[setting["cell"]] * units
        width = units * ways
    return total


def _time(times: list[float] | None) -> str:
    """Median ± half the range between the quartiles."""
    if times is None:
        return "–"
    low, middle, high = statistics.quantiles(times, n=4)
    return f"{1000 * middle:.1f} ± {500 * (high - low):.1f}"


def _name(setting: dict) -> str:
    parts = [setting["cell"], f"{setting['layers']} × {setting['units']}", f"batch {setting['batch']}"]
    parts += [name for name in ("bidirectional", "mask") if setting[name]]
    return ", ".join(parts)


def _line(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"
