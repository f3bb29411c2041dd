"""Has every entry of :data:`kerasdl.borrowed.ENTRIES` a test of its name, and does it say all it should?"""

import re
from pathlib import Path

from kerasdl import borrowed


def test_every_entry_has_a_test_of_its_name_and_says_all_it_should():
    room = "\n".join(path.read_text("utf-8") for path in sorted(Path(__file__).parent.glob("test_*.py")))
    assert sorted(re.findall(r"^def test_still_(\w+)\(", room, re.MULTILINE)) == sorted(borrowed.ENTRIES)
    for entry in borrowed.ENTRIES.values():
        assert all(entry)
        assert entry.upstream == borrowed.UNREPORTED or entry.upstream.startswith("https://github.com/")
