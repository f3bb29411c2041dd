import gzip
import hashlib
import pydoc_data.topics
import struct

import numpy as np
import pytest

from kerasdl.datasets import book, catalogue, images
from kerasdl.datasets.images import read_idx


def write_idx(path, values, stated=None, type_code=8):
    values = np.asarray(values, np.uint8)
    shape = stated or values.shape
    header = struct.pack(f">BBBB{len(shape)}I", 0, 0, type_code, len(shape), *shape)
    path.write_bytes(gzip.compress(header + values.tobytes()))
    return path


def test_the_stand_in_text_is_all_of_pythons_topics():
    text = book()
    assert not text.is_real
    topics = pydoc_data.topics.topics
    assert len(text.text) == sum(map(len, topics.values())) + len(topics) - 1
    assert text.text.startswith(topics[min(topics)])
    assert f"{len(text.text):,} characters" in text.note
    assert "kerasdl data fetch time_machine" in text.note


def test_the_real_book_is_the_time_machine(real_data):
    text = book()
    assert text.is_real
    assert len(text.text) == 178_979
    assert "The Time Traveller (for so it will be convenient to speak of him)" in text.text


def test_the_digits_keep_each_class_in_its_share():
    digits = images()
    assert not digits.is_real
    assert digits.x_train.shape == (1437, 8, 8, 1)
    assert digits.x_test.shape == (360, 8, 8, 1)
    for x, y in ((digits.x_train, digits.y_train), (digits.x_test, digits.y_test)):
        assert x.dtype == np.float32
        assert (x.min(), x.max()) == (0, 1)
        assert y.dtype == np.int64
    counts = np.bincount(digits.y_train), np.bincount(digits.y_test)
    np.testing.assert_allclose(counts[1] / (counts[0] + counts[1]), 360 / 1797, atol=0.005)
    np.testing.assert_array_equal(digits.x_train, images().x_train)


def test_idx_files_are_read_in_their_order(tmp_path):
    values = np.arange(2 * 3 * 4).reshape(2, 3, 4)
    np.testing.assert_array_equal(read_idx(write_idx(tmp_path / "x.gz", values), 3), values)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: write_idx(path, np.zeros((2, 3))), "expected 00 00 08 03"),
        (lambda path: write_idx(path, np.zeros((2, 3, 4)), type_code=9), "opens with 00 00 09 03"),
        (lambda path: write_idx(path, np.zeros((2, 3, 4)), stated=(3, 3, 4)), "holds 24 values"),
        (lambda path: write_idx(path, np.zeros((2, 3, 4)), stated=(2, 3, 3)), "holds 24 values"),
        (lambda path: path.write_bytes(gzip.compress(b"")), "opens with nothing"),
        (lambda path: path.write_bytes(gzip.compress(bytes((0, 0, 8, 3, 0)))), "expected 00 00 08 03"),
    ],
)
def test_another_file_is_no_idx_file(tmp_path, spoil, message):
    spoil(tmp_path / "x.gz")
    with pytest.raises(ValueError, match=message):
        read_idx(tmp_path / "x.gz", 3)


@pytest.fixture
def fashion(tmp_path, monkeypatch):
    """fashion(...) writes four small idx files and a catalogue that knows them."""

    def install(train, train_labels, test, test_labels):
        parts = {
            "train-images": train,
            "train-labels": train_labels,
            "t10k-images": test,
            "t10k-labels": test_labels,
        }
        records = []
        for name, values in parts.items():
            content = write_idx(tmp_path / f"{name}.gz", values).read_bytes()
            digest = hashlib.sha256(content).hexdigest()
            records.append({"name": f"{name}.gz", "bytes": len(content), "sha256": digest, "urls": []})
        known = {"title": "Small clothes", "files": records, "embedded": {"about": "", "files": []}}
        monkeypatch.setattr(catalogue, "every", lambda: {"fashion_mnist": known})
        monkeypatch.setenv("KERASDL_DATA", str(tmp_path))

    return install


def test_clothes_become_floats_from_0_to_1(fashion):
    train = np.random.default_rng(0).integers(0, 256, (3, 28, 28))
    fashion(train, [9, 0, 3], np.full((2, 28, 28), 255), [1, 2])
    clothes = images()
    assert clothes.is_real
    assert clothes.x_train.dtype == np.float32
    np.testing.assert_allclose(clothes.x_train, train[..., None] / 255, rtol=1e-7)
    np.testing.assert_array_equal(clothes.x_test, np.ones((2, 28, 28, 1)))
    np.testing.assert_array_equal(clothes.y_train, [9, 0, 3])
    assert clothes.y_train.dtype == np.int64
    assert clothes.class_names[9] == "Ankle boot"


def test_pictures_and_labels_must_belong_together(fashion):
    pictures = np.zeros((2, 28, 28))
    fashion(pictures, [1, 2, 3], pictures, [1, 2])
    with pytest.raises(ValueError, match=r"2 pictures.* 3 labels"):
        images()
    fashion(pictures, [1, 10], pictures, [1, 2])
    with pytest.raises(ValueError, match="label 10"):
        images()
