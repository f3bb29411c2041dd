"""The guide's example runs from the raw table to a submission that another process agrees with."""

import os
import subprocess
import sys

import pytest
from places import CHECKOUT


@pytest.mark.slow
def test_from_the_raw_table_to_a_submission(tmp_path):
    script = CHECKOUT / "examples" / "house_prices.py"
    environment = os.environ | {"PYTHONPATH": str(CHECKOUT)}
    ran = subprocess.run(
        [sys.executable, str(script), "--quick", "--out", str(tmp_path)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "settings, trained together" in ran.stdout
    assert "another process differs by 0.0" in ran.stdout
    assert (tmp_path / "submission.csv").exists()
    for name in ("kerasdl", "ridge", "MLPRegressor", "gradient boosting"):
        assert name in ran.stdout
