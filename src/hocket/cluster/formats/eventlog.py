"""Spark event logs: what ran in an application, to be replayed under another policy.

A log is what Spark writes with ``spark.eventLog.enabled``: JSON lines in a file, rolled files in a
folder, packed or not; a folder may hold several applications, of which one is to be named. Logs
are read as a stream.

The user of a job is the first of the properties ``user.name``, ``spark.scheduler.pool`` and
``spark.jobGroup.id`` that it has; a structured file can name others, see `LogFile`.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from hocket.cluster.formats.eventlog_bytes import lines
from hocket.cluster.formats.eventlog_events import decode
from hocket.cluster.formats.eventlog_files import PLAIN, chosen, claims, missing
from hocket.cluster.formats.eventlog_jobs import found
from hocket.cluster.formats.eventlog_record import Record
from hocket.cluster.model.analytics import Analytics
from hocket.cluster.model.log_files import USER, LogFile
from hocket.core.domain import Format
from hocket.core.errors import InputError
from hocket.core.files import display
from hocket.core.findings import Findings

MOST_CORES = 1_000_000
Numbered = Iterable[tuple[int, bytes]]


def stream(path: Path) -> Analytics:
    """The application at a path. Raises InputError with every problem, or naming applications."""
    return load(path, LogFile(path=str(path)))


def load(path: Path, how: LogFile) -> Analytics:
    """The application at a path, read as the reference says; its own `path` does not count."""
    pieces = chosen(path, how.application)
    record, notes = Record(how.user), list[str]()
    for piece in pieces:
        last = piece == pieces[-1]
        notes += _collect(record, lines(piece), Findings(display(piece)), last)
    gone = ", ".join(map(str, missing(pieces)))
    if gone:
        notes.append(
            f"files {gone} of the rolled log are missing: jobs that began there are not in"
        )
    if pieces[0].name.endswith(".compact"):
        notes.append("the log was compacted: jobs that ended before are not in it")
    return _scenario(record, display(path), notes, how.sequential)


def read(text: str, source: str = "") -> Analytics:
    """The application in a text, such as standard input. Raises InputError with every problem."""
    source = source or "event log"
    record = Record(USER)
    numbered = enumerate(text.encode().split(b"\n"), 1)
    some = ((number, line) for number, line in numbered if line.strip())
    return _scenario(record, source, _collect(record, some, Findings(source), True), False)


def _collect(record: Record, numbered: Numbered, findings: Findings, last: bool) -> list[str]:
    """Let the record take note of each line; the last one may be cut off, which is a note."""
    broken: tuple[int, str] | None = None
    for number, line in numbered:
        if broken is not None:
            findings.add(broken[1], broken[0])
            broken = None
        if findings.full:
            break
        try:
            record.note(decode(line))
        except msgspec.ValidationError as error:
            findings.add(f"this is no event of Spark's: {error}", number)
        except (msgspec.DecodeError, RecursionError) as error:
            broken = number, f"this is no JSON: {str(error).partition(' (byte')[0]}"
        except ValueError as error:
            findings.add(str(error), number)
    if broken is not None and not last:
        findings.add(broken[1], broken[0])
    findings.stop_if_any()
    return [f"line {broken[0]} is cut off and left out"] if broken is not None and last else []


def _scenario(record: Record, source: str, notes: list[str], sequential: bool) -> Analytics:
    if not record.ended:
        notes.append("the application had not ended when the log was written")
    cores = _cores(record, source, notes)
    try:
        jobs = found(record, sequential)
    except ValueError as error:
        raise InputError(source, [str(error)]) from None
    if not jobs.jobs:
        what = "; ".join(("no job in this log has ended well and run tasks", *notes, *jobs.notes))
        raise InputError(source, [what])
    over = jobs.overheads
    notes.append(
        f"overheads are medians of the log: {over.job} ms for a job, {over.stage} ms for a later "
        f"stage, {over.task} ms for a task"
    )
    return Analytics(
        name=record.application,
        time_unit="ms",
        cores=cores,
        jobs=jobs.jobs,
        overheads=over,
        remarks=(*jobs.notes, *notes),
    )


def _cores(record: Record, source: str, notes: list[str]) -> int:
    """How many tasks ran at once, or could have: the most that executors ever had."""
    most = int(max(record.cores, default=0) / record.cpus)
    if most > MOST_CORES:
        raise InputError(source, [f"executors have {most} cores; at most {MOST_CORES} are read"])
    if most:
        if len(set(record.cores)) > 1:
            notes.append(f"executors came and went: the most cores at a time, {most}, are taken")
        return most
    if record.cores:
        raise InputError(source, ["its executors have no cores for a task; is the log whole?"])
    if not record.most_running:
        raise InputError(source, ["no executor and no task is in this log; is it whole?"])
    notes.append(f"no executor is in the log: {record.most_running} tasks ran at once, so many "
                 "cores are taken")  # fmt: skip
    return record.most_running


FORMAT = Format(
    name="spark-eventlog",
    summary="a Spark event log: a file, rolled files in a folder, or packed",
    suffixes=(".inprogress", ".zstd", ".lz4", ".snappy"),
    sniff=lambda name, head: PLAIN.match(head.encode()) is not None,
    read=read,
    claims=claims,
    stream=stream,
)
