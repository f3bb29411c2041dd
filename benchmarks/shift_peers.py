"""How is each peer asked the same question? Only those that import here are asked."""

import contextlib

import numpy as np
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
