import os

import pytest

from kerasdl import files


def test_write_replaces_the_whole_file(tmp_path):
    path = tmp_path / "deep" / "a.txt"
    files.write(path, "one\n")
    files.write(path, b"two\n")
    assert path.read_bytes() == b"two\n"
    assert os.listdir(path.parent) == ["a.txt"]


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, OSError])
def test_an_interrupted_write_leaves_the_old_file_and_no_litter(tmp_path, monkeypatch, interruption):
    path = files.write(tmp_path / "a.txt", "old")

    def interrupt(*_):
        raise interruption

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(interruption):
        files.write(path, "new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX's")
@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_a_file_may_be_read_by_whom_the_umask_lets(tmp_path, mask):
    before = os.umask(mask)
    try:
        assert files.write(tmp_path / "a", "").stat().st_mode & 0o777 == 0o666 & ~mask
    finally:
        os.umask(before)


def test_a_folder_is_held_once_and_let_go(tmp_path):
    held = files.hold(tmp_path)
    with pytest.raises(RuntimeError, match="in use by another run"):
        files.hold(tmp_path)
    files.let_go(held)
    files.let_go(files.hold(tmp_path))


def test_sha256_of_the_empty_file(tmp_path):
    # FIPS 180-4's digest of the empty message.
    empty = files.write(tmp_path / "empty", b"")
    assert files.sha256(empty) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_folders_are_found_and_a_missing_one_says_so():
    assert files.folder("tutorials").is_dir()
    assert files.folder("data").is_dir()
    with pytest.raises(FileNotFoundError, match="reinstall"):
        files.folder("nowhere")


def test_a_checkout_is_installed_from_where_it_lies_and_a_wheel_by_name(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_PACKAGE", tmp_path / "kerasdl")
    assert files.pip_install("jax") == "pip install 'kerasdl[jax]'"
    files.write(tmp_path / "pyproject.toml", "")
    assert files.pip_install("jax") == f"pip install '{tmp_path}[jax]'"
    monkeypatch.chdir(tmp_path)
    assert files.pip_install("jax") == "pip install '.[jax]'"
