"""Timelines as columns: Arrow, Parquet, CSV and JSON files, for pandas, Polars, DuckDB and others.

JSON holds everything in one file. In the other formats the file that was named holds the spans;
the other tables lie beside it: ``run.parquet``, ``run.points.parquet``, ``run.gauges.parquet``,
``run.tallies.parquet``.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from hocket.core.errors import InputError, UnknownName, UserError
from hocket.core.extras import need
from hocket.core.timeline import Timeline
from hocket.core.writing import write_atomically, write_bytes

SUFFIXES = (".parquet", ".arrow", ".csv", ".json")
TABLES = ("spans", "points", "gauges", "tallies")
_WHOLE = frozenset({"start", "end", "time", "count"})


def write_columns(timeline: Timeline, path: str | Path) -> tuple[Path, ...]:
    """Write by suffix (.parquet, .arrow, .csv, .json) and return the files written.

    Raises UnknownName for another suffix, UserError when a file cannot be written, and MissingExtra
    when Parquet or Arrow is asked for without pyarrow.
    """
    path = Path(path)
    _known(path)
    if path.suffix == ".json":
        return (write_bytes(path, timeline.to_json()),)
    if path.suffix == ".csv":
        columns = timeline.columns()
        return tuple(
            write_atomically(_beside(path, table), _csv_writer(columns[table])) for table in TABLES
        )
    return tuple(
        write_atomically(_beside(path, name), _arrow_writer(table, path.suffix))
        for name, table in to_arrow(timeline).items()
    )


def read_columns(path: str | Path) -> Timeline:
    """The timeline that `write_columns` wrote to a .json, .parquet or .arrow file.

    CSV cannot be read back: it has no place for the unit of time and the order of lanes. Raises
    UserError when a file is absent and InputError when it holds no timeline.
    """
    path = Path(path)
    _known(path)
    if path.suffix == ".csv":
        raise UserError(f"{path}: CSV keeps no unit of time; write .json or .parquet to read back")
    try:
        if path.suffix == ".json":
            return Timeline.from_json(path.read_bytes())
        return from_arrow({name: _read_arrow(_beside(path, name)) for name in TABLES})
    except FileNotFoundError as error:
        raise UserError(
            f"{error.filename or path} does not exist; write_columns makes it"
        ) from error
    except (msgspec.DecodeError, KeyError, ValueError) as error:
        raise InputError(str(path), [f"no timeline: {error}"]) from error


def to_arrow(timeline: Timeline) -> dict[str, Any]:
    """``{"spans": pyarrow.Table, "points": ..., ...}``, texts dictionary-encoded.

    Each table's metadata hold the unit and the order of lanes. Raises MissingExtra without pyarrow.
    """
    pa = need("pyarrow", "columns")
    text = pa.dictionary(pa.int32(), pa.string())
    metadata = {"hocket.unit": timeline.unit, "hocket.lanes": msgspec.json.encode(timeline.lanes)}
    tables = {}
    for table, columns in timeline.columns().items():
        whole = _WHOLE | ({"value"} if table == "tallies" else set())
        types = {
            field: pa.int64() if field in whole else pa.float64() if field == "value" else text
            for field in columns
        }
        schema = pa.schema(types.items(), metadata=metadata)
        tables[table] = pa.table(columns, schema=schema)
    return tables


def from_arrow(tables: dict[str, Any]) -> Timeline:
    """The inverse of `to_arrow`. Raises KeyError when a table or its metadata are absent."""
    metadata = tables["spans"].schema.metadata or {}
    lanes = msgspec.json.decode(metadata[b"hocket.lanes"], type=tuple[str, ...])
    timeline = Timeline(metadata[b"hocket.unit"].decode(), lanes)
    record = {
        "spans": timeline.span,
        "points": timeline.point,
        "gauges": timeline.gauge,
        "tallies": timeline.tally,
    }
    for name in TABLES:
        columns = tables[name].to_pydict().values()
        for row in zip(*columns, strict=True):
            record[name](*row)  # type: ignore[operator]
    return timeline


def _known(path: Path) -> None:
    if path.suffix not in SUFFIXES:
        hint = f"A timeline is written as {', '.join(SUFFIXES)}."
        raise UnknownName("suffix", path.suffix, SUFFIXES, hint)


def _beside(path: Path, table: str) -> Path:
    return path if table == "spans" else path.with_suffix(f".{table}{path.suffix}")


def _csv_writer(columns: dict[str, list[Any]]) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(columns)
            writer.writerows(zip(*columns.values(), strict=True))

    return write


def _arrow_writer(table: Any, suffix: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        if suffix == ".parquet":
            need("pyarrow.parquet", "columns").write_table(table, path)
        else:
            need("pyarrow.feather", "columns").write_feather(table, path)

    return write


def _read_arrow(path: Path) -> Any:
    if not path.exists():
        raise FileNotFoundError(None, "absent", str(path))
    if path.suffix == ".parquet":
        return need("pyarrow.parquet", "columns").read_table(path)
    return need("pyarrow.feather", "columns").read_table(path)
