"""Does the default test keep its level, and see what a simple test of one thing sees?

    python benchmarks/shift_power.py                      all sections, 200 repetitions
    python benchmarks/shift_power.py --only nulls         some sections
    python benchmarks/shift_power.py --repetitions 50     fewer

Results go to ``shift_power.json`` and ``shift_power.md`` in ``benchmarks/results``; a run replaces what it
measured and leaves the rest. Bars: false alarms at most .06 on every null; at least .9 × the simple
alternative on each blind spot; over batches at most the budget of .05; on dependent rows at most .08.
"""

import argparse
import json
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import shift_problems
from scipy.stats import f as f_distribution
from scipy.stats import ks_2samp, norm, rankdata, ttest_ind

from kerasdl import files, shift

RESULTS = Path(__file__).parent / "results"
BATCHES = {30: 1.0, 300: 0.3}  # how many, and the share of the repetitions, for they take long


def correlated(rows, rng):
    shared = rng.normal(size=(rows, 1))
    return 0.8 * shared + 0.6 * rng.normal(size=(rows, 6))


def mixed(rows, rng):
    return np.column_stack(
        [rng.normal(size=rows), rng.integers(2, size=rows), rng.poisson(3, rows), rng.lognormal(size=rows)]
    )


NULLS = {
    "normal, 5 columns, 200 + 100": (lambda n, rng: rng.normal(size=(n, 5)), 200, 100),
    "log-normal": (lambda n, rng: rng.lognormal(0, 1.5, size=(n, 5)), 200, 100),
    "Cauchy": (lambda n, rng: rng.standard_cauchy((n, 5)), 200, 100),
    "yes or no": (lambda n, rng: (rng.random((n, 5)) < 0.2).astype(float), 200, 100),
    "counts": (lambda n, rng: rng.poisson(2, (n, 5)).astype(float), 200, 100),
    "correlated": (correlated, 200, 100),
    "100 columns": (lambda n, rng: rng.normal(size=(n, 100)), 100, 100),
    "one column": (lambda n, rng: rng.normal(size=(n, 1)), 200, 100),
    "few rows, 20 + 15": (lambda n, rng: rng.normal(size=(n, 3)), 20, 15),
    "400 + 30": (lambda n, rng: rng.normal(size=(n, 3)), 400, 30),
    "numbers, counts, flags": (mixed, 200, 100),
}


def nulls(repetitions):
    """False alarms where nothing has moved."""
    for name, (draw, n, m) in NULLS.items():
        for seed in range(repetitions):
            rng = np.random.default_rng([2027, 1, seed])
            test = shift.ShiftTest(random_state=seed).fit(draw(n, rng))
            yield name, "ShiftTest", test.test(draw(m, rng)).is_shift
    for rows in (50, 200):
        for seed in range(repetitions):
            reference, sample, model = shift_problems.detection_problem(seed, rows, "null")
            test = shift.ShiftTest(model.predict_proba, random_state=seed).fit(reference)
            yield f"digits, 400 + {rows}", "ShiftTest", test.test(sample).is_shift


def one_correlation(rng):
    a, b = rng.normal(size=(200, 10)), rng.normal(size=(200, 10))
    b[:, 1] = 0.9 * b[:, 0] + np.sqrt(1 - 0.81) * b[:, 1]
    return a, b


def far_rows(m):
    def make(rng):
        a, b = rng.normal(size=(200, 20)), rng.normal(size=(m, 20))
        rows = rng.choice(m, m // 20, replace=False)
        b[rows, 0] = 1000 * rng.choice([-1, 1], len(rows))
        return a, b

    return make


def another_shape(rng):
    a, b = rng.normal(size=(200, 5)), rng.normal(size=(100, 5))
    b[:, 0] = rng.exponential(size=100) - 1
    return a, b


def one_of_a_hundred(rng):
    a, b = rng.normal(size=(200, 100)), rng.normal(size=(200, 100))
    b[:, 0] += 0.4
    return a, b


def by_correlation(a, b):
    """Fisher's z of rank correlations, Bonferroni over the pairs."""
    z = []
    for X in (a, b):
        r = np.corrcoef(rankdata(X, axis=0), rowvar=False)[np.triu_indices(X.shape[1], 1)]
        z.append(np.arctanh(r))
    gap = np.abs(z[0] - z[1]) / np.sqrt(1.06 / (len(a) - 3) + 1.06 / (len(b) - 3))
    return 2 * norm.sf(gap.max()) * len(gap) <= 0.05


def by_variance(a, b):
    """F of the variances, Bonferroni over the columns."""
    ratio = b.var(axis=0, ddof=1) / a.var(axis=0, ddof=1)
    p = 2 * np.minimum(
        *(tail(ratio, len(b) - 1, len(a) - 1) for tail in (f_distribution.sf, f_distribution.cdf))
    )
    return p.min() * len(p) <= 0.05


def by_ks(a, b):
    return min(ks_2samp(a[:, k], b[:, k]).pvalue for k in range(a.shape[1])) * a.shape[1] <= 0.05


def by_t(a, b):
    return ttest_ind(a, b).pvalue.min() * a.shape[1] <= 0.05


BLIND = {
    "correlation 0 to .9 in one pair of 10 columns, 200 + 200": (
        one_correlation,
        "rank correlations",
        by_correlation,
    ),
    "5 % of rows at ±1000 sd in 1 of 20, 200 + 200": (far_rows(200), "F of variances", by_variance),
    "the same, 200 + 100": (far_rows(100), "F of variances", by_variance),
    "exponential for normal in 1 of 5, 200 + 100": (another_shape, "KS", by_ks),
    "mean + .4 in 1 of 100, 200 + 200": (one_of_a_hundred, "t", by_t),
}


def blind(repetitions):
    """Power where single tests see what others do not."""
    for name, (make, simple, says) in BLIND.items():
        for seed in range(repetitions):
            a, b = make(np.random.default_rng([2027, 2, seed]))
            yield name, "ShiftTest", shift.ShiftTest(random_state=seed).fit(a).test(b).is_shift
            yield name, f"simple: {simple}", says(a, b)


def dependent(repetitions):
    """False alarms on autoregressions of which nothing has moved, 600 rows against the next 300."""
    for rho in (0.5, 0.9):
        for seed in range(repetitions):
            noise = np.random.default_rng([2027, 3, seed]).normal(size=(900, 2))
            x = noise.copy()
            for t in range(1, 900):
                x[t] = rho * x[t - 1] + np.sqrt(1 - rho**2) * noise[t]
            for how, block in (("rows dealt out", 1), ("block='auto'", "auto")):
                test = shift.ShiftTest(block=block, random_state=seed).fit(x[:600])
                yield f"autoregression of {rho}", how, test.test(x[600:]).is_shift


def budget(repetitions):
    """Histories of batches of 20 rows with any false alarm; and batches until a move of 1 sd is told."""
    for count, share in BATCHES.items():
        for seed in range(round(share * repetitions)):
            rng = np.random.default_rng([2027, 4, seed])
            quick = shift.ShiftTest(permutations=200)
            watched = shift.BatchMonitor(test=quick, memory=300, random_state=seed).fit(
                rng.normal(size=(100, 2))
            )
            alarm = any([watched.update(rng.normal(size=(20, 2))).is_alarm for _ in range(count)])
            yield f"{count} batches", "any false alarm, BatchMonitor", alarm
            if count == 30 and not alarm:
                late = 1
                while late < 30 and not watched.update(rng.normal([1, 0], 1, size=(20, 2))).is_alarm:
                    late += 1
                yield f"{count} batches", "batches until a move of 1 sd is told", late


SECTIONS = [nulls, blind, dependent, budget]
BARS = {"nulls": 0.06, "dependent": 0.08, "budget": 0.05}


def write(results):
    """Return the report: a table and a line on each bar, by section."""
    lines = ["# The default test: level and power", ""]
    lines += [
        "`python benchmarks/shift_power.py` rebuilds it; mean ± standard error, repetitions in brackets.",
        "",
    ]
    for section, cells in results.items():
        lines += [f"## {section}", "", "| | what | measured |", "|---|---|---|"]
        verdicts = []
        for cell, found in cells.items():
            for what, one in found.items():
                lines.append(
                    f"| {cell} | {what} | {one['mean']:.3g} ± {one['error']:.1g} ({one['repetitions']}) |"
                )
            if section == "blind":
                simple = next(one["mean"] for what, one in found.items() if what.startswith("simple"))
                ours = found["ShiftTest"]["mean"]
                met = ours >= 0.9 * simple
                verdicts.append(
                    f"- {'met' if met else '**short**'}: {cell}: {ours:.3f} beside {simple:.3f}; bar .9 ×"
                )
            else:
                what = next(
                    (w for w in found if w in ("ShiftTest", "block='auto'") or w.startswith("any")), None
                )
                met = found[what]["mean"] <= BARS[section]
                said = f"{cell}: {found[what]['mean']:.3f}; bar {BARS[section]}"
                verdicts.append(f"- {'met' if met else '**short**'}: {said}")
        lines += ["", *verdicts, ""]
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", nargs="+", choices=[s.__name__ for s in SECTIONS], help="some sections")
    parser.add_argument("--repetitions", type=int, default=200)
    args = parser.parse_args()
    warnings.simplefilter("ignore", shift.DependenceWarning)  # dependent rows are what some cells are about
    path = RESULTS / "shift_power.json"
    for section in SECTIONS:
        if args.only and section.__name__ not in args.only:
            continue
        began, measured = time.time(), {}
        for cell, what, value in section(args.repetitions):
            measured.setdefault(cell, {}).setdefault(what, []).append(float(value))
        results = json.loads(path.read_text()) if path.exists() else {}
        results[section.__name__] = {
            cell: {
                what: {
                    "mean": np.mean(values),
                    "error": np.std(values) / np.sqrt(len(values)),
                    "repetitions": len(values),
                }
                for what, values in found.items()
            }
            for cell, found in measured.items()
        }
        print(f"{section.__name__}: {time.time() - began:.0f} s", file=sys.stderr)
        files.write(path, json.dumps(results, indent=1) + "\n")
        files.write(path.with_suffix(".md"), write(results))


if __name__ == "__main__":
    main()
