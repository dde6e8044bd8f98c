"""Writes the table that `jobs_csv` reads."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from hocket.shop.formats.plain import TABLE, require_plain
from hocket.shop.model import Job, JobShop, SingleJob, SingleMachine

Cells = dict[str, str | int]

_NEEDED = ("job", "operation", "machine", "duration")
_DEFAULTS: Cells = {"release": 0, "due": "", "weight": 1, "family": ""}


def write(scenario: JobShop | SingleMachine) -> str:
    """CSV text; columns in which every row has the default are left out.

    Machines that no operation can use are left out too. Raises InputError naming what a table
    cannot hold, NotApplicable for anything else than a job shop or a single machine.
    """
    if isinstance(scenario, SingleMachine):
        rows = [_job_cells(job) | {"duration": job.duration} for job in scenario.jobs]
    else:
        require_plain(scenario, "CSV", TABLE)
        rows = [cells for job in scenario.jobs for cells in _operation_cells(job)]
    used = [c for c in _NEEDED if any(c in row for row in rows)]
    used += [c for c, usual in _DEFAULTS.items() if any(row.get(c, usual) != usual for row in rows)]
    unit = "" if scenario.time_unit == "tick" else f" [{scenario.time_unit}]"
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([c + unit if c in ("duration", "release", "due") else c for c in used])
    writer.writerows([[row[column] for column in used] for row in rows])
    return out.getvalue()


def _job_cells(job: Job | SingleJob) -> Cells:
    due = "" if job.due is None else job.due
    return {"job": job.name, "release": job.release, "due": due, "weight": job.weight}


def _operation_cells(job: Job) -> Iterator[Cells]:
    for k, operation in enumerate(job.operations, 1):
        for choice in operation.choices():
            yield _job_cells(job) | {
                "operation": k,
                "machine": choice.machine,
                "duration": choice.duration,
                "family": operation.family,
            }
