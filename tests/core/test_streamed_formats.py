"""Formats that read what lies at a path themselves: folders, packed and huge files."""

import msgspec
import pytest

from hocket.core import load as loading
from hocket.core.domain import Format
from hocket.core.errors import InputError
from hocket.core.load import check, load


@pytest.fixture
def streamed(monkeypatch):
    """A format that claims folders with a file ``mark``, and files that begin with a byte 1."""
    seen = []

    def claims(path, head):
        seen.append((path.name, head))
        return (path / "mark").exists() if path.is_dir() else head.startswith(b"\x01")

    def stream(path):
        if path.name == "broken":
            raise ValueError("it is cut in the middle")
        base = load("shop/ta01")
        return msgspec.structs.replace(base, name="")

    one = Format(
        name="packed",
        summary="for tests",
        suffixes=(".pk",),
        sniff=lambda name, head: False,
        read=lambda text, name: load("shop/ta01"),
        claims=claims,
        stream=stream,
    )
    real = loading._formats
    monkeypatch.setattr(loading, "_formats", lambda: [one, *real()])
    return seen


def test_a_folder_is_read_by_the_format_that_claims_it(tmp_path, streamed):
    folder = tmp_path / "week-3"
    folder.mkdir()
    (folder / "mark").touch()
    assert load(folder).name == "week-3"
    assert streamed[-1] == ("week-3", b"")


def test_other_folders_are_refused_as_ever(tmp_path, streamed):
    with pytest.raises(InputError, match="this is a folder"):
        load(tmp_path)


def test_a_packed_file_larger_than_the_limit_is_left_to_its_format(tmp_path, streamed):
    file = tmp_path / "log.pk"
    file.write_bytes(b"\x01" * 10_000)
    assert load(file, limit=100).name == "log"
    assert streamed[-1] == ("log.pk", b"\x01" * 4096)


def test_what_the_format_finds_wrong_names_file_and_format(tmp_path, streamed):
    file = tmp_path / "broken"
    file.write_bytes(b"\x01")
    (problem,) = check(file)
    assert "packed" in str(problem)
    assert "cut in the middle" in str(problem)


def test_missing_files_and_text_take_the_usual_way(tmp_path, streamed):
    with pytest.raises(InputError, match="no such file"):
        load(tmp_path / "none.pk")
    file = tmp_path / "shop.jsp"
    file.write_text("1 1\n0 5\n")
    assert load(file).name == "shop"
