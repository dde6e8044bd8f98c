"""Columns: what is written is what was recorded, in every format."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import pytest
from hypothesis import given

from hocket.core.errors import InputError, MissingExtra, UnknownName, UserError
from hocket.core.timeline import Timeline
from hocket.report.columns import from_arrow, read_columns, to_arrow, write_columns
from tests.report.samples import patient, small, timelines


@patient
@given(timelines())
def test_json_round_trip(tmp_path_factory: pytest.TempPathFactory, timeline: Timeline) -> None:
    path = tmp_path_factory.mktemp("json") / "run.json"
    assert write_columns(timeline, path) == (path,)
    assert read_columns(path) == timeline


@patient
@given(timelines())
@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
def test_arrow_round_trip(tmp_path: Path, suffix: str, timeline: Timeline) -> None:
    pytest.importorskip("pyarrow")
    path = tmp_path / f"run{suffix}"
    write_columns(timeline, path)
    assert read_columns(path) == timeline


def test_parquet_files_and_their_names(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    written = write_columns(small(), tmp_path / "run.parquet")
    assert [p.name for p in written] == [
        "run.parquet",
        "run.points.parquet",
        "run.gauges.parquet",
        "run.tallies.parquet",
    ]
    spans = parquet.read_table(written[0]).to_pydict()
    assert spans["name"] == ["1.1", "setup", "2.1", "1.2", "breakdown", "2.2"]
    assert spans["end"] == [50, 60, 100, 80, 95, 130]


def test_arrow_tables_carry_unit_and_lanes() -> None:
    pytest.importorskip("pyarrow")
    tables = to_arrow(small())
    assert tables["spans"].num_rows == 6
    assert tables["gauges"].schema.metadata == {
        b"hocket.unit": b"min",
        b"hocket.lanes": b'["Lathe","Mill"]',
    }
    assert from_arrow(tables).lanes == ("Lathe", "Mill")


def test_csv_holds_every_row(tmp_path: Path) -> None:
    spans, points, gauges, _ = write_columns(small(), tmp_path / "run.csv")
    with spans.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0] == {
        "kind": "run",
        "lane": "Lathe",
        "group": "job 1",
        "name": "1.1",
        "start": "0",
        "end": "50",
        "reason": "SPT: 50 is shortest",
    }
    assert len(rows) == 6
    assert points.read_text().splitlines()[1] == "release,,job 2,job 2,40,arrives late"
    assert len(gauges.read_text().splitlines()) == 3


def test_unknown_suffix_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match=r"did you mean '\.parquet'"):
        write_columns(small(), tmp_path / "run.parket")


def test_csv_cannot_be_read_back(tmp_path: Path) -> None:
    path, *_ = write_columns(small(), tmp_path / "run.csv")
    with pytest.raises(UserError, match="no unit of time"):
        read_columns(path)


def test_absent_and_foreign_files(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"absent\.json does not exist"):
        read_columns(tmp_path / "absent.json")
    foreign = tmp_path / "foreign.json"
    foreign.write_text('{"unit": 3}')
    with pytest.raises(InputError, match="no timeline"):
        read_columns(foreign)


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
def test_foreign_arrow_files(tmp_path: Path, suffix: str) -> None:
    pytest.importorskip("pyarrow")
    path = tmp_path / f"foreign{suffix}"
    path.write_bytes(b"no table at all")
    for other in ("points", "gauges"):
        path.with_suffix(f".{other}{suffix}").write_bytes(b"")
    with pytest.raises(InputError, match="no timeline"):
        read_columns(path)
    with pytest.raises(UserError, match="does not exist"):
        read_columns(tmp_path / f"absent{suffix}")


def test_without_pyarrow_the_install_line_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtra, match=r"pip install 'hocket\[columns\]'"):
        write_columns(small(), tmp_path / "run.parquet")
    assert list(tmp_path.iterdir()) == []
