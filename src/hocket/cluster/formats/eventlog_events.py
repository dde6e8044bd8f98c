"""Events of Spark's log as far as they are needed, under the names that Spark gives them.

See ``org.apache.spark.util.JsonProtocol``. Times are milliseconds since 1970, durations too.
"""

from __future__ import annotations

import msgspec


class TaskInfo(msgspec.Struct, frozen=True, kw_only=True, rename={
    "index": "Index", "partition": "Partition ID", "launch": "Launch Time",
    "finish": "Finish Time", "fetched": "Getting Result Time", "failed": "Failed",
    "killed": "Killed",
}):  # fmt: skip
    """An attempt at a task. `fetched`: when its result began to be fetched, 0 if it came along."""

    index: int
    partition: int = -1
    launch: int = 0
    finish: int = 0
    fetched: int = 0
    failed: bool = False
    killed: bool = False


class TaskMetrics(msgspec.Struct, frozen=True, kw_only=True, rename={
    "deserialize": "Executor Deserialize Time", "run": "Executor Run Time",
    "serialize": "Result Serialization Time",
}):  # fmt: skip
    """How long a task was at work on its core."""

    deserialize: int = 0
    run: int = 0
    serialize: int = 0


class Reason(msgspec.Struct, frozen=True, kw_only=True, rename={"text": "Reason"}):
    """Why a task ended."""

    text: str = ""


class StageInfo(msgspec.Struct, frozen=True, kw_only=True, rename={
    "id": "Stage ID", "name": "Stage Name", "tasks": "Number of Tasks", "parents": "Parent IDs",
    "submitted": "Submission Time", "completed": "Completion Time", "failure": "Failure Reason",
}):  # fmt: skip
    """An attempt at a stage, or, in the start of a job, a stage that it may need."""

    id: int
    name: str = ""
    tasks: int = 0
    parents: tuple[int, ...] = ()
    submitted: int | None = None
    completed: int | None = None
    failure: str | None = None


class Result(msgspec.Struct, frozen=True, kw_only=True, rename={"text": "Result"}):
    """How a job ended."""

    text: str = ""


class ExecutorInfo(msgspec.Struct, frozen=True, kw_only=True, rename={"cores": "Total Cores"}):
    """What an executor has."""

    cores: int = 0


class Amount(msgspec.Struct, frozen=True, kw_only=True, rename={"amount": "Amount"}):
    """How much of a resource a task takes."""

    amount: float = 1.0


class Requests(msgspec.Struct, frozen=True, kw_only=True):
    """What a task takes."""

    cpus: Amount = Amount()


class Event(msgspec.Struct, frozen=True, kw_only=True, rename={
    "kind": "Event", "job": "Job ID", "submitted": "Submission Time",
    "completed": "Completion Time", "stages": "Stage Infos", "stage": "Stage Info",
    "stage_id": "Stage ID", "properties": "Properties", "result": "Job Result",
    "task": "Task Info", "metrics": "Task Metrics", "reason": "Task End Reason",
    "time": "Timestamp", "executor": "Executor ID", "executor_info": "Executor Info",
    "profile": "Resource Profile Id", "requests": "Task Resource Requests",
    "application": "App Name", "execution": "executionId", "root": "rootExecutionId",
    "sql_time": "time", "error": "errorMessage", "description": "description",
}):  # fmt: skip
    """Any event. What one of its kind does not have is None."""

    kind: str
    job: int | None = None
    submitted: int | None = None
    completed: int | None = None
    stages: tuple[StageInfo, ...] = ()
    stage: StageInfo | None = None
    stage_id: int | None = None
    properties: dict[str, str | None] | None = None
    result: Result | None = None
    task: TaskInfo | None = None
    metrics: TaskMetrics | None = None
    reason: Reason | None = None
    time: int | None = None
    executor: str | None = None
    executor_info: ExecutorInfo | None = None
    profile: int | None = None
    requests: Requests | None = None
    application: str | None = None
    execution: int | None = None
    root: int | None = None
    sql_time: int | None = None
    error: str | None = None
    description: str | None = None


decode = msgspec.json.Decoder(Event).decode
"""An event from a line. Raises msgspec.DecodeError, and ValidationError for one of odd types."""
