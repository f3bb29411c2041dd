"""What is stored: read back as it was written, refused in a line where it is anything else."""

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasdl.course import results


def example(**changes):
    found = results.Result("tiny", "jax", False, {"epochs": 3, "sizes": (1, 2), "cell": "gru"}, ["epochs"])
    found.checks = [
        results.Exact("sum", math.inf, 1.0, 0.5, 0.25, "by hand"),
        results.Trained("error", math.nan, (0.0, math.inf), 0.1, None, "us", True, 0.5),
    ]
    for name, value in changes.items():
        setattr(found, name, value)
    return found


def test_a_result_reads_back_as_it_was_written(tmp_path):
    found = example(data={"Book": "cache"}, versions={"keras": "3"}, figures={"a": "b"}, full_seconds=1.5)
    found.save(tmp_path)
    read = results.load(tmp_path / results.FILE)
    assert read.settings == {"epochs": 3, "sizes": [1, 2], "cell": "gru"}
    read.settings = found.settings
    assert repr(read) == repr(found)  # NaN is not equal to itself


def test_names_hold_no_commands_to_a_terminal(tmp_path):
    found = example(chapter="red\x1b[31m", changed=["a\x9b2J"], settings={"a\x9b2J": "\x1b]0;title\x07"})
    found.checks = [results.Exact("up\x1b[A\nand \u202eback", 1, 1, 0, 0, "\ud800\r")]
    found.save(tmp_path)
    read = results.load(tmp_path / results.FILE)
    said = [read.chapter, *read.changed, *read.settings, read.checks[0].name, read.checks[0].source]
    assert all(text.isprintable() for text in said), said
    assert all(text.encode("utf-8") for text in said)


RECORD = json.loads(
    json.dumps(results._to_json(vars(example()) | {"checks": [vars(c) for c in example().checks]}))
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.sampled_from([*RECORD]), inner)
    ),
    max_leaves=10,
)


def places(record):
    """The way to each value inside a record."""
    yield ()
    items = (
        record.items() if isinstance(record, dict) else enumerate(record) if isinstance(record, list) else ()
    )
    for key, value in items:
        yield from ((key, *rest) for rest in places(value))


def judge(folder, content):
    """Read a file of this content: a result that can be shown, or one line that names it."""
    path = folder / results.FILE
    path.write_bytes(content)
    try:
        found = results.load(path)
    except ValueError as error:
        said = f"{error}"
    else:
        assert f"{found.settings}{found.broken}{found.kind}"
        return True
    assert said.startswith(f"{path} is not a result of this version")
    assert said.isprintable()
    return False


def put(record, way, value):
    if not way:
        return value
    copy = record.copy()
    copy[way[0]] = put(record[way[0]], way[1:], value)
    return copy


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzzed")


@given(JSON)
@settings(max_examples=100)
def test_foreign_json_is_answered_in_a_line(folder, value):
    assert not judge(folder, json.dumps(value).encode("utf-8", "surrogatepass"))


@given(st.sampled_from(list(places(RECORD))), JSON)
@settings(max_examples=200)
def test_a_result_with_one_foreign_value_is_read_or_answered_in_a_line(folder, way, value):
    judge(folder, json.dumps(put(RECORD, way, value)).encode("utf-8", "surrogatepass"))


@given(st.data())
@settings(max_examples=100)
def test_damaged_bytes_are_read_or_answered_in_a_line(folder, data):
    content = bytearray(json.dumps(RECORD).encode())
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=5)):
        content[place] = data.draw(st.integers(0, 255))
    judge(folder, bytes(content[: data.draw(st.integers(0, len(content)))]))


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"a":' * 50_000, "1" * 10_000, '{"seconds": 1e999}', "", "null"]
)
def test_deep_and_huge_json_is_answered_in_a_line(tmp_path, text):
    assert not judge(tmp_path, text.encode())


def test_the_record_itself_is_read(folder):
    assert judge(folder, json.dumps(RECORD).encode())
