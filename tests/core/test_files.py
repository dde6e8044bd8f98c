import gzip
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hocket.core import files
from hocket.core.errors import InputError

root_reads_all = pytest.mark.skipif(os.geteuid() == 0, reason="root may read and write everything")


def message(path, **options):
    with pytest.raises(InputError) as caught:
        files.text(path, **options)
    assert str(caught.value).startswith(files.display(path))
    return str(caught.value)


def test_text_with_and_without_byte_order_mark(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xef\xbb\xbfgr\xc3\xbc\xc3\x9fe\n")
    assert files.text(path) == "grüße\n"
    path.write_bytes(b"gr\xc3\xbc\xc3\x9fe\n")
    assert files.text(str(path)) == "grüße\n"


def test_a_missing_file_suggests_its_neighbours(tmp_path):
    (tmp_path / "jobs.yaml").write_text("x")
    assert f"did you mean {tmp_path / 'jobs.yaml'}" in message(tmp_path / "jobs.yml")
    assert "did you mean" in message(tmp_path / "jobs")
    assert message(tmp_path / "quite-other.csv").endswith("no such file")


def test_a_missing_folder_is_named(tmp_path):
    assert f"there is no folder {tmp_path / 'no'}" in message(tmp_path / "no" / "jobs.yaml")


def test_a_folder(tmp_path):
    assert "this is a folder" in message(tmp_path)


@pytest.mark.parametrize("content", [b"", b" \n\t\n", b"\xef\xbb\xbf", gzip.compress(b"", mtime=0)])
def test_an_empty_file(tmp_path, content):
    path = tmp_path / "empty.yaml"
    path.write_bytes(content)
    assert message(path).endswith("the file is empty")


def test_text_that_is_not_utf8(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"fine\nand gr\xfc\xdfe\n")
    assert "byte 11 (line 2) is 0xfc; save the file as UTF-8" in message(path)
    path.write_text("jobs", encoding="utf-16")
    assert "UTF-16" in message(path)
    path.write_bytes(b"PK\0\0\0")
    assert "binary" in message(path)


def test_too_large_a_file_is_not_read(tmp_path):
    path = tmp_path / "huge.yaml"
    with path.open("wb") as file:
        file.truncate(100 * 2**20)
    found = message(path)
    assert "100 MiB" in found and "64 MiB" in found and "limit=" in found


def test_the_limit_is_exact(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"12345")
    assert files.read(path, limit=5) == b"12345"
    assert "too large: 5 bytes, above the limit of 4 bytes" in message(path, limit=4)


def test_gzip_is_unpacked_within_the_limit(tmp_path):
    path = tmp_path / "a.txt.gz"
    path.write_bytes(gzip.compress(b"hello"))
    assert files.text(path) == "hello"
    path.write_bytes(gzip.compress(b"0" * 10**6))
    assert path.stat().st_size < 2000
    assert "unpacks to more than" in message(path, limit=2000)


@pytest.mark.parametrize("cut", [3, 12, -3])
def test_damaged_gzip(tmp_path, cut):
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(b"hello" * 50)[:cut])
    assert "damaged gzip" in message(path)


@pytest.mark.parametrize("path", ["a\0b", "x" * 5000, "/dev/null/x"])
def test_paths_that_cannot_be(path):
    assert not files.exists(path)
    message(path)


def test_names_that_are_no_text_can_be_printed():
    assert files.display("a\udcff.yaml") == "a\\udcff.yaml"


@root_reads_all
def test_a_file_without_permission(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("secret")
    path.chmod(0)
    assert "no permission" in message(path)


def test_a_refused_open_is_explained(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    assert "no permission to read" in message(tmp_path / "a.txt")


def test_standard_input(monkeypatch, tmp_path):
    path = tmp_path / "in"
    path.write_bytes(b"from a pipe")
    with path.open() as stream:
        monkeypatch.setattr("sys.stdin", stream)
        assert files.text("-") == "from a pipe"
    with path.open() as stream:
        monkeypatch.setattr("sys.stdin", stream)
        assert "standard input: too large: more than the limit" in message("-", limit=3)


@pytest.mark.parametrize(
    ("path", "stem", "suffix"),
    [("a/ta41.FJS.gz", "ta41", ".fjs"), ("x.y.yaml", "x.y", ".yaml"), ("ft06", "ft06", "")],
)
def test_names(path, stem, suffix):
    assert (files.stem(path), files.suffix(path)) == (stem, suffix)


@given(st.binary(max_size=200))
def test_any_bytes_are_text_or_an_input_error(data):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x"
        path.write_bytes(data)
        try:
            found = files.text(path, limit=1000)
        except InputError:
            return
    assert found.encode() in (data, data.removeprefix(b"\xef\xbb\xbf"))
