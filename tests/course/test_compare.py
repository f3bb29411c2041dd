"""Which results agree, and what may not pass for agreement: what is missing, failed, empty or there twice."""

import pytest

from kerasdl.course import cli, compare, results


def stored(folder, backend, chapter="tiny", measured=(0.5,), place="", says=None, **changes):
    result = results.Result(chapter, says or backend, False, {"epochs": 3})
    result.checks = [results.Trained(f"check {n}", value, (0, 1), 0.1) for n, value in enumerate(measured)]
    for aspect, value in changes.items():
        setattr(result, aspect, value)
    result.save(folder / place / backend / chapter)


def code(folder):
    return cli.main(["compare", str(folder)])


def test_equal_runs_agree(tmp_path):
    for backend in ("jax", "torch"):
        stored(tmp_path, backend)
        stored(tmp_path, backend, place="fast", fast=True, measured=[0.7])
    assert code(tmp_path) == 0


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (lambda out: stored(out, "jax", "other"), "other: missing on torch"),
        (lambda out: stored(out, "torch", measured=()), "it found nothing on torch"),
        (lambda out: stored(out, "moved", says="torch"), "there are 2 results that say torch"),
        (
            lambda out: stored(out, "moved", says="torch", measured=[0.9]),
            "there are 2 results that say torch",
        ),
        (lambda out: (out / "failed" / "torch" / "tiny").mkdir(parents=True), "its last run on torch failed"),
        (lambda out: (out / "failed" / "jax" / "other").mkdir(parents=True), "other failed on jax"),
    ],
)
def test_what_is_no_agreement_fails(tmp_path, capsys, fault, words):
    for backend in ("jax", "torch"):
        stored(tmp_path, backend)
    fault(tmp_path)
    assert code(tmp_path) == 1
    assert words in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(("on_gpu", "expected"), [(0.55, 0), (0.7, 1)])
def test_two_folders_stand_side_by_side(tmp_path, capsys, on_gpu, expected):
    stored(tmp_path / "cpu", "jax", measured=[0.5])
    stored(tmp_path / "gpu", "jax", measured=[on_gpu])
    assert cli.main(["compare", str(tmp_path / "cpu"), str(tmp_path / "gpu")]) == expected
    said = " ".join(capsys.readouterr().out.split())
    assert "jax, cpu jax, gpu" in said
    (tmp_path / "gpu" / "failed" / "jax" / "tiny").mkdir(parents=True)
    assert cli.main(["compare", str(tmp_path / "cpu"), str(tmp_path / "gpu")]) == 1
    assert "its last run on jax, gpu failed" in " ".join(capsys.readouterr().out.split())


def test_full_and_fast_runs_are_compared_each_for_themselves(tmp_path, capsys):
    for backend, measured in (("jax", 0.5), ("torch", 0.55)):
        stored(tmp_path, backend, measured=[measured])
    stored(tmp_path, "jax", place="fast", fast=True, measured=[0.9])
    assert code(tmp_path) == 0
    said = capsys.readouterr().out
    assert said.index("full runs") < said.index("fast runs") < said.index("Only jax has fast runs here")


def test_a_table_is_as_wide_as_a_page_and_loses_no_letter(tmp_path, capsys):
    name = "a name that " + "goes on and " * 20 + "ends"
    for backend in ("jax", "tensorflow", "torch"):
        result = results.Result("tiny", backend, False, {})
        result.checks = [results.Exact(name, 0.123456789, 0, 1, 0.1), results.Exact("z" * 200, 1, 1, 0, 0)]
        result.save(tmp_path / backend / "tiny")
    assert code(tmp_path) == 0
    lines = capsys.readouterr().out.splitlines()
    row = next(line for line in lines if "a name that" in line)
    assert row.split()[-5:] == ["0.123457", "0.123457", "0.123457", "0", "0.1"]
    letters = "".join(lines).replace(" ", "")
    assert (letters.count("goes"), letters.count("z")) == (20, 200)
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("order", [(), ("b", "a")])
def test_chapters_stand_in_the_order_given_and_others_behind(tmp_path, capsys, order):
    for chapter in "cab":
        stored(tmp_path, "jax", chapter)
    compare.compare(results.load_all(tmp_path), order)
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert [line for line in lines if line in {*"abc"}] == (list(order) or ["a", "b"]) + ["c"]
