"""Runtime partitioning: as many tasks as each can be short, through public settings.

Kažemaks, Versluis, Ozkan and Decouchant, arXiv 2510.15485: partitions = estimated work / advised
task runtime. Long tasks hold cores that a more urgent user waits for; many short ones cost more.
"""

from __future__ import annotations

import contextlib
from fractions import Fraction
from typing import Any

from hocket.cluster.sharing.partition import advised
from hocket.core.extras import need

_FIXED = ("spark.sql.warehouse.dir", "spark.sql.extensions", "spark.sql.catalogImplementation")


def session_for(spark: Any, runtime: float | None, work: int | None, cores: int) -> Any:
    """The session in which a job of `work` core-milliseconds runs.

    Without a `runtime` that is advised for tasks (seconds), or an estimate, that is the given one.
    Otherwise it is a new one with the same settings but for partitions: shuffles have as many as
    `hocket.cluster.sharing.partition.advised` says, and never fewer than there are cores; scans at
    least as many as far as files can be split. Temporary views belong to the session in which they
    were made; DataFrames made there keep its settings.
    """
    if runtime is None or not work:
        return spark
    count = str(advised(work, Fraction(runtime) * 1000, cores, cores))
    session = spark.newSession()
    for row in spark.sql("SET").collect():
        if row["key"].startswith("spark.sql.") and not row["key"].startswith(_FIXED):
            _set(session, row["key"], row["value"])
    for key in (
        "spark.sql.shuffle.partitions",
        "spark.sql.adaptive.coalescePartitions.initialPartitionNum",
        "spark.sql.files.minPartitionNum",
    ):
        _set(session, key, count)
    _set(session, "spark.sql.adaptive.coalescePartitions.enabled", "false")
    return session


def _set(session: Any, key: str, value: str) -> None:
    """Settings that a session may not change are those of the application anyway."""
    with contextlib.suppress(need("pyspark.errors", "spark").PySparkException):
        session.conf.set(key, value)
