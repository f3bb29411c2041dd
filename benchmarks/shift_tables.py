"""Which columns of a raw table does a tool call moved? Ours and the peers', beside permutation truth.

    KERASDL_DATA=… python benchmarks/shift_tables.py            ours
    PYTHONPATH=. peer-environment/bin/python benchmarks/shift_tables.py --peers    those that import there

The table is the Ames house prices, its columns as they are in the file, text and gaps included: houses sold
up to 2007 against 2009 and later, and the same rows dealt out at random, where nothing has moved. Truth is a
permutation test of each column by itself: Kolmogorov and Smirnov's distance for numbers, χ² for the rest, a
gap as a value of its own. A column is surely moved if it holds Benjamini and Hochberg's bound at .05 over all
columns. A column that moved only together with others, not by itself, is counted apart. Results go to
``shift_tables.json`` and ``shift_tables.md`` in ``benchmarks/results``; a run replaces what it measured and
leaves the rest.
"""

import argparse
import json
import os
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import shift_peers
from scipy.stats import false_discovery_control

from kerasdl import files, shift

RESULTS = Path(__file__).parent / "results"
DEALT = "the same rows, dealt out at random"
BY_YEAR = "sold up to 2007, against 2009 and later"
QUESTIONS = {
    BY_YEAR: [
        "verdict",
        "called moved by itself",
        "of these, p > .05",
        "surely moved, not called",
        "together only",
    ],
    DEALT: ["verdict", "called moved by itself", "together only"],
}


def ours():
    """Return ``{name: function(reference, sample) → (verdict, columns, columns moved together only)}``."""

    def compare(reference, sample):
        found = shift.compare(reference, sample, random_state=0)
        what = found.table.set_index("column")["what"]
        together = [name for name in found.moved if what[name] == "dependence"]
        return found.is_shift, [name for name in found.moved if name not in together], together

    return {"kerasdl compare": compare}


def permutation_p(reference, sample, draws=1999):
    """Return the p-value of each column by itself."""
    rng, n = np.random.default_rng(0), len(reference)
    both = pd.concat([reference, sample], ignore_index=True)
    deals = np.stack([np.arange(len(both))] + [rng.permutation(len(both)) for _ in range(draws)])[:, :n]
    p = {}
    for name, column in both.items():
        numbers = pd.api.types.is_numeric_dtype(column)
        if numbers:
            column = column.fillna(column.min() - 1)
        codes = pd.factorize(column, sort=numbers, use_na_sentinel=False)[0]
        counts = np.stack([np.bincount(codes[deal], minlength=codes.max() + 1) for deal in deals])
        total = np.bincount(codes)
        if numbers:
            other = (total - counts).cumsum(axis=1) / (len(both) - n)
            statistic = np.abs(counts.cumsum(axis=1) / n - other).max(axis=1)
        else:
            expected = total * n / len(both)
            statistic = ((counts - expected) ** 2 / expected).sum(axis=1)
        p[name] = np.mean(statistic >= statistic[0] - 1e-12)
    return pd.Series(p)


def measure(tools, table, year, repetitions):
    """Yield ``(cell, question, tool, value)``."""
    pairs = [(BY_YEAR, table[year <= 2007], table[year >= 2009])]
    for seed in range(repetitions):
        order = np.random.default_rng([2028, seed]).permutation(len(table))
        pairs.append((DEALT, table.iloc[order[: len(order) // 2]], table.iloc[order[len(order) // 2 :]]))
    truth = permutation_p(*pairs[0][1:])
    surely = set(truth.index[false_discovery_control(truth) <= 0.05])
    for cell, reference, sample in pairs:
        for name, tool in tools.items():
            began = time.process_time()
            verdict, called, together = tool(reference.reset_index(drop=True), sample.reset_index(drop=True))
            yield cell, "processor seconds", name, time.process_time() - began
            if verdict is not None:
                yield cell, "verdict", name, float(verdict)
            if called is None:
                continue
            yield cell, "called moved by itself", name, len(called)
            if together is not None:
                yield cell, "together only", name, len(together)
            if cell == BY_YEAR:
                yield cell, "of these, p > .05", name, sum(truth[column] > 0.05 for column in called)
                yield cell, "surely moved, not called", name, len(surely - set(called))


def write(results):
    """Return the report: a table a cell, a row a tool."""
    lines = ["# Raw tables: which columns have moved?", ""]
    lines += ["`python benchmarks/shift_tables.py` rebuilds it; means, repetitions in brackets.", ""]
    lines += ["Verdict: the share of tables that the tool as a whole calls moved; – where it gives none.", ""]
    for cell, questions in QUESTIONS.items():
        questions = [*questions, "processor seconds"]
        found = results[cell]
        tools = list(dict.fromkeys(tool for question in found.values() for tool in question))
        lines += [
            f"## {cell}",
            "",
            "| | " + " | ".join(questions) + " |",
            "|---" * (len(questions) + 1) + "|",
        ]
        for tool in tools:
            shown = [found.get(question, {}).get(tool) for question in questions]
            count = max(one["repetitions"] for one in shown if one)
            numbers = [f"{one['mean']:.3g}" if one else "–" for one in shown]
            lines.append(f"| {tool} ({count}) | " + " | ".join(numbers) + " |")
        lines.append("")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--peers", action="store_true", help="measure the peers that import, not ours")
    parser.add_argument("--repetitions", type=int, default=20, help="tables dealt out at random")
    args = parser.parse_args()
    raw = pd.read_csv(Path(os.environ["KERASDL_DATA"]) / "kaggle_house_pred_train.csv")
    table, year = raw.drop(columns=["Id", "SalePrice", "YrSold"]), raw["YrSold"]
    measured = {}
    with warnings.catch_warnings():
        if args.peers:
            warnings.simplefilter("ignore")  # of their own code
        for cell, question, tool, value in measure(
            shift_peers.tables() if args.peers else ours(), table, year, args.repetitions
        ):
            measured.setdefault(cell, {}).setdefault(question, {}).setdefault(tool, []).append(value)
    path = RESULTS / "shift_tables.json"
    results = json.loads(path.read_text()) if path.exists() else {}
    for cell, questions in measured.items():
        for question, tools in questions.items():
            for tool, values in tools.items():
                one = {"mean": float(np.mean(values)), "repetitions": len(values)}
                results.setdefault(cell, {}).setdefault(question, {})[tool] = one
    files.write(path, json.dumps(results, indent=1) + "\n")
    files.write(path.with_suffix(".md"), write(results))


if __name__ == "__main__":
    main()
