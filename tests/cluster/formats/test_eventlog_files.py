"""Event logs as files: packed, rolled, in folders, cut off, damaged, huge, hostile."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hocket.cluster.formats import eventlog_bytes
from hocket.cluster.formats.eventlog import read, stream
from hocket.cluster.formats.eventlog_bytes import lines
from hocket.cluster.formats.eventlog_files import claims
from hocket.cluster.model.analytics import Analytics
from hocket.core.errors import InputError
from hocket.core.load import load
from tests.cluster.formats.eventlogs import (
    EPOCH,
    Log,
    lz4_blocks,
    rolled,
    snappy_blocks,
    zstd_frames,
)
from tests.cluster.formats.test_eventlog import simple, without_remarks

SIMPLE = simple()
WANTED = without_remarks(read(SIMPLE.text))


def long_log(jobs: int = 400) -> Log:
    """A log of some hundred KiB, that many blocks are needed for."""
    log = Log()
    for number in range(jobs):
        log.job(number, 10 * number, [(number, 1, [])], user_name=f"u{number % 5}")
        log.stage(number, 10 * number + 1, 1)
        log.task(number, 0, 10 * number + 1, 7)
        log.stage_done(number, 10 * number + 8)
        log.job_done(number, 10 * number + 9)
    log.end()
    return log


PACK: dict[str, Callable[[bytes], bytes]] = {
    "app.zstd": zstd_frames,
    "app.lz4": lz4_blocks,
    "app.snappy": snappy_blocks,
}


def same(found: object) -> bool:
    assert isinstance(found, Analytics)
    return without_remarks(found) == WANTED


# Packed


def test_a_plain_log_and_one_in_gzip_load_by_their_content(tmp_path: Path) -> None:
    plain = tmp_path / "local-17"
    plain.write_text(SIMPLE.text)
    (tmp_path / "log.gz").write_bytes(gzip.compress(SIMPLE.text.encode()))
    assert same(load(plain)) and same(load(tmp_path / "log.gz"))
    halves = SIMPLE.text[:700], SIMPLE.text[700:]
    (tmp_path / "log.gz").write_bytes(b"".join(gzip.compress(half.encode()) for half in halves))
    assert same(load(tmp_path / "log.gz"))
    (tmp_path / "x.inprogress").write_text(SIMPLE.text)
    assert same(load(str(tmp_path / "x.inprogress")))


@pytest.mark.parametrize("name", PACK)
def test_packed_logs_load(tmp_path: Path, name: str) -> None:
    pytest.importorskip("pyarrow")
    path = tmp_path / name
    path.write_bytes(PACK[name](SIMPLE.text.encode()))
    assert same(load(path))
    whole = long_log().text.encode()
    path.write_bytes(PACK[name](whole))
    assert b"\n".join(line for _, line in lines(path)) + b"\n" == whole


@pytest.mark.parametrize("name", [*PACK, "app.gz"])
def test_packed_logs_that_are_cut_off_are_read_as_far_as_they_go(tmp_path: Path, name: str) -> None:
    pytest.importorskip("pyarrow")
    pack = PACK.get(name, gzip.compress)
    log = long_log()
    data = pack(log.text.encode())
    path = tmp_path / name
    path.write_bytes(data[: len(data) * 3 // 4])
    found = load(path)
    assert isinstance(found, Analytics)
    assert 100 < len(found.jobs) < 400
    assert any("had not ended when" in note for note in found.remarks)
    path.write_bytes(data[:30])
    with pytest.raises(InputError):
        load(path)


@pytest.mark.parametrize("name", PACK)
def test_damaged_files_are_told_to_be(tmp_path: Path, name: str) -> None:
    pytest.importorskip("pyarrow")
    data = bytearray(PACK[name](long_log().text.encode()))
    for at in range(60, len(data) - 8, 7):
        data[at] ^= 0x5A
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"damaged|no JSON|no job|no executor"):
        load(path)


def test_lz4_blocks_that_were_not_worth_packing_and_unknown_ones(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    path = tmp_path / "app.lz4"
    data = lz4_blocks(SIMPLE.text.encode(), plain=True)
    path.write_bytes(data)
    assert same(load(path))
    path.write_bytes(data[:8] + b"\x35" + data[9:])
    with pytest.raises(InputError, match="unknown method 0x30"):
        load(path)
    path.write_bytes(data[:9] + b"\xff\xff\xff\xff" + data[13:])
    with pytest.raises(InputError, match="does not begin as it should"):
        load(path)


def test_snappy_streams_may_be_put_together_and_lengths_are_not_believed(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    path = tmp_path / "app.snappy"
    text = SIMPLE.text.encode()
    path.write_bytes(snappy_blocks(text[:500]) + snappy_blocks(text[500:]))
    assert same(load(path))
    head = snappy_blocks(b"")
    path.write_bytes(head + b"\x7f\xff\xff\xff" + b"x" * 50)
    with pytest.raises(InputError, match="block is too long"):
        load(path)
    path.write_bytes(head + b"\x00\x00\x00\x06" + b"\xff" * 6)
    with pytest.raises(InputError, match="does not begin as it should"):
        load(path)


def test_lzf_is_refused_and_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "app.lzf"
    path.write_bytes(b"ZV\x01\x00\x10\x00\x20" + b"x" * 40)
    with pytest.raises(InputError, match=r"LZF.*codec=zstd"):
        load(path)


# Cut off, broken


def test_a_last_line_that_is_cut_off_is_left_out_and_told(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text(SIMPLE.text[:-20])
    found = load(path)
    assert same(found)
    assert f"line {len(SIMPLE.lines)} is cut off and left out" in found.notes()


def test_every_broken_line_in_the_middle_is_told(tmp_path: Path) -> None:
    broken = list(SIMPLE.lines)
    broken[5] = broken[5][:40]
    broken[8] = '{"Event":"SparkListenerJobStart","Job ID":"one"}'
    broken[9] = '{"Event":"SparkListenerJobStart","Job ID":3}'
    broken[10] = "[1, 2]"
    path = tmp_path / "log"
    path.write_text("\n".join([*broken, "", ""]))
    with pytest.raises(InputError) as error:
        load(path)
    assert [problem.line for problem in error.value.problems] == [6, 9, 10, 11]
    assert "no JSON" in str(error.value) and "no event of Spark's" in str(error.value)


def test_a_log_from_standard_input_is_read_by_its_content() -> None:
    assert same(read(SIMPLE.text, "standard input"))
    with pytest.raises(InputError, match="standard input"):
        read(Log().text, "standard input")


# Rolled, and folders


def test_rolled_logs_are_read_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    text = SIMPLE.lines
    cuts = [0, 3, 4, 5, 6, 7, 8, 9, 10, 11, len(text)]
    pieces = {str(n + 1): text[cuts[n] : cuts[n + 1]] for n in range(10)}
    path = rolled(tmp_path, pieces)
    assert same(load(path))  # 10 comes after 9
    assert same(load(tmp_path))


def test_rolled_logs_that_lack_a_file_say_so(tmp_path: Path) -> None:
    text = SIMPLE.lines
    path = rolled(tmp_path, {"2": text[:5], "4": text[5:]})
    assert any("files 1, 3 of the rolled log are missing" in note for note in stream(path).remarks)


def test_of_compacted_files_the_last_counts_and_what_comes_after(tmp_path: Path) -> None:
    text = SIMPLE.lines
    pieces = {"1": ["broken"], "2": ["broken"], "2.compact": text[:6], "3": text[6:]}
    path = rolled(tmp_path, pieces)
    found = load(path)
    assert same(found)
    assert any("was compacted" in note for note in found.notes())
    assert not any("missing" in note for note in found.notes())


def test_only_the_last_line_of_the_last_file_may_be_cut_off(tmp_path: Path) -> None:
    text = SIMPLE.lines
    path = rolled(tmp_path, {"1": [*text[:5], text[5][:30]], "2": text[6:]})
    with pytest.raises(InputError, match=r"events_1_app-1.*line 6"):
        load(path)


def test_a_folder_of_several_applications_asks_for_one(tmp_path: Path) -> None:
    for name in ("app-1", "app-2.inprogress"):
        (tmp_path / name).write_text(SIMPLE.text)
    rolled(tmp_path, {"1": SIMPLE.lines}, "app-3")
    (tmp_path / "notes.txt").write_text("not a log")
    with pytest.raises(InputError, match=r"3 applications are here.*app-1, app-2, app-3") as error:
        load(tmp_path)
    assert str(tmp_path / "app-1") in str(error.value)
    assert same(load(tmp_path / "eventlog_v2_app-3"))
    week = tmp_path / "week.yaml"
    week.write_text(
        "problem: cluster/analytics\nname: app\n"
        "jobs: {kind: eventlog, path: ., application: app-3}\n"
    )
    assert same(load(week))


def test_what_is_no_log_is_not_claimed(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("hello")
    assert not claims(tmp_path, b"")
    for start in (b"", b"hello", b'{"a": 1}', b"\x28\xb5\x2f\xfdxx", b"\x1f\x8b broken"):
        assert not claims(tmp_path / "a.txt", start)
    empty = tmp_path / "eventlog_v2_none"
    empty.mkdir()
    with pytest.raises(InputError, match="no Spark event log is in this folder"):
        load(empty)


# Huge, hostile


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """64 MiB of events that say nothing of jobs, in packed form."""
    path = tmp_path / "log.gz"
    noise = json.dumps({"Event": "SparkListenerExecutorMetricsUpdate", "x": "y" * 900}) + "\n"
    with gzip.open(path, "wt", compresslevel=1) as out:
        for line in SIMPLE.lines[:-1]:
            out.write(line + "\n")
        for _ in range(64):
            out.write(noise * 1100)
        out.write(SIMPLE.lines[-1] + "\n")
    tracemalloc.start()
    try:
        found = stream(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert same(found)
    assert peak < 16 * 2**20


def test_a_line_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eventlog_bytes, "LONGEST_LINE", 2**20)
    path = tmp_path / "log"
    path.write_bytes(SIMPLE.text.encode() + b'{"Event":"' + b"x" * 2**21)
    with pytest.raises(InputError, match="is longer than 1 MiB"):
        stream(path)


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("Number of Tasks", 2**31, "has 2147483648 tasks"),
        ("Number of Tasks", -1, "has -1 tasks"),
        ("Stage ID", "one", "no event of Spark's"),
    ],
)
def test_absurd_stages_are_refused(field: str, value: int, told: str) -> None:
    log = Log()
    log.job(0, 0, [(0, 1, [])])
    log.events[-1]["Stage Infos"][0][field] = value
    with pytest.raises(InputError, match=told):
        read(log.text)


def test_absurd_times_are_refused() -> None:
    log = simple()
    log.job(3, 2**50, [(9, 1, [])])
    log.stage(9, 2**50, 1)
    log.task(9, 0, 2**50, 5)
    log.job_done(3, 2**50 + 6)
    with pytest.raises(InputError, match="is the clock right"):
        read(log.text)
    log = simple()
    log.job(3, 0, [(9, 1, [])])
    log.task(9, 0, -EPOCH, 5, held=2**45)
    with pytest.raises(InputError, match="is the clock right"):
        read(log.text)


def test_stages_that_wait_for_one_another_are_refused(tmp_path: Path) -> None:
    log = Log()
    log.job(0, 0, [(0, 1, [1]), (1, 1, [0])])
    for number in (0, 1):
        log.stage(number, 1, 1)
        log.task(number, 0, 1, 5)
    log.job_done(0, 9)
    path = tmp_path / "log"
    path.write_text(log.text)
    with pytest.raises(InputError, match="circle"):
        load(path)


@given(st.data())
@settings(max_examples=150)
def test_any_damage_gives_a_scenario_or_a_refusal(data: st.DataObject) -> None:
    """Lines dropped, doubled or swapped, numbers changed: never any other error."""
    found = list(SIMPLE.lines)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(found) - 1))
        how = data.draw(st.sampled_from(["drop", "double", "swap", "number", "cut"]))
        if how == "drop" and len(found) > 1:
            del found[at]
        elif how == "double":
            found.insert(at, found[at])
        elif how == "swap":
            other = data.draw(st.integers(0, len(found) - 1))
            found[at], found[other] = found[other], found[at]
        elif how == "number":
            digit = data.draw(st.sampled_from("0123456789"))
            found[at] = found[at].replace(digit, data.draw(st.sampled_from(["7", "-1", "null"])), 1)
        else:
            found[at] = found[at][: data.draw(st.integers(0, len(found[at])))]
    try:
        scenario = read("\n".join(found))
    except InputError:
        return
    assert scenario.jobs and scenario.cores >= 1
    assert all(task >= 0 for job in scenario.jobs for stage in job.stages for task in stage.tasks)
