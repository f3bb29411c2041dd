"""Full runs of every chapter: minutes each, so they wait for ``tox -e slow``."""

import pytest

from kerasdl import backends
from kerasdl.course import cli, results, syllabus


@pytest.mark.slow
@pytest.mark.parametrize("data", ["embedded", "real"])
@pytest.mark.parametrize("name", [script.name for script in syllabus.scripts()])
def test_a_full_run_stays_inside_its_bands(name, data, tmp_path, request):
    if data == "real":
        request.getfixturevalue("real_data")
    assert cli.main(["run", name, "--out", str(tmp_path)]) == 0
    found = results.load(tmp_path / backends.choose().name / name / results.FILE)
    assert found.checks
    assert not found.outside


@pytest.mark.slow
def test_house_prices_reach_the_published_figure(real_data, tmp_path):
    # Zhang et al., d2l 0.17: 0.1709, the mean over five contiguous folds.
    cli.main(["run", "model_selection", "--out", str(tmp_path)])
    found = results.load(tmp_path / backends.choose().name / "model_selection" / results.FILE)
    measured = next(c.measured for c in found.checks if c.name == "linear: mean validation log-RMSE")
    assert measured == pytest.approx(0.171, abs=0.005)
