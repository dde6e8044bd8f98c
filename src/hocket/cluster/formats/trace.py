"""Tables of tasks as the Workflow Trace Archive has them, in CSV.

One row per task; the tasks of a job, or workflow, run side by side in one stage::

    workflow_id, ts_submit, task_id, runtime, resource_amount_requested, resource_run_time, user_id

Times are milliseconds; `ts_submit_seconds` may stand for `ts_submit`. A task's work is
`resource_run_time` (core-milliseconds); where a row has none, `runtime` on the cores requested, or
on one. How many cores there are to share the table does not say. Other columns are not read, but
for `task_count`.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from hocket.cluster.model.analytics import MOST_TASKS, Analytics, Job, Stage
from hocket.cluster.model.log_files import TraceFile
from hocket.core.domain import Format
from hocket.core.errors import InputError
from hocket.core.files import display
from hocket.core.findings import Findings, refuse_binary
from hocket.core.scenario import LONGEST

CORES = 32
"""So many cores there are unless a scenario says otherwise."""
NOBODY = "no-user"
JOB, TASK, USER = "workflow_id", "task_id", "user_id"
WORK = ("resource_run_time", "runtime")
SUBMITTED = {"ts_submit": 1, "ts_submit_seconds": 1000}
_NOTHING = ("", "nan", "null", "none", "-1")


@dataclass(slots=True)
class _Rows:
    """The rows of a job: the user, the earliest submission (ms), work of tasks, tasks announced."""

    user: str
    submitted: float
    work: list[float] = field(default_factory=list)
    announced: int = 0


class Reading:
    """A table while it is read: jobs by their id, in the order of the table."""

    def __init__(self, source: str) -> None:
        """`source` names the table in messages."""
        self.findings = Findings(source)
        self.jobs: dict[str, _Rows] = {}
        self.count: Counter[str] = Counter()
        self.line = 1

    def table(self, lines: Iterable[str]) -> None:
        """Read a table with its header. Raises InputError with every problem."""
        reader = csv.reader(lines)
        try:
            header = [cell.strip().removeprefix("\ufeff").lower() for cell in next(reader, [])]
            self._header(header)
            for cells in reader:
                self.line = reader.line_num
                if self.findings.full:
                    break
                if not any(map(str.strip, cells)):
                    continue
                if len(cells) == len(header):
                    self._row(dict(zip(header, map(str.strip, cells), strict=True)))
                else:
                    cut = "; is the file cut off?" if len(cells) < len(header) else ""
                    told = f"{len(cells)} cells under a header of {len(header)}{cut}"
                    self.findings.add(told, self.line)
        except csv.Error as error:
            self.findings.add(f"this is no table: {error}", reader.line_num)
        self.findings.stop_if_any()

    def _header(self, header: list[str]) -> None:
        for needed in ((JOB,), tuple(SUBMITTED), WORK):
            if not set(needed) & set(header):
                self.findings.add(f"there is no column {' or '.join(needed)}", 1)
        for name in sorted({name for name in header if header.count(name) > 1}):
            self.findings.add(f"column {name!r} stands there twice", 1)
        self.findings.stop_if_any()

    def _row(self, row: dict[str, str]) -> None:
        name, user = row[JOB], row.get(USER, "")
        if not name:
            self.findings.add("the row names no job", self.line, JOB)
            return
        if user.lower() in _NOTHING:
            self.count["nobody"] += 1
            user = NOBODY
        known = next(column for column in SUBMITTED if column in row)
        submitted = self._number(row, known)
        work = self._work(row)
        announced = self._number(row, "task_count")
        if submitted is None:
            self.findings.add("the row does not say when its job comes", self.line, known)
        elif work is None:
            self.findings.add("the row does not say how long its task runs", self.line, WORK[-1])
        else:
            at = submitted * SUBMITTED[known]
            job = self.jobs.setdefault(name, _Rows(user, at))
            job.submitted = min(job.submitted, at)
            job.work.append(work)
            job.announced = max(job.announced, int(announced or 0))
            if user != job.user:
                self.count["users"] += 1

    def _work(self, row: dict[str, str]) -> float | None:
        """Core-milliseconds of a row; None if it has none."""
        cores = self._number(row, "resource_amount_requested")
        if cores == 0:
            self.count["coreless"] += 1
        elif (told := self._number(row, WORK[0])) is not None:
            return told
        runtime = self._number(row, WORK[1])
        return None if runtime is None else runtime * (cores or 1)

    def _number(self, row: dict[str, str], column: str) -> float | None:
        """The number in a cell; None, noting a problem if there is something else."""
        text = row.get(column, "")
        if not text or text.lower() in _NOTHING[:4]:
            return None
        try:
            value = float(text)
        except ValueError:
            value = -1.0
        if 0 <= value <= LONGEST * 1000:
            return value
        told = f"{text[:24]!r} is no number from 0 up that a time may be"
        self.findings.add(told, self.line, column)
        return 0.0


def jobs_of(reading: Reading, how: TraceFile) -> tuple[tuple[Job, ...], tuple[str, ...]]:
    """The jobs of a table in the order of their arrival, and what was done to them."""
    notes = {
        "nobody": f"rows without user, which are those of {NOBODY!r}",
        "users": "rows of another user than the first of their job, whose job it is",
        "coreless": "tasks that ask for no core, and get one for their runtime",
    }
    told = [f"{what}: {reading.count[key]}" for key, what in notes.items() if reading.count[key]]
    found = {name: rows for name, rows in reading.jobs.items() if sum(rows.work) > 0}
    if less := len(reading.jobs) - len(found):
        told.append(f"jobs without any work left out: {less}")
    if how.drop_above is not None and found:
        most = how.drop_above * median(sum(rows.work) for rows in found.values())
        kept = {name: rows for name, rows in found.items() if sum(rows.work) <= most}
        told.append(
            f"jobs of more than {how.drop_above:g} medians left out: {len(found) - len(kept)}"
        )
        found = kept
    if short := sum(rows.announced > len(rows.work) for rows in found.values()):
        told.append(f"jobs that have fewer rows than their task_count says: {short}")
    if not found:
        raise InputError(reading.findings.source, ["there is no job with any work in it"])
    start = min(rows.submitted for rows in found.values())
    ordered = sorted(found.items(), key=lambda item: item[1].submitted)
    jobs = [
        Job(
            name=name,
            user=rows.user,
            arrival=_ticks(rows.submitted - start, reading),
            stages=(Stage(tasks=_tasks(rows.work, how, reading)),),
        )
        for name, rows in ordered
    ]
    return tuple(jobs), tuple(told)


def _tasks(work: list[float], how: TraceFile, reading: Reading) -> tuple[int, ...]:
    """Whole milliseconds of the tasks, or of as many equal ones as are asked for."""
    if how.tasks is None:
        if len(work) > MOST_TASKS:
            told = f"a job has {len(work)} tasks; a stage may have {MOST_TASKS}"
            raise InputError(reading.findings.source, [told])
        return tuple(_ticks(one * how.scale, reading) for one in work)
    total = _ticks(sum(work) * how.scale, reading)
    share, more = divmod(total, how.tasks)
    return tuple(share + (k < more) for k in range(how.tasks))


def _ticks(value: float, reading: Reading) -> int:
    if value > LONGEST:
        told = f"a time of {value:g} ms is longer than a scenario may have"
        raise InputError(reading.findings.source, [told])
    return round(value)


def load(path: Path, how: TraceFile) -> tuple[tuple[Job, ...], tuple[str, ...]]:
    """The jobs of a file, read as the reference says, and notes. Raises InputError."""
    reading = Reading(display(path))
    try:
        with open(path, encoding="utf-8", newline="") as lines:
            reading.table(lines)
    except OSError as error:
        told = f"cannot be read: {(error.strerror or str(error)).lower()}"
        raise InputError(display(path), [told]) from None
    except UnicodeDecodeError:
        raise InputError(display(path), ["no UTF-8 text; save the file as UTF-8"]) from None
    return jobs_of(reading, how)


def stream(path: Path) -> Analytics:
    """The scenario of a table, on `CORES` cores. Raises InputError with every problem."""
    return _scenario(*load(path, TraceFile(path=str(path))))


def read(text: str, source: str = "") -> Analytics:
    """The scenario of a table in a text, on `CORES` cores. Raises InputError."""
    reading = Reading(source or "trace")
    refuse_binary(text, reading.findings)
    reading.table(text.splitlines(keepends=True))
    return _scenario(*jobs_of(reading, TraceFile(path=source)))


def _scenario(jobs: tuple[Job, ...], notes: tuple[str, ...]) -> Analytics:
    told = f"a trace does not say how many cores there are: {CORES} are taken"
    return Analytics(cores=CORES, jobs=jobs, remarks=(*notes, told))


def _sniffed(head: str) -> bool:
    header = head.removeprefix("\ufeff").partition("\n")[0].lower()
    found = {cell.strip().strip('"') for cell in header.split(",")}
    return {JOB, TASK} <= found and bool(found & set(WORK))


def _sniff(name: str, head: str) -> bool:
    return _sniffed(head)


def _claims(path: Path, head: bytes) -> bool:
    return not path.is_dir() and _sniffed(head.decode("utf-8", "replace"))


FORMAT = Format(
    name="analytics-trace",
    summary="a table of tasks of many users' jobs, as the Workflow Trace Archive has them",
    suffixes=(".csv",),
    sniff=_sniff,
    read=read,
    claims=_claims,
    stream=stream,
)
