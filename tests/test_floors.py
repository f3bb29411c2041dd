"""The lowest versions that `tox -e floor-…` installs are those that pyproject.toml promises."""

import re
import tomllib

from places import CHECKOUT


def test_the_floors_that_are_tested_are_those_that_are_declared():
    declared = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))
    project = declared["project"]
    needed = [*project["dependencies"], *declared["dependency-groups"]["test"]]
    needed += [one for extra in project["optional-dependencies"].values() for one in extra]
    pinned = {re.sub(r"\[.*\]", "", one).replace(">=", "==") for one in needed}
    lines = (CHECKOUT / "constraints-floor.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not line.startswith("#")] == sorted(pinned)
