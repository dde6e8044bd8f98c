"""What a Spark event log says, collected event by event: executors, jobs, stages, tasks."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from hocket.cluster.formats.eventlog_events import Event, StageInfo, TaskInfo
from hocket.cluster.model.analytics import MOST_TASKS
from hocket.core.scenario import LONGEST

SQL = "org.apache.spark.sql.execution.ui.SparkListenerSQLExecution"
EXECUTION = "spark.sql.execution.id"
KIND = ("spark.job.description", "callSite.short")


@dataclass(slots=True)
class StageSeen:
    """A stage over all its attempts. Times are those of the log (ms), None if it never ran.

    `tasks`: by partition how long the attempt took that succeeded first (ms); `owner`: the job that
    it was submitted for.
    """

    id: int
    name: str
    count: int
    parents: tuple[int, ...]
    submitted: int | None = None
    completed: int | None = None
    owner: int = -1
    tasks: dict[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class JobSeen:
    """A job of Spark's: `listed` are the stages that it may need; `query` the SQL execution."""

    id: int
    submitted: int
    listed: tuple[int, ...]
    properties: dict[str, str]
    query: int | None
    ended: int | None = None
    succeeded: bool = False


@dataclass(slots=True)
class QuerySeen:
    """An SQL execution: when it began and ended (ms), whether it failed, and what it is called."""

    started: int
    root: int
    description: str
    ended: int | None = None
    failed: bool | None = None


class Record:
    """Everything seen so far. Memory grows with the tasks that succeeded, not with the file.

    `overheads` counts by how much tasks held their core longer than they were at work (ms);
    `vain` counts attempts that were in vain.
    """

    def __init__(self, keys: tuple[str, ...]) -> None:
        """`keys` are the properties of jobs that name their user."""
        self.keys = keys
        self.application = ""
        self.ended = False
        self.jobs: dict[int, JobSeen] = {}
        self.active: dict[int, JobSeen] = {}
        self.stages: dict[int, StageSeen] = {}
        self.queries: dict[int, QuerySeen] = {}
        self.executors: dict[str, int] = {}
        self.cores: list[int] = []  # of all executors, whenever that changes
        self.cpus = 1.0
        self.running = self.most_running = 0
        self.overheads: Counter[int] = Counter()
        self.vain = self.backwards = 0

    def note(self, event: Event) -> None:
        """Take note of an event. Raises ValueError for one that makes no sense."""
        handler = _HANDLERS.get(event.kind)
        if handler is not None:
            handler(self, event)

    # The application

    def _began(self, event: Event) -> None:
        self.application = event.application or ""

    def _ended(self, event: Event) -> None:
        self.ended = True

    def _profile(self, event: Event) -> None:
        if event.profile == 0 and event.requests is not None:
            if not event.requests.cpus.amount > 0:
                raise ValueError("tasks need no cpus at all")
            self.cpus = event.requests.cpus.amount

    def _executor(self, event: Event) -> None:
        if event.executor is not None and event.executor_info is not None:
            if event.executor_info.cores < 0:
                raise ValueError(f"executor {event.executor} has {event.executor_info.cores} cores")
            self.executors[event.executor] = event.executor_info.cores
            self.cores.append(sum(self.executors.values()))

    def _executor_gone(self, event: Event) -> None:
        if self.executors.pop(event.executor or "", None) is not None:
            self.cores.append(sum(self.executors.values()))

    # Jobs

    def _job(self, event: Event) -> None:
        if event.job is None or event.submitted is None:
            raise ValueError("a job starts without number or time")
        given = event.properties or {}
        wanted = (*self.keys, *KIND)
        query = given.get(EXECUTION)
        for info in event.stages:
            self._stage(info)
        self.jobs[event.job] = self.active[event.job] = JobSeen(
            id=event.job,
            submitted=event.submitted,
            listed=tuple(info.id for info in event.stages),
            properties={key: value for key in wanted if (value := given.get(key))},
            query=int(query) if query and query.isdecimal() else None,
        )

    def _job_ended(self, event: Event) -> None:
        job = self.active.pop(-1 if event.job is None else event.job, None)
        if job is not None:
            job.ended = event.completed
            job.succeeded = event.result is not None and event.result.text == "JobSucceeded"

    def _query(self, event: Event) -> None:
        if event.execution is not None and event.sql_time is not None:
            root = event.execution if event.root is None else event.root
            self.queries[event.execution] = QuerySeen(event.sql_time, root, event.description or "")

    def _query_ended(self, event: Event) -> None:
        query = self.queries.get(-1 if event.execution is None else event.execution)
        if query is not None:
            query.ended = event.sql_time
            query.failed = None if event.error is None else event.error != ""

    # Stages and tasks

    def _stage(self, info: StageInfo) -> StageSeen:
        if not 0 <= info.tasks <= MOST_TASKS:
            raise ValueError(
                f"stage {info.id} has {info.tasks} tasks; at most {MOST_TASKS} are read"
            )
        if info.id not in self.stages:
            self.stages[info.id] = StageSeen(info.id, info.name, info.tasks, info.parents)
        return self.stages[info.id]

    def _stage_submitted(self, event: Event) -> None:
        if event.stage is None:
            raise ValueError("a stage is submitted that is not told")
        stage = self._stage(event.stage)
        if stage.submitted is None:  # a later attempt does not count
            stage.submitted = event.stage.submitted
            waiting = [job.id for job in self.active.values() if stage.id in job.listed]
            stage.owner = min(waiting, default=-1)

    def _stage_completed(self, event: Event) -> None:
        if event.stage is not None:
            stage = self._stage(event.stage)
            if event.stage.failure is None:
                stage.completed = event.stage.completed

    def _task_started(self, event: Event) -> None:
        self.running += 1
        self.most_running = max(self.most_running, self.running)

    def _task_ended(self, event: Event) -> None:
        self.running -= 1
        task, stage = event.task, self.stages.get(-1 if event.stage_id is None else event.stage_id)
        if task is None or stage is None:
            return  # of a job whose start is not in the log
        won = event.reason is not None and event.reason.text == "Success"
        partition = task.index if task.partition < 0 else task.partition
        if not won or task.failed or task.killed or partition in stage.tasks:
            self.vain += 1
            return
        held = (task.fetched or task.finish) - task.launch
        if held > LONGEST:
            raise ValueError(f"a task takes {held} ms; is the clock right?")
        if held < 0:
            self.backwards += 1
            held = 0
        stage.tasks[partition] = self._work(event, task, held)

    def _work(self, event: Event, task: TaskInfo, held: int) -> int:
        """How long a task was at work, of the time that it held its core."""
        metrics = event.metrics
        if metrics is None:
            return held
        work = metrics.deserialize + metrics.run + metrics.serialize
        if work <= 0 or work > held:
            return held
        self.overheads[held - work] += 1
        return work


_HANDLERS = {
    "SparkListenerApplicationStart": Record._began,
    "SparkListenerApplicationEnd": Record._ended,
    "SparkListenerResourceProfileAdded": Record._profile,
    "SparkListenerExecutorAdded": Record._executor,
    "SparkListenerExecutorRemoved": Record._executor_gone,
    "SparkListenerJobStart": Record._job,
    "SparkListenerJobEnd": Record._job_ended,
    "SparkListenerStageSubmitted": Record._stage_submitted,
    "SparkListenerStageCompleted": Record._stage_completed,
    "SparkListenerTaskStart": Record._task_started,
    "SparkListenerTaskEnd": Record._task_ended,
    f"{SQL}Start": Record._query,
    f"{SQL}End": Record._query_ended,
}
