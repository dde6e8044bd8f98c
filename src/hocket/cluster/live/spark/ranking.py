"""Order the stages that Spark runs at this moment, through the priorities of its task sets.

In FIFO mode Spark offers free cores to task sets by a mutable number of each, at first the number
of its job, and then by the number of the stage. Writing there re-orders what already waits, with no
change of Spark itself. These are internals: `reason_against` says where they are not as known.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from hocket.core.extras import need

KNOWN = ("3.5", "4.0", "4.1")
"""Versions of Spark whose FIFO order is by `priority`, then by stage, and whose task sets let it be
written. Tried on 3.5.5 and 4.1.1."""

USER, JOB = "hocket.user", "hocket.job"
"""Local properties that tell to which user and job a stage belongs."""

POOL = "spark.scheduler.pool"
QUERY = "spark.sql.execution.id"
NOBODY = "nobody"
"""The user of stages that say nothing."""


class TaskSet(NamedTuple):
    """A task set of Spark as it is now.

    - `stage`, `attempt`; `tasks`, `running`, `done`: how many
    - `user`, `job`: of whom, and the number of the `LiveJob`, None for work that did not come
      through `submit`
    - `cause`: the SQL query that it serves, else the Spark job
    """

    stage: int
    attempt: int
    tasks: int
    running: int
    done: int
    user: str
    job: int | None
    cause: str


def reason_against(context: Any) -> str:
    """Why the order of a SparkContext cannot be changed at run time; empty if it can."""
    version = str(context.version)
    if not any(version == known or version.startswith(f"{known}.") for known in KNOWN):
        return f"Spark {version} is none of the versions known to allow it ({', '.join(KNOWN)})"
    mode = context.getConf().get("spark.scheduler.mode", "FIFO").upper()
    if mode != "FIFO":
        return f"spark.scheduler.mode is {mode}, and priorities count in FIFO mode alone"
    try:
        _queue(context).size()
    except need("py4j.protocol", "spark").Py4JError as error:
        return f"this Spark keeps its task sets elsewhere ({type(error).__name__})"
    return ""


class TaskSets:
    """The task sets of one context. Fields that never change are asked for once."""

    def __init__(self, context: Any) -> None:
        """Nothing is asked yet."""
        self._context = context
        self._fixed: dict[tuple[int, int], tuple[int, str, int | None, str]] = {}
        self._managers: dict[int, tuple[int, Any]] = {}  # by stage: the attempt that counts
        self._ranks: dict[tuple[int, int], int] = {}  # what was written, by stage and attempt

    def now(self) -> list[TaskSet]:
        """Those that have not ended, in Spark's own order of submission."""
        found: list[TaskSet] = []
        managers: dict[int, tuple[int, Any]] = {}
        for manager in _queue(self._context).toArray():
            key = (int(manager.stageId()), int(manager.taskSet().stageAttemptId()))
            if key not in self._fixed:
                self._fixed[key] = (int(manager.numTasks()), *_whose(manager))
            if manager.isZombie():
                continue
            managers[key[0]] = (key[1], manager)
            tasks, user, job, cause = self._fixed[key]
            running, done = int(manager.runningTasks()), int(manager.tasksSuccessful())
            found.append(TaskSet(*key, tasks, running, done, user, job, cause))
        alive = {(one.stage, one.attempt) for one in found}
        self._fixed = {key: value for key, value in self._fixed.items() if key in alive}
        self._managers = managers
        self._ranks = {key: rank for key, rank in self._ranks.items() if key in alive}
        return found

    def rank(self, stages: list[int]) -> None:
        """Let free cores go to these stages in this order, before all others."""
        for rank, stage in enumerate(stages, -len(stages)):  # jobs have numbers from 0 on
            if stage not in self._managers:
                continue
            attempt, manager = self._managers[stage]
            if self._ranks.get((stage, attempt)) != rank:
                getattr(manager, "priority_$eq")(rank)
                self._ranks[stage, attempt] = rank


def _queue(context: Any) -> Any:
    return context._jsc.sc().taskScheduler().rootPool().schedulableQueue()


def _whose(manager: Any) -> tuple[str, int | None, str]:
    """User, number of the LiveJob and cause; a task set is made with the number of its Spark job
    as its priority."""
    cause = f"job {manager.taskSet().priority()}"
    properties = manager.taskSet().properties()
    if properties is None:
        return NOBODY, None, cause
    user = properties.getProperty(USER) or properties.getProperty(POOL) or NOBODY
    job, query = properties.getProperty(JOB), properties.getProperty(QUERY)
    cause = cause if query is None else f"query {query}"
    return str(user), None if job is None else int(job), cause
