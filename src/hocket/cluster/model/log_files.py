"""What a scenario's file may hold in place of the jobs of an application: the name of a file.

Loading reads it and puts what is in it in its place, so that a scenario holds all that it is made
of; see `hocket.cluster.formats.logs`.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

USER = ("user.name", "spark.scheduler.pool", "spark.jobGroup.id")
"""Properties of Spark's jobs that may name their user, the surest first."""

Positive = Annotated[float, msgspec.Meta(gt=0, le=1e9)]
Parts = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]


class LogFile(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="kind",
    tag="eventlog",
):
    """The jobs of a Spark event log.

    - `path`: the file or folder, relative to the scenario's
    - `application`: which one, where a folder holds several
    - `user`: properties that name a job's user; the first that a job has counts
    - `sequential`: whether users wait for answers: a job that came when its user had no other in
      the system then follows the user's last one, as long after it as it did
    """

    path: str
    application: str = ""
    user: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)] = USER
    sequential: bool = False


class TraceFile(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="kind",
    tag="trace",
):
    """The jobs of a CSV table of tasks, such as an excerpt of the Workflow Trace Archive.

    - `path`: the file, relative to the scenario's
    - `scale`: by how much the work of every job is multiplied
    - `tasks`: into how many equal tasks the work of a job is divided, in one stage; None leaves the
      tasks as they are
    - `drop_above`: jobs with more work than so many medians are left out
    """

    path: str
    scale: Positive = 1.0
    tasks: Parts | None = None
    drop_above: Positive | None = None


REFERENCES: dict[str, tuple[type[msgspec.Struct], ...]] = {
    "Analytics.jobs": (LogFile, TraceFile),
}
