import hashlib
import json
import shutil
import subprocess
import sys

import pytest

from kerasdl import datasets, files
from kerasdl.datasets import catalogue as records
from kerasdl.datasets import store

REAL = {"a.txt": b"the real first file\n", "b.txt": b"the real second file\n"}
SPARE = b"a stand-in\n"
DATA = files.folder("data")  # before the fixture below puts another in its place


def record(name, content):
    return {"name": name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest(), "urls": []}


@pytest.fixture(autouse=True)
def catalogue(monkeypatch, tmp_path):
    """One data set of two files with an embedded stand-in; its entry may be changed by a test."""
    about = {"title": "Two files", "licence": "none", "page": "https://example.org"}
    real = [record(name, content) for name, content in REAL.items()]
    spare = {"about": "one line", "made": "by hand", "files": [record("spare.txt", SPARE)]}
    known = {"two_files": {**about, "files": real, "embedded": spare}}
    files.write(tmp_path / "data" / "spare.txt", SPARE)
    monkeypatch.setattr(records, "every", lambda: known)
    monkeypatch.setattr(files, "folder", lambda name: tmp_path / name)
    return known


@pytest.fixture
def user_folder(tmp_path, monkeypatch):
    folder = tmp_path / "mine"
    folder.mkdir()
    monkeypatch.setenv("KERASDL_DATA", str(folder))
    return folder


def put(folder, names=REAL):
    for name in names:
        files.write(folder / name, REAL[name])


def test_the_folder_comes_before_the_cache_and_the_cache_before_the_stand_in(user_folder):
    found = store.find("two_files")
    assert (found.source, found.is_real) == ("embedded", False)
    assert [path.read_bytes() for path in found.paths.values()] == [SPARE]
    assert "kerasdl data fetch two_files" in found.note
    assert "KERASDL_DATA" in found.note

    put(files.cache() / "two_files")
    found = store.find("two_files")
    assert (found.source, found.is_real) == ("cache", True)
    assert str(files.cache()) in found.note

    put(user_folder)
    found = store.find("two_files")
    assert (found.source, found.is_real) == ("folder", True)
    assert found.paths == {name: user_folder / name for name in REAL}
    assert str(user_folder) in found.note


def test_a_subfolder_named_as_the_data_set_will_do(user_folder):
    put(user_folder / "two_files")
    assert store.find("two_files").paths["a.txt"] == user_folder / "two_files" / "a.txt"


def test_a_folder_that_is_none_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("KERASDL_DATA", str(tmp_path / "nowhere"))
    for ask in (lambda: store.find("two_files"), lambda: store.verify("two_files"), store.status):
        with pytest.raises(NotADirectoryError, match=r"KERASDL_DATA='.*nowhere' is not a folder"):
            ask()


def test_an_incomplete_folder_names_what_is_missing(user_folder):
    put(user_folder, ["a.txt"])
    with pytest.raises(FileNotFoundError, match=r"b\.txt missing"):
        store.find("two_files")


def test_an_interrupted_download_falls_back_and_says_so():
    put(files.cache() / "two_files", ["a.txt"])
    found = store.find("two_files")
    assert found.source == "embedded"
    assert "a download stopped at 1 of 2 files" in found.note


def truncate(path):
    path.write_bytes(path.read_bytes()[:-1])


def flip(path):
    content = bytearray(path.read_bytes())
    content[3] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("place", ["folder", "cache", "embedded"])
@pytest.mark.parametrize(("harm", "message"), [(truncate, "bytes, found"), (flip, "expected SHA-256")])
def test_a_damaged_file_is_refused_wherever_it_lies(user_folder, tmp_path, place, harm, message):
    path, mend = {
        "folder": (user_folder / "b.txt", "unset KERASDL_DATA"),
        "cache": (files.cache() / "two_files" / "b.txt", "kerasdl data fetch two_files"),
        "embedded": (tmp_path / "data" / "spare.txt", "reinstall"),
    }[place]
    if place != "embedded":
        put(path.parent)
    harm(path)
    with pytest.raises(ValueError, match=message) as error:
        store.find("two_files")
    assert str(path) in str(error.value)
    assert mend in str(error.value)
    assert "\n" not in str(error.value)
    (row,) = [row for row in store.verify("two_files") if row.path == path]
    assert (row.state, row.source) == ("damaged", place)
    assert store.status()[0].state == "damaged"


def test_verify_looks_at_every_place(user_folder):
    put(user_folder)
    rows = {(row.file, row.source): row.state for row in store.verify("two_files")}
    assert rows == {
        ("a.txt", "folder"): "ok",
        ("a.txt", "cache"): "absent",
        ("b.txt", "folder"): "ok",
        ("b.txt", "cache"): "absent",
        ("spare.txt", "embedded"): "ok",
    }


def test_status_follows_the_loader(user_folder):
    (row,) = store.status()
    assert (row.name, row.source, row.state, row.bytes) == ("two_files", "embedded", "absent", 41)
    put(user_folder)
    (row,) = store.status()
    assert (row.source, row.state, row.path) == ("folder", "ok", user_folder)


def test_an_unknown_name_answers_with_the_nearest():
    for ask in (store.find, store.verify, datasets.fetch):
        with pytest.raises(ValueError, match="did you mean 'two_files'"):
            ask("two_file")


def test_the_catalogue_is_complete():
    known = json.loads((DATA / "catalogue.json").read_text(encoding="utf-8"))
    assert set(known) == {"house_prices", "time_machine", "fashion_mnist"}
    for name, entry in known.items():
        assert entry["title"], name
        assert entry["licence"], name
        assert entry["page"].startswith("https://")
        assert entry["embedded"]["about"], name
        assert entry["embedded"]["made"], name
        for file in entry["files"]:
            assert len(file["urls"]) >= 2
            assert all(url.endswith("/" + file["name"]) for url in file["urls"])
            assert len(bytes.fromhex(file["sha256"])) == 32
        readme = (DATA / "README.md").read_text(encoding="utf-8")
        for file in entry["files"] + entry["embedded"]["files"]:
            assert f"| `{file['name']}` | {file['bytes']:,} | `{file['sha256']}` |" in readme


def test_the_whole_room_needs_no_keras():
    code = """
import json, sys
from kerasdl import datasets
datasets.house_prices(), datasets.book(), datasets.images(), datasets.status()
print(json.dumps(sorted({name.split(".")[0] for name in sys.modules})))
"""
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert not {"keras", "tensorflow", "jax", "torch"} & set(json.loads(out))


def test_a_copy_of_the_real_files_is_taken_and_a_cut_one_is_not(monkeypatch, real_data, tmp_path):
    known = json.loads((DATA / "catalogue.json").read_text(encoding="utf-8"))
    monkeypatch.setattr(records, "every", lambda: known)
    for name in ("house_prices", "time_machine"):
        for file in known[name]["files"]:
            shutil.copy(real_data / file["name"], tmp_path)
    monkeypatch.setenv("KERASDL_DATA", str(tmp_path))
    assert datasets.house_prices().is_real
    assert datasets.book().is_real
    (tmp_path / "timemachine.txt").chmod(0o644)
    truncate(tmp_path / "timemachine.txt")
    with pytest.raises(ValueError, match="expected 178979 bytes, found 178978"):
        datasets.book()
