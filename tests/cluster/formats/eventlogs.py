"""Event logs in the shape of Spark's, made event by event or from a run that was simulated."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

from hocket.cluster.model.analytics import Analytics
from hocket.core.timeline import Timeline

EPOCH = 1_700_000_000_000
"""When the applications of these logs start (ms); events are given times from then on."""
SQL = "org.apache.spark.sql.execution.ui.SparkListenerSQLExecution"


class Log:
    """Events in the order in which they are added."""

    def __init__(self, name: str = "app", cores: int | None = 2, start: bool = True) -> None:
        """A log that begins like Spark's; without executors if `cores` is None."""
        self.events: list[dict[str, Any]] = []
        self.tasks = 0
        if start:
            self.add("SparkListenerLogStart", **{"Spark Version": "3.5.5"})
            self.add(
                "SparkListenerApplicationStart",
                **{"App Name": name, "App ID": "app-1", "Timestamp": EPOCH, "User": "root"},
            )
        if cores is not None:
            self.executor("1", cores)

    def add(self, kind: str, **fields: Any) -> None:
        """Any event."""
        self.events.append({"Event": kind, **fields})

    def executor(self, name: str, cores: int) -> None:
        """An executor comes."""
        info = {"Host": "h", "Total Cores": cores}
        self.add("SparkListenerExecutorAdded", **{"Executor ID": name, "Executor Info": info})

    def executor_gone(self, name: str) -> None:
        """An executor leaves."""
        self.add("SparkListenerExecutorRemoved", **{"Executor ID": name})

    def query(self, number: int, at: int, description: str = "q", root: int | None = None) -> None:
        """An SQL execution begins."""
        fields = {"executionId": number, "time": EPOCH + at, "description": description}
        self.add(f"{SQL}Start", **fields, **({} if root is None else {"rootExecutionId": root}))

    def query_done(self, number: int, at: int, error: str | None = "") -> None:
        """An SQL execution ends; None leaves out what older versions do not tell."""
        more = {} if error is None else {"errorMessage": error}
        self.add(f"{SQL}End", executionId=number, time=EPOCH + at, **more)

    def job(
        self, number: int, at: int, stages: list[tuple[int, int, list[int]]], **props: str
    ) -> None:
        """A job starts; `stages` are number, count of tasks, parents. Dots are ``_`` in `props`."""
        infos = [
            {"Stage ID": s, "Stage Attempt ID": 0, "Stage Name": f"stage {s}",
             "Number of Tasks": count, "Parent IDs": parents}
            for s, count, parents in stages
        ]  # fmt: skip
        properties = {name.replace("_", "."): value for name, value in props.items()}
        self.add(
            "SparkListenerJobStart",
            **{"Job ID": number, "Submission Time": EPOCH + at, "Stage Infos": infos},
            **{"Stage IDs": [s for s, _, _ in stages], "Properties": properties},
        )

    def job_done(self, number: int, at: int, result: str = "JobSucceeded") -> None:
        """A job ends."""
        fields = {"Job ID": number, "Completion Time": EPOCH + at}
        self.add("SparkListenerJobEnd", **fields, **{"Job Result": {"Result": result}})

    def stage(self, number: int, at: int, count: int, attempt: int = 0) -> None:
        """A stage is submitted."""
        info = {"Stage ID": number, "Stage Attempt ID": attempt, "Number of Tasks": count}
        self.add(
            "SparkListenerStageSubmitted", **{"Stage Info": info | {"Submission Time": EPOCH + at}}
        )

    def stage_done(self, number: int, at: int, count: int = 0, failure: str | None = None) -> None:
        """A stage is completed."""
        info = {"Stage ID": number, "Number of Tasks": count, "Completion Time": EPOCH + at}
        more = {} if failure is None else {"Failure Reason": failure}
        self.add("SparkListenerStageCompleted", **{"Stage Info": info | more})

    def task(
        self,
        stage: int,
        index: int,
        at: int,
        work: int,
        *,
        held: int | None = None,
        partition: int | None = None,
        reason: str = "Success",
        **info: Any,
    ) -> None:
        """A task starts and ends: `work` ms of its `held` ms, all by default, it is at work."""
        lasts = work if held is None else held
        about = {
            "Task ID": self.tasks, "Index": index, "Attempt": 0, "Launch Time": EPOCH + at,
            "Finish Time": EPOCH + at + lasts, "Getting Result Time": 0, "Failed": False,
            "Killed": False, "Speculative": False,
        } | ({"Partition ID": index if partition is None else partition}) | info  # fmt: skip
        self.tasks += 1
        self.add("SparkListenerTaskStart", **{"Stage ID": stage, "Task Info": about})
        metrics = {"Executor Deserialize Time": 0, "Executor Run Time": work}
        self.add(
            "SparkListenerTaskEnd",
            **{"Stage ID": stage, "Task Info": about, "Task End Reason": {"Reason": reason}},
            **{"Task Metrics": metrics | {"Result Serialization Time": 0}},
        )

    def end(self, at: int = 10**6) -> None:
        """The application ends."""
        self.add("SparkListenerApplicationEnd", Timestamp=EPOCH + at)

    @property
    def lines(self) -> list[str]:
        """Each event as Spark writes it."""
        return [json.dumps(event, separators=(",", ":")) for event in self.events]

    @property
    def text(self) -> str:
        """The whole log."""
        return "".join(f"{line}\n" for line in self.lines)


def recorded(scenario: Analytics, timeline: Timeline) -> Log:
    """The log that Spark would have written of a run in milliseconds; no stage may be cut anew."""
    log = Log("recorded", scenario.cores)
    numbers = {job.name: j for j, job in enumerate(scenario.jobs)}
    first, count = {}, 0
    for job in scenario.jobs:
        first[job.name] = count
        count += len(job.stages)
    events: list[tuple[int, int, int, Any]] = []
    ends: dict[tuple[str, str], int] = {}
    for span in timeline.spans("run"):
        stage = span.name.partition(".")[0]
        ends[span.group, stage] = max(ends.get((span.group, stage), 0), span.end)
        events.append((span.end, 0, len(events), span))
    events += [(end, 1, len(events), key) for key, end in ends.items()]
    events += [
        (p.time, {"done": 2, "submit": 3, "queue": 4}[p.kind], len(events), p)
        for p in timeline.points()
    ]
    for time, kind, _, what in sorted(events, key=lambda event: event[:3]):
        if kind == 0:
            stage, task = map(int, what.name.split("."))
            held = what.end - what.start
            work = held - scenario.overheads.task
            log.task(first[what.group] + stage, task, what.start, work, held=held)
        elif kind == 1:
            log.stage_done(first[what[0]] + int(what[1]), time)
        elif kind == 2:
            log.job_done(numbers[what.group], time)
        elif kind == 3:
            job, base = scenario.jobs[numbers[what.group]], first[what.group]
            stages = [
                (base + s, len(stage.tasks), [base + b for b in stage.after])
                for s, stage in enumerate(job.stages)
            ]
            log.job(numbers[job.name], time, stages, user_name=job.user)
        else:
            job = scenario.jobs[numbers[what.group]]
            count = len(job.stages[int(what.name)].tasks)
            log.stage(first[what.group] + int(what.name), time, count)
    log.end(timeline.end)
    return log


def lz4_blocks(data: bytes, size: int = 2**15, plain: bool = False) -> bytes:
    """As lz4-java's LZ4BlockOutputStream writes it; checksums are left 0."""
    import pyarrow as arrow

    codec, found = arrow.Codec("lz4_raw"), b""
    for at in range(0, len(data), size):
        block = data[at : at + size]
        packed = block if plain else codec.compress(block, asbytes=True)
        token = 0x10 if plain else 0x20
        found += b"LZ4Block" + struct.pack("<BIII", token | 5, len(packed), len(block), 0) + packed
    return found + b"LZ4Block" + struct.pack("<BIII", 0x15, 0, 0, 0)


def snappy_blocks(data: bytes, size: int = 2**15) -> bytes:
    """As snappy-java's SnappyOutputStream writes it."""
    import pyarrow as arrow

    codec, found = arrow.Codec("snappy"), b"\x82SNAPPY\0" + struct.pack(">II", 1, 1)
    for at in range(0, len(data), size):
        packed = codec.compress(data[at : at + size], asbytes=True)
        found += struct.pack(">I", len(packed)) + packed
    return found


def zstd_frames(data: bytes) -> bytes:
    """One frame of Zstandard."""
    import pyarrow as arrow

    sink = arrow.BufferOutputStream()
    with arrow.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    return bytes(sink.getvalue())


def rolled(folder: Path, pieces: dict[str, list[str]], name: str = "app-1") -> Path:
    """A folder as Spark rolls it: by the number, or ``3.compact``, the lines of each file."""
    path = folder / f"eventlog_v2_{name}"
    path.mkdir()
    (path / f"appstatus_{name}").touch()
    for piece, lines in pieces.items():
        number, dot, compact = piece.partition(".")
        text = "".join(f"{line}\n" for line in lines)
        (path / f"events_{number}_{name}{dot}{compact}").write_text(text)
    return path
