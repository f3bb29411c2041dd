"""How does kerasdl.shift compare? The tables of known-truth problems, ours beside the named peers.

    python benchmarks/shift.py --quick              all sections, few repetitions
    python benchmarks/shift.py                      the full table
    python benchmarks/shift.py --only label scale   some sections

Results go to ``shift.json`` and ``shift.md`` in ``benchmarks/results``, quick ones to ``shift-quick``. A
run replaces what it measured and leaves the rest; so each peer may live in an environment of its own, from
which ``--peers`` adds its column::

    PYTHONPATH=. peer-environment/bin/python benchmarks/shift.py --peers --only covariate label

Seeds are fixed and were used for nothing else: the defaults were tuned on other seeds.
"""

import argparse
import itertools
import json
import os
import platform
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import shift_peers
import shift_problems as problems
from shift_table import write_table
from sklearn.base import clone
from sklearn.datasets import load_diabetes
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge

from kerasdl import files, shift

RESULTS = Path(__file__).parent / "results"


def covariate(args):
    """NMSE of the weights of the source rows against the true ratio, both at mean 1."""
    ours = {
        "uniform": lambda s, t: np.ones(len(s)),
        "logistic regression": problems.logistic_weights,
        "kerasdl default": lambda s, t: shift.DiscriminativeRatio(random_state=0).fit(s, t).predict_weights(),
    }
    yield from _ratio_errors(shift_peers.ratios() if args.peers else ours, args)


def direct(args):
    """The same for the methods without a classifier; relative and matched weights aim at something else."""
    if not args.peers:
        fit = lambda make: lambda s, t: make(random_state=0).fit(s, t).predict_weights()  # noqa: E731
        yield from _ratio_errors({"kerasdl KLIEP": fit(shift.KLIEP), "kerasdl ULSIF": fit(shift.ULSIF)}, args)


def _ratio_errors(methods, args):
    for name, kind, source_rows, columns in problems.RATIO_CELLS:
        for seed in range(args.repetitions or (1 if args.quick else 20)):
            source, target, truth = problems.ratio_problem(kind, source_rows, columns, seed)
            for method, weigh in methods.items():
                w = weigh(source, target)
                yield name, method, np.mean((w / w.mean() - truth / truth.mean()) ** 2)


def label(args):
    """L1 distance to the realised prevalence; for intervals, how often they hold the drawn prior."""
    ours = {
        "none": None,
        "kerasdl BBSE": shift.BBSE(draws=0),
        "kerasdl RLLS": shift.RLLS(draws=0),
        "kerasdl EM, uncalibrated": shift.LabelShiftEM("none", draws=0),
        "kerasdl default": shift.LabelShiftEM(random_state=0),
    }
    for seed in range(args.repetitions or (1 if args.quick else 10)):
        fitted = {}
        for model, p_val, y_val, p_target, prior, realised in problems.label_problems(seed):
            if model not in fitted:
                fitted[model] = (
                    shift_peers.quantifiers(p_val, y_val)
                    if args.peers
                    else {name: one and clone(one).fit(y_val, p_val) for name, one in ours.items()}
                )
            for name, one in fitted[model].items():
                if args.peers:
                    yield model, name, np.abs(one(p_target) - realised).sum()
                    continue
                source = np.bincount(y_val, minlength=10) / len(y_val)
                found = source if one is None else one.estimate(p_target).prior_
                yield model, name, np.abs(found - realised).sum()
                if name == "kerasdl default":
                    low, high = one.interval_.T
                    for what, truth in (("prior", prior), ("realised", realised)):
                        yield (
                            f"{model} coverage of the {what}",
                            name,
                            np.mean((low <= truth) & (truth <= high)),
                        )
                    yield f"{model} interval width", name, np.mean(high - low)


def alarms(args):
    """Rejection rate at level 0.05 where nothing moved; many repetitions, for a level is a small number."""
    yield from _rejections(["null"], args.repetitions or (20 if args.quick else 500), args.peers)


def detect(args):
    """Rejection rate at level 0.05 with a reference of 400 digits."""
    yield from _rejections(problems.SHIFTS, args.repetitions or (3 if args.quick else 150), args.peers)


def _rejections(kinds, repetitions, peers):
    for rows, kind, seed in itertools.product((50, 200), kinds, range(repetitions)):
        reference, sample, model = problems.detection_problem(seed, rows, kind)
        if peers:
            for name, finds in shift_peers.detectors().items():
                yield f"{kind}, n = {rows}", name, finds(reference, sample)
            continue
        says = model.predict_proba
        tests = {
            "KS + Bonferroni, pixels": (shift.KSTest(), None),
            "BBSD-soft": (shift.BBSDTest(says), None),
            "MMD": (shift.MMDTest(random_state=seed), None),
            "MMD on softmax": (shift.MMDTest(random_state=seed), says),
            "C2ST": (shift.C2STest(random_state=seed), None),
            "LSDD": (shift.LSDDTest(random_state=seed), None),
            "kerasdl default": (shift.ShiftTest(says, random_state=seed), None),
        }
        for name, (test, view) in tests.items():
            view = view or (lambda X: X)
            yield f"{kind}, n = {rows}", name, test.fit(view(reference)).test(view(sample)).is_shift


def streams(args):
    """Error 0.1, after 2000 steps 0.3: streams with a false alarm, the delay, alarms after the change.

    Where the published algorithm leaves no choice, ours should alarm where river's does: "the same first".
    """
    ours = {
        "ADWIN": shift.ADWIN,
        "HDDM-A": shift.HDDM,
        "HDDM-W": lambda: shift.HDDM("W"),
        "HDDM-A, both sides": lambda: shift.HDDM(side="both"),
        "Page-Hinkley": shift.PageHinkley,
        "DDM": shift.DDM,
        "EDDM": shift.EDDM,
        "KSWIN": shift.KSWIN,
        "KSWIN, 300 and 100": lambda: shift.KSWIN(window=300, recent=100),
    }
    run = {name: lambda stream, make=make: make().update_many(stream) for name, make in ours.items()}
    peers = shift_peers.monitors() if args.peers else {}
    for seed in range(args.repetitions or (10 if args.quick else 100)):
        stream = problems.error_stream(seed)
        found = {name: alarms(stream) for name, alarms in (peers or run).items()}
        for name, at in found.items():
            after = [one - 2000 for one in at if one >= 2000]
            yield "false alarm", name, any(one < 2000 for one in at)
            yield "delay", name, after[0] if after else 1000
            yield "alarms after the change", name, len(after)
            if name.startswith("river ") and (same := run.get(name.removeprefix("river "))):
                yield "the same first alarm as ours", name, same(stream)[:1] == at[:1]


def training(args):
    """Error on the target, relative to training without weights; the gate chooses τ by itself."""
    if args.peers:
        return
    diabetes = load_diabetes()
    problems_ = {
        "diabetes, ridge": lambda seed: problems.shifted_table(diabetes.data, diabetes.target, seed),
        "curve, line": problems.shifted_curve,
    }
    models = {"diabetes, ridge": Ridge(0.1), "curve, line": Ridge(1e-3)}
    for name, make in problems_.items():
        for seed in range(args.repetitions or (5 if args.quick else 30)):
            X, y, w, X_target, y_target = make(seed)
            error = lambda weights: np.mean(  # noqa: E731
                (models[name].fit(X, y, sample_weight=weights).predict(X_target) - y_target) ** 2  # noqa: B023
            )
            estimated = shift.DiscriminativeRatio(random_state=0).fit(X, X_target).predict_weights()
            plain = error(np.ones(len(X)))
            candidates = {
                "true weights": w,
                "estimated weights": estimated,
                "kerasdl default": shift.flatten_weights(estimated, estimator=models[name], X=X, y=y),
            }
            for method, weights in candidates.items():
                yield name, method, error(weights) / plain
            powers = [shift.flatten_weights(w, tau) for tau in (0, 0.25, 0.5, 0.75, 1)]
            best = min(map(error, powers))
            yield name, "oracle: best power of the true weights", best / plain


def scale(args):
    """Seconds on one thread, alternated; memory in GiB above the data."""
    if args.peers:
        return
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(1_000_000, 20)), rng.normal(size=(1_000_000, 20))
    target[:, 0] += 1
    stream = (rng.random(1_000_000) < 0.1).astype(float).tolist()
    rows, sample = rng.normal(size=(400, 64)), rng.normal(size=(200, 64))
    p = np.exp(4 * np.eye(10)[rng.integers(10, size=1_000_000)] + rng.normal(size=(1_000_000, 10)))
    p /= p.sum(axis=1, keepdims=True)

    def timed(action):
        began = time.perf_counter()
        action()
        return time.perf_counter() - began

    both, side = np.vstack([source, target]), np.repeat([0, 1], 1_000_000)
    em = shift.LabelShiftEM(random_state=0).fit(p[:5000].argmax(axis=1), p[:5000])
    for _ in range(3 if args.quick else 5):
        plain = lambda: LogisticRegression(solver="newton-cholesky").fit(both, side)  # noqa: E731
        yield "1,000,000 + 1,000,000 rows × 20", "plain logistic fit", timed(plain)
        fit = lambda: shift.DiscriminativeRatio(random_state=0).fit(source, target).predict_weights()  # noqa: E731
        yield "1,000,000 + 1,000,000 rows × 20", "kerasdl default", timed(fit)
        test = shift.MMDTest(random_state=0).fit(rows)
        yield "MMD, 400 against 200 × 64, 200 permutations", "kerasdl", timed(lambda: test.test(sample))  # noqa: B023
        yield "label shift, 1,000,000 rows × 10 classes", "kerasdl default", timed(lambda: em.estimate(p))
    for name, make in {
        "ADWIN": shift.ADWIN,
        "DDM": shift.DDM,
        "Page-Hinkley": shift.PageHinkley,
        "HDDM-A": shift.HDDM,
        "HDDM-W": lambda: shift.HDDM("W"),
    }.items():
        yield "1,000,000 updates", name, timed(lambda: make().update_many(stream))  # noqa: B023


SECTIONS = [covariate, direct, label, alarms, detect, streams, training, scale]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer repetitions")
    parser.add_argument("--peers", action="store_true", help="measure the peers that import, nothing else")
    parser.add_argument("--only", nargs="+", choices=[s.__name__ for s in SECTIONS], help="some sections")
    parser.add_argument("--repetitions", type=int, help="of each cell, instead of the section's own number")
    args = parser.parse_args()
    warnings.simplefilter(
        "ignore", ConvergenceWarning
    )  # a classifier stopped early serves as well as another
    warnings.simplefilter("ignore", shift.OverlapWarning)  # thin overlap is what some cells are about
    path = RESULTS / ("shift-quick.json" if args.quick else "shift.json")
    read = lambda: json.loads(path.read_text()) if path.exists() else {}  # noqa: E731
    for section in SECTIONS:
        if args.only and section.__name__ not in args.only:
            continue
        began, measured = time.time(), {}
        for cell, method, value in section(args):
            measured.setdefault(cell, {}).setdefault(method, []).append(float(value))
        results = read()  # now, not at the start: another environment may have written meanwhile
        for cell, methods in measured.items():
            for method, values in methods.items():
                results.setdefault(section.__name__, {}).setdefault(cell, {})[method] = {
                    "mean": np.mean(values),
                    "standard_error": np.std(values) / np.sqrt(len(values)),
                    "median": np.median(values),
                    "repetitions": len(values),
                }
        print(f"{section.__name__}: {time.time() - began:.0f} s", file=sys.stderr)
        if not args.peers:
            machine = {"python": platform.python_version(), "numpy": np.__version__}
            results.setdefault("machine", {}).update(machine)
        if section is scale and measured:
            results["machine"]["load_at_scale"] = os.getloadavg()[0]
        files.write(path, json.dumps(results, indent=1) + "\n")
    files.write(path.with_suffix(".md"), write_table(read()))


if __name__ == "__main__":
    main()
