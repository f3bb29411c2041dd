"""From the raw house-price table to a submission: 79 mixed columns, text and gaps, and a file to hand in.

    KERAS_BACKEND=torch python examples/house_prices.py --out results    # --quick: a few epochs, two settings

Rows go in as ``kerasdl.datasets`` reads them: the real table where ``KERASDL_DATA`` names its folder, else
the embedded one. Out come a table of models on the same five folds, the chosen model as a file that another
process loads, and the submission. docs/scikit-learn.md tells it step by step.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

import joblib
import keras
import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, clone
from sklearn.compose import TransformedTargetRegressor, make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from kerasdl import datasets, models
from kerasdl.estimators import KerasRegressor
from kerasdl.selection import cross_validate, grid_search, log_rmse

FOLDS = KFold(5)
BATCH = 64


def priced(regressor: BaseEstimator, dense: bool = False) -> BaseEstimator:
    """Return an estimator that takes the raw table to dollars, everything learned inside it."""
    numbers = make_pipeline(
        FunctionTransformer(np.log1p, feature_names_out="one-to-one"),
        StandardScaler(),
        SimpleImputer(strategy="constant", fill_value=0.0),
    )
    words = OneHotEncoder(handle_unknown="ignore", sparse_output=not dense)
    columns = make_column_transformer(
        (numbers, make_column_selector(dtype_include="number")),
        (words, make_column_selector(dtype_exclude="number")),
    )
    log = make_pipeline(FunctionTransformer(np.log, np.exp), StandardScaler())
    return TransformedTargetRegressor(make_pipeline(columns, regressor), transformer=log)


def network(rows: int, epochs: int) -> KerasRegressor:
    """Return a perceptron whose rate falls to 0 over its epochs of so many rows."""
    steps = epochs * -(-rows // BATCH)
    return KerasRegressor(
        models.mlp,
        epochs=epochs,
        batch_size=BATCH,
        report_every=epochs,
        optimizer=keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.01, steps)),
        loss=keras.losses.Huber(0.3),
        random_state=0,
        build__activation="tanh",
    )


def peers() -> dict[str, BaseEstimator]:
    """Return scikit-learn's own for the same task."""
    return {
        "ridge": Ridge(20.0),
        "MLPRegressor": MLPRegressor(
            hidden_layer_sizes=(128,),
            activation="tanh",
            alpha=3.0,
            max_iter=60,
            batch_size=BATCH,
            learning_rate_init=0.005,
            random_state=0,
        ),
        "gradient boosting": HistGradientBoostingRegressor(random_state=0),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a few epochs of two settings")
    parser.add_argument("--out", type=Path, default=Path("results"), help="folder for model and submission")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    houses = datasets.house_prices()
    # The building class is a number in the table and a word in meaning.
    table, unseen = (one.astype({"MSSubClass": "str"}) for one in (houses.features, houses.test_features))

    epochs = 4 if args.quick else 60
    training_rows = len(table) * 4 // 5
    name = "regressor__kerasregressor__build__"
    grid = {f"{name}hidden": [(64,), (128,)], f"{name}l2": [2e-3] if args.quick else [1e-3, 2e-3, 4e-3]}
    started = time.perf_counter()
    found = grid_search(
        priced(network(training_rows, epochs)),
        table,
        houses.prices,
        grid,
        FOLDS,
        scoring=log_rmse,
        lower_is_better=True,
    )
    seconds = time.perf_counter() - started
    print(found)

    best = found.table.loc[found.table["rank"].idxmin()]
    rows = [("kerasdl, of the grid", best.train, best.valid, best.worst, seconds)]
    for peer, estimator in peers().items():
        started = time.perf_counter()
        scores = cross_validate(
            priced(estimator, dense=True), table, houses.prices, cv=FOLDS, scoring=log_rmse
        ).scores
        elapsed = time.perf_counter() - started
        rows.append((peer, scores.train.mean(), scores.valid.mean(), scores.valid.max(), elapsed))
    columns = ["model", "train", "valid", "worst fold", "seconds"]
    print(pd.DataFrame(rows, columns=columns).round(4).to_string(index=False))

    final = clone(found.best)
    schedule = keras.optimizers.schedules.CosineDecay(0.01, epochs * -(-len(table) // BATCH))
    final.set_params(regressor__kerasregressor__optimizer=keras.optimizers.Adam(schedule))
    final.fit(table, houses.prices)
    prices = final.predict(unseen)
    joblib.dump(final, args.out / "model.joblib")
    np.save(args.out / "prices.npy", prices)
    unseen.to_pickle(args.out / "unseen.pickle")
    datasets.write_submission(args.out / "submission.csv", houses.test_ids, prices)
    datasets.check_submission(args.out / "submission.csv", houses.test_ids)

    again = (
        "import sys, joblib, numpy as np, pandas as pd; from pathlib import Path; out = Path(sys.argv[1]);"
        "prices = joblib.load(out / 'model.joblib').predict(pd.read_pickle(out / 'unseen.pickle'));"
        "print('another process differs by', np.abs(prices - np.load(out / 'prices.npy')).max())"
    )
    subprocess.run([sys.executable, "-c", again, str(args.out)], check=True)
    print(f"submission: {args.out / 'submission.csv'}")


if __name__ == "__main__":
    main()
