"""The record is written behind the engine's back, and never holds it up."""

from __future__ import annotations

import errno
import logging
import time
from pathlib import Path
from typing import Any

import pytest

from hocket.core.errors import UserError
from hocket.serving.live import record
from hocket.serving.live.record import Asked, Began, Finished, read
from hocket.serving.live.vllm import recorder
from hocket.serving.live.vllm.recorder import Lines, digest

LOG = logging.getLogger("test")


def until(done: Any) -> None:
    """Wait for the thread that writes, a few seconds at most."""
    for _ in range(500):
        if done():
            return
        time.sleep(0.01)
    raise AssertionError("nothing happened")


def test_lines_reach_the_file_while_it_is_open(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    lines = Lines(path, LOG)
    lines.put(Began(seed=3))
    until(lambda: path.read_bytes().endswith(b"\n"))
    lines.put(Finished(id="a", at=5, generated=2))
    lines.close()
    assert list(read(path)) == [Began(seed=3), Finished(id="a", at=5, generated=2)]


def test_all_that_waits_is_written_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    lines = Lines(path, LOG)
    for i in range(5000):
        lines.put(Finished(id=f"r{i}", at=i, generated=1))
    lines.close()
    lines.put(Finished(id="late", at=0, generated=0))
    lines.close()
    assert [line.id for line in read(path) if isinstance(line, Finished)] == [
        f"r{i}" for i in range(5000)
    ]


def test_blocks_are_told_by_numbers(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    lines = Lines(path, LOG)
    blocks = (b"\xff" * 32, b"\x00" * 8 + b"\xff")
    lines.put(Asked(id="a", at=0, arrival=0, prompt=33), blocks)
    lines.close()
    (line,) = read(path)
    assert isinstance(line, Asked)
    assert line.prefix == (2**63 - 1, 0) == tuple(map(digest, blocks))


def test_a_full_disk_ends_the_record_and_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(self: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(record.Writer, "flush", full)
    lines = Lines(tmp_path / "run.jsonl", LOG)
    with caplog.at_level(logging.ERROR):
        lines.put(Began())
        until(lambda: caplog.records)
        for i in range(100):
            lines.put(Finished(id=f"r{i}", at=0, generated=0))
        lines.close()
    assert len(caplog.records) == 1
    assert "No space left on device" in caplog.text
    assert "the engine goes on" in caplog.text


def test_a_disk_that_hangs_does_not_fill_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import threading

    hangs = threading.Event()

    def hang(self: Any, line: Any) -> None:
        hangs.wait(10)

    monkeypatch.setattr(record.Writer, "write", hang)
    monkeypatch.setattr(recorder, "MOST_BEHIND", 50)
    lines = Lines(tmp_path / "run.jsonl", LOG)
    with caplog.at_level(logging.ERROR):
        for i in range(500):
            lines.put(Finished(id=f"r{i}", at=0, generated=0))
    assert lines._waiting.qsize() <= 50
    assert len(caplog.records) == 1
    assert "does not keep up" in caplog.text
    hangs.set()
    lines.close()


def test_a_record_that_cannot_begin_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError):
        Lines(tmp_path / "no" / "folder.jsonl", LOG)


def test_a_line_that_cannot_be_written_ends_the_record(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lines = Lines(tmp_path / "run.jsonl", LOG)
    with caplog.at_level(logging.ERROR):
        lines.put(Asked(id="a", at=0, arrival=0, prompt=1, tenant="\ud800"))
        until(lambda: caplog.records)
        lines.close()
    assert "the engine goes on" in caplog.text
