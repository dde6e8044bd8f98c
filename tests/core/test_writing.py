"""Files are written entirely or not at all, and failures say what to do."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from hocket.core.errors import UserError
from hocket.core.writing import write_atomically, write_bytes, write_text


def test_replaces_what_was_there_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.html"
    write_bytes(path, b"old")
    assert write_bytes(path, b"new") == path
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_in_the_middle_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.html"
    write_bytes(path, b"old")

    def fail(part: Path) -> None:
        part.write_bytes(b"half")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_atomically(path, fail)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_missing_folder_says_to_create_it(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot write .*no/a\.html: the folder .* create it"):
        write_bytes(tmp_path / "no" / "a.html", b"")


def test_file_in_place_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="is a file, not a folder"):
        write_bytes(tmp_path / "file" / "a.html", b"")


def test_folder_in_place_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.html").mkdir()
    with pytest.raises(UserError, match="it is a folder; name a file in it"):
        write_bytes(tmp_path / "a.html", b"")
    assert [path.name for path in tmp_path.iterdir()] == ["a.html"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_read_only_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(UserError, match=r"no permission .* choose another folder"):
        write_bytes(tmp_path / "a.html", b"")
    tmp_path.chmod(0o700)


def test_refused_permission_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(source: object, target: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(UserError, match=r"no permission .* choose another folder"):
        write_bytes(tmp_path / "a.html", b"x")
    assert list(tmp_path.iterdir()) == []


def test_permissions_stay_and_new_files_get_ordinary_ones(tmp_path: Path) -> None:
    path, other = tmp_path / "a.txt", tmp_path / "b.txt"
    other.touch()
    write_text(path, "x")
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(other.stat().st_mode)
    path.chmod(0o640)
    write_text(path, "zweit ü")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert path.read_bytes() == "zweit ü".encode()


def test_text_that_is_no_unicode(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no valid Unicode"):
        write_text(tmp_path / "a.txt", "\ud800")
    assert list(tmp_path.iterdir()) == []
