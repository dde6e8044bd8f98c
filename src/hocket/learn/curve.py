"""The training curve: one row per update, in a CSV file and, if wanted, in TensorBoard."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from hocket.core.errors import InputError, UserError
from hocket.core.extras import need
from hocket.core.writing import write_text

COLUMNS = ("update", "seconds", "episodes", "cost", "validation")
Row = Mapping[str, float | int | None]


class Curve:
    """Rows, each in the file as soon as it is added. What a row lacks is left empty.

    The first columns are `COLUMNS`; what the trainer tells comes after, in the order it first did.
    """

    def __init__(self, path: Path, *, keep: int | None = None) -> None:
        """Begin a new file, or go on with the rows of the first `keep` updates of the old one.

        Raises UserError where it cannot be written, InputError for a file that is no curve.
        """
        self.path = path
        self._columns = list(COLUMNS)
        old = self._read() if keep is not None and path.exists() else []
        self._write([row for row in old if int(row["update"]) <= (keep or 0)])

    def add(self, row: Row) -> None:
        """Append a row. Raises UserError where it cannot be written."""
        told = {name: _text(value) for name, value in row.items()}
        new = [name for name in told if name not in self._columns]
        if new:
            old = self._read()
            self._columns += new
            self._write([*old, told])
            return
        try:
            with self.path.open("a", encoding="utf-8", newline="") as file:
                file.write(self._lines([told]))
        except OSError as error:
            raise UserError(f"cannot write {self.path}: {error.strerror or error}") from error

    def _write(self, rows: list[dict[str, str]]) -> None:
        write_text(self.path, ",".join(self._columns) + "\n" + self._lines(rows))

    def _lines(self, rows: list[dict[str, str]]) -> str:
        text = io.StringIO()
        csv.DictWriter(text, self._columns, restval="", lineterminator="\n").writerows(rows)
        return text.getvalue()

    def _read(self) -> list[dict[str, str]]:
        """The whole rows of the file: an interrupted one at the end is dropped."""
        try:
            with self.path.open(encoding="utf-8", newline="") as file:
                reader = csv.DictReader(file)
                columns = list(reader.fieldnames or [])
                rows = [row for row in reader if None not in row and None not in row.values()]
        except (UnicodeDecodeError, csv.Error):
            columns = []
        except OSError as error:
            raise UserError(f"cannot read {self.path}: {error.strerror or error}") from error
        if columns[: len(COLUMNS)] != list(COLUMNS):
            raise InputError(str(self.path), ["is no training curve; move it away"])
        self._columns = columns
        return [row for row in rows if row["update"].isdigit()]


def _text(value: float | None) -> str:
    if value is None:
        return ""
    return str(value) if isinstance(value, int) else f"{value:.10g}"


class Board:
    """The same rows in the event files of TensorBoard."""

    def __init__(self, folder: str | Path | None, begin: int) -> None:
        """Nothing is written without a `folder`. Raises MissingExtra without tensorboard."""
        self._writer: Any = None
        if folder is not None:
            need("tensorboard", "learn")
            from torch.utils.tensorboard import SummaryWriter

            try:
                self._writer = SummaryWriter(str(folder), purge_step=begin)
            except OSError as error:
                raise UserError(f"cannot write to {folder}: {error.strerror or error}") from error

    def add(self, row: Row) -> None:
        """Write a row at its update."""
        if self._writer is None:
            return
        for name, value in row.items():
            if name != "update" and value is not None:
                self._writer.add_scalar(name, value, row["update"])

    def __enter__(self) -> Board:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._writer is not None:
            self._writer.close()
