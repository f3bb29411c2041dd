"""What does an import load? Nothing heavy where the README promises so."""

import subprocess
import sys

import pytest

import kerasdl

BACKENDS = {"tensorflow", "jax", "torch"}


@pytest.mark.parametrize(
    "code",
    [
        "import kerasdl",
        "import kerasdl; kerasdl.set_seed(0)",
        "from kerasdl.course.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass",
        "from kerasdl.course.cli import main; main(['list'])",
        "import kerasdl.datasets; kerasdl.datasets.house_prices()",
        "import kerasdl.scratch",
        "import kerasdl.course.report, kerasdl.course.results, kerasdl.course.page",
        "from kerasdl.course.cli import main; main(['answers', '4'])",
        "from kerasdl.course.cli import main; main(['data'])",
    ],
)
def test_what_needs_no_backend_loads_none(code):
    check = f"import sys\n{code}\nassert not {{'keras', *{BACKENDS}}} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", check], check=True, capture_output=True)


def test_help_and_list_load_no_heavy_library():
    check = (
        "import sys\nfrom kerasdl.course.cli import main\nmain(['list'])\n"
        "assert not {'numpy', 'pandas', 'rich', 'sklearn', 'matplotlib', 'nicegui', 'uvicorn'} & "
        "sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", check], check=True, capture_output=True)


def test_an_unknown_name_of_the_package_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = kerasdl.nothing
