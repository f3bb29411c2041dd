"""How is each peer asked the same question? Only those that import here are asked."""

import contextlib

import numpy as np
import pandas as pd
from scipy.stats import false_discovery_control
from sklearn.base import BaseEstimator


def ratios():
    """Return ``{name: function(source, target) → weights}`` of the covariate-shift peers found."""
    found = {}
    with contextlib.suppress(ImportError):  # an optional peer
        from adapt.instance_based import KLIEP, ULSIF

        gammas = [0.01, 0.03, 0.1, 0.3, 1.0, 3.0]

        def fit(make):
            how = {"kernel": "rbf", "gamma": gammas, "random_state": 0, "verbose": 0}
            return lambda source, target: make(Xt=target, **how).fit_weights(source, target)

        found |= {"adapt KLIEP (CV)": fit(KLIEP), "adapt uLSIF (CV)": fit(ULSIF)}
    with contextlib.suppress(ImportError):  # an optional peer
        from densratio import densratio

        ratio = lambda s, t: densratio(t, s, verbose=False).compute_density_ratio(s)  # noqa: E731
        found["densratio uLSIF"] = lambda s, t: np.asarray(ratio(s, t))
    with contextlib.suppress(ImportError):  # an optional peer
        from skada import GaussianReweightAdapter

        def gaussian(source, target):
            adapter = GaussianReweightAdapter()
            domain = np.r_[np.ones(len(source)), -2 * np.ones(len(target))]
            parameters = adapter.fit_transform(np.vstack([source, target]), sample_domain=domain)[-1]
            return parameters["sample_weight"][: len(source)]

        found["skada Gaussian"] = gaussian
    return found


class _Said(BaseEstimator):
    """A "classifier" whose inputs are the probabilities themselves."""

    def __init__(self, classes=10):
        self.classes = classes

    def __sklearn_is_fitted__(self):
        return True

    @property
    def classes_(self):
        return np.arange(self.classes)

    def fit(self, X, y):
        return self

    def predict_proba(self, X):
        return X

    def predict(self, X):
        return X.argmax(axis=1)


def quantifiers(p_val, y_val):
    """Return ``{name: function(p_target) → prior}`` of QuaPy's methods, fitted on the validation rows."""
    try:
        from quapy.method._kdey import KDEyCS
        from quapy.method.aggregative import EMQ, BBSEsoft
    except ImportError:  # an optional peer
        return {}
    how = {"fit_classifier": False, "val_split": (p_val, y_val)}
    methods = {
        "QuaPy EMQ_BCTS": EMQ.EMQ_BCTS(_Said(), **how),
        "QuaPy KDEyCS": KDEyCS(_Said(), **how),
        "QuaPy BBSE-soft": BBSEsoft(_Said(), **how),
    }
    return {name: method.fit(p_val, y_val).predict for name, method in methods.items()}


def monitors():
    """Return ``{name: function(stream) → positions of alarms}`` of river's drift detectors."""
    try:
        from river import drift
    except ImportError:  # an optional peer
        return {}
    makers = {
        "river ADWIN": drift.ADWIN,
        "river HDDM-A": drift.binary.HDDMA,
        "river HDDM-W": drift.binary.HDDMW,
        "river Page-Hinkley": lambda: drift.PageHinkley(mode="up"),
        "river DDM": drift.binary.DDM,
        "river EDDM": drift.binary.EDDM,
        "river KSWIN": lambda: drift.KSWIN(seed=0),
    }

    def alarms(make):
        def run(stream):
            detector, found = make(), []
            for position, x in enumerate(stream):
                detector.update(x)
                if detector.drift_detected:
                    found.append(position)
            return found

        return run

    return {name: alarms(make) for name, make in makers.items()}


def detectors():
    """Return ``{name: function(reference, sample) → whether it finds a shift at .05}`` for arrays."""
    try:
        from alibi_detect.cd import LSDDDrift, MMDDrift
    except ImportError:  # an optional peer
        return {}

    def says(make):
        def run(reference, sample):
            detector = make(reference.astype("float32"), backend="pytorch", p_val=0.05, n_permutations=200)
            return bool(detector.predict(sample.astype("float32"))["data"]["is_drift"])

        return run

    return {"alibi-detect MMD": says(MMDDrift), "alibi-detect LSDD": says(LSDDDrift)}


def _codes(reference, sample):
    """Return numbers for a table of any columns, and how many values each category has."""
    both = pd.concat([reference, sample], ignore_index=True)
    codes, categories = np.empty(both.shape), {}
    for k, (_, column) in enumerate(both.items()):
        if pd.api.types.is_numeric_dtype(column):
            codes[:, k] = column.fillna(column.min() - 1)
        else:
            codes[:, k], values = pd.factorize(column, use_na_sentinel=False)
            categories[k] = len(values)
    return codes.astype("float32"), categories


def tables():
    """Return ``{name: function(reference, sample) → (verdict, columns, None)}`` for raw tables."""
    found = {}
    with contextlib.suppress(ImportError):  # an optional peer
        from evidently import DataDefinition, Dataset, Report
        from evidently.presets import DataDriftPreset

        def by_evidently(reference, sample):
            # It refuses a column that is empty in one table, and fails on strings that it takes for prose.
            kept = [
                name for name in reference if reference[name].notna().any() and sample[name].notna().any()
            ]
            reference, sample = reference[kept], sample[kept]
            numbers = list(reference.select_dtypes("number"))
            kinds = {
                "numerical_columns": numbers,
                "categorical_columns": list(reference.columns.drop(numbers)),
            }
            data = [Dataset.from_pandas(one, DataDefinition(**kinds)) for one in (sample, reference)]
            whole, *columns = Report([DataDriftPreset()]).run(*data).dict()["metrics"]
            called = [one["config"]["column"] for one in columns if one["value"] < one["config"]["threshold"]]
            return whole["value"]["share"] >= whole["config"]["drift_share"], called, None

        found["evidently DataDriftPreset"] = by_evidently
    with contextlib.suppress(ImportError):  # an optional peer
        from alibi_detect.cd import TabularDrift

        def by_alibi(reference, sample):
            codes, categories = _codes(reference, sample)
            n = len(reference)
            how = {"p_val": 0.05, "categories_per_feature": categories, "correction": "fdr"}
            detector = TabularDrift(codes[:n], **how)
            verdict = detector.predict(codes[n:], drift_type="batch")["data"]["is_drift"]
            p = detector.predict(codes[n:], drift_type="feature")["data"]["p_val"]
            names = np.array(reference.columns)
            return verdict, names[false_discovery_control(p) <= 0.05].tolist(), None

        found["alibi-detect TabularDrift, FDR"] = by_alibi
    with contextlib.suppress(ImportError):  # an optional peer
        import nannyml

        def by_nannyml(reference, sample):
            how = {"feature_column_names": list(reference.columns), "chunk_number": 1}
            told = nannyml.DomainClassifierCalculator(**how).fit(reference).calculate(sample)
            told = told.filter(period="analysis").to_df()
            return bool(told[("domain_classifier_auroc", "alert")].any()), None, None

        found["NannyML domain classifier"] = by_nannyml
    return found
