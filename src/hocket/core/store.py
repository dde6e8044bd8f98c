"""The file of a study: one SQLite database that survives interruption."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from hocket.core.errors import HocketError, StudyError, UserError

FORMAT = "hocket study 1"


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one cell: its metrics and the digest of its timeline, or its error.

    `seconds` is the wall time of the simulation.
    """

    metrics: dict[str, float] = {}
    digest: str = ""
    seconds: float = 0.0
    error: str = ""


class Store:
    """Outcomes by cell key, each written as soon as it is there.

    A key is the digest of what decides a cell's result (version, scenario, policy, seed), so a
    study can grow: what is in the file already need not run again.
    """

    def __init__(self, path: Path, *, forget: Sequence[str] = ()) -> None:
        """Open or create the file, and `forget` the outcomes of these keys; others stay.

        Raises StudyError for a damaged file or one that is no study, UserError where the folder
        cannot be written.
        """
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists() and not os.access(path, os.W_OK):
                raise PermissionError(f"{path} is read-only")
            self._db = sqlite3.connect(path)
        except (OSError, sqlite3.OperationalError) as error:
            raise self._refused(error) from error
        try:
            self._prepare(forget)
        except BaseException as error:
            self._db.close()
            if isinstance(error, sqlite3.DatabaseError):
                raise self._explained(error) from error
            raise

    def _prepare(self, forget: Sequence[str]) -> None:
        tables = {row[0] for row in self._db.execute("SELECT name FROM sqlite_master")}
        if tables and "study" not in tables:
            raise self._damaged("it is a database of another program")
        # A log beside the file spares a wait for the disk at every outcome; what is in it survives
        # the end of this process, however sudden, and joins the file when that is next opened.
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        with self._db:
            self._db.execute("CREATE TABLE IF NOT EXISTS study (format TEXT NOT NULL)")
            self._db.execute(
                "CREATE TABLE IF NOT EXISTS outcome ("
                "key TEXT PRIMARY KEY, scenario TEXT NOT NULL, policy TEXT NOT NULL, "
                "seed INTEGER NOT NULL, result TEXT NOT NULL)"
            )
            row = self._db.execute("SELECT format FROM study").fetchone()
            if row is None:
                self._db.execute("INSERT INTO study VALUES (?)", (FORMAT,))
            elif row[0] != FORMAT:
                raise self._damaged(f"it is a {row[0]!r}, this program writes {FORMAT!r}")
            keys = ((key,) for key in forget)
            self._db.executemany("DELETE FROM outcome WHERE key = ?", keys)
        problem = self._db.execute("PRAGMA quick_check").fetchone()[0]
        if problem != "ok":
            raise self._damaged(problem)

    def _explained(self, error: sqlite3.DatabaseError) -> HocketError:
        """What SQLite complains of: the place (full, locked, read-only), or the file itself."""
        # SQLITE_ERROR is wrong SQL, and ours is right for the tables that we make.
        wrong = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR
        if isinstance(error, sqlite3.OperationalError) and not wrong:
            return self._refused(error)
        return self._damaged(str(error))

    def _refused(self, error: Exception) -> UserError:
        return UserError(
            f"cannot write the study file {self.path}: {error}. "
            f"Choose a place with --study FILE, or keep nothing with --no-study"
        )

    def _damaged(self, why: str) -> StudyError:
        return StudyError(
            f"{self.path} is not a usable study file: {why}. "
            f"Delete it, or name another with --study FILE"
        )

    def load(self) -> dict[str, Outcome]:
        """All outcomes in the file. Failed cells are left out: a resumed study tries them again."""
        try:
            rows = self._db.execute("SELECT key, result FROM outcome").fetchall()
            found = {key: msgspec.json.decode(text, type=Outcome) for key, text in rows}
        except sqlite3.DatabaseError as error:
            raise self._explained(error) from error
        except msgspec.DecodeError as error:
            raise self._damaged(str(error)) from error
        return {key: outcome for key, outcome in found.items() if not outcome.error}

    def save(self, key: str, scenario: str, policy: dict[str, Any], seed: int, o: Outcome) -> None:
        """Write one outcome; it outlives this process when this returns.

        Raises UserError where it cannot be written, as on a full disk.
        """
        text = msgspec.json.encode(policy, order="deterministic").decode()
        row = (key, scenario, text, str(seed), msgspec.json.encode(o).decode())
        try:
            with self._db:
                self._db.execute("INSERT OR REPLACE INTO outcome VALUES (?, ?, ?, ?, ?)", row)
        except sqlite3.DatabaseError as error:
            raise self._explained(error) from error

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()
