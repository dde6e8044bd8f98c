"""What users of task graphs get wrong: exit code 2, one clear message, no traceback."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hocket.cli import main

SOUND: dict[str, Any] = {
    "problem": "taskgraph/dag",
    "processors": [
        {"name": "a", "functions": {"f": {"duration": 5}, "g": {"duration": 3}}},
        {"name": "b", "functions": {"f": {"duration": 7}}},
    ],
    "communication": {"default": 2},
    "types": [
        {
            "name": "job",
            "tasks": [{"name": "x", "function": "f"}, {"name": "y", "function": "g"}],
            "edges": [{"source": "x", "target": "y", "volume": 10}],
        }
    ],
}


def changed(change: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    data = copy.deepcopy(SOUND)
    change(data)
    return data


def put(*path: str | int, value: Any) -> Callable[[dict[str, Any]], Any]:
    """A change: what is at this path of the file becomes `value`."""

    def change(data: Any) -> None:
        for step in path[:-1]:
            data = data[step]
        data[path[-1]] = value

    return change


EDGES = ("types", 0, "edges")
TASK_Z = [{"name": "x", "function": "f"}, {"name": "z", "function": "q"}]
STREAM = {"type": "stream", "gap": 5}
WRONG: dict[str, tuple[Callable[[dict[str, Any]], Any], list[str]]] = {
    "a circle": (
        put(*EDGES, value=[{"source": "x", "target": "y"}, {"source": "y", "target": "x"}]),
        ["types[0].edges", "x -> y -> x", "take one of these edges out"],
    ),
    "a loop": (put(*EDGES, value=[{"source": "x", "target": "x"}]), ["x -> x"]),
    "an edge from nowhere": (put(*EDGES, 0, "source", value="w"), ["'w', which is no task"]),
    "an edge twice": (put(*EDGES, value=[{"source": "x", "target": "y"}] * 2), ["repeats x -> y"]),
    "a task that nobody can run": (
        put("types", 0, "tasks", value=TASK_Z),
        ["types[0].tasks[1]", "'q', which no processor can", "add it to a processor's functions"],
    ),
    "no bandwidth": (
        put("communication", value={}),
        ["no bandwidth between 'a' and 'b'", "communication.default"],
    ),
    "no bandwidth to memory": (
        put("communication", value={"mode": "shared-memory", "memory": {"a": 3}}),
        ["communication.memory", "no bandwidth of 'b'"],
    ),
    "no bandwidth at all": (put("communication", "default", value=0), ["must be > 0"]),
    "negative volume": (put(*EDGES, 0, "volume", value=-4), ["edges[0].volume", ">= 0, got -4"]),
    "a volume that is no number": (put(*EDGES, 0, "volume", value=float("nan")), ["NaN"]),
    "a time that is no number": (
        put("processors", 0, "functions", "f", "duration", value=float("nan")),
        ["NaN is no number to compute with"],
    ),
    "an endless time": (
        put("processors", 0, "functions", "f", "duration", value=float("inf")),
        ["Infinity is no number to compute with"],
    ),
    "a time between ticks": (
        put("processors", 0, "functions", "f", "duration", value=5.5),
        ["whole number of ticks", "finer time_unit"],
    ),
    "a time beyond all times": (
        put("processors", 0, "functions", "f", "duration", value=2**60),
        ["must be <="],
    ),
    "a type without a chance": (
        put("types", 0, "weight", value=0),
        ["types[0].weight", "no job of this type ever arrives", "positive weight"],
    ),
    "no tasks": (put("types", 0, "tasks", value=[]), ["types[0].tasks", "is empty"]),
    "no types": (put("types", value=[]), ["types", "is empty"]),
    "arrivals that never end": (put("arrivals", value=STREAM), ["horizon", "never end"]),
    "jobs without a gap": (put("arrivals", value={**STREAM, "gap": 0}), ["must be >= 0.5"]),
    "noise beyond measure": (put("noise", value=101), ["must be <= 100"]),
    "a governor without points": (
        put("processors", 0, "governor", value="ondemand"),
        ["processors[0].governor", "needs operating points"],
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_scenarios(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change, said = WRONG[name]
    path = tmp_path / "soc.json"
    path.write_text(json.dumps(changed(change)))
    assert main(["run", str(path), "--policy", "taskgraph/etf"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("hocket: ")
    assert "Traceback" not in captured.err
    for part in said:
        assert part in captured.err, captured.err


def test_all_problems_are_told_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "soc.json"
    path.write_text(json.dumps(changed(put("processors", value=[]))))
    assert main(["check", str(path)]) == 1
    told = capsys.readouterr()
    assert (told.out + told.err).count("which no processor can") == 2


ODD: dict[str, Callable[[dict[str, Any]], Any]] = {
    "disconnected": put("types", 0, "edges", value=[]),
    "over at once": put("horizon", value=0),
    "counted after the end": lambda data: data.update(horizon=50, warm_up=1000, arrivals=STREAM),
    "names": lambda data: data.update(
        types=[{"name": "jöb #1/2", "tasks": [{"name": 'x#0 "ü"<b>', "function": "f"}]}]
    ),
    "all in no time": put(
        "processors", 0, "functions", value={"f": {"duration": 0}, "g": {"duration": 0}}
    ),
    "very wild": lambda data: data.update(noise=100, arrivals={**STREAM, "jobs": 20}),
    "many at once": put("processors", 0, "capacity", value=10_000),
    "a processor for nothing": lambda data: data["processors"].append(
        {"name": "idle", "functions": {"other": {"duration": 3}}}
    ),
    "volumes without end": lambda data: data.update(
        communication={"mode": "shared-memory", "default": 1e-12}
    ),
    "frequencies that are no decimals": put(
        "processors",
        0,
        "points",
        value=[{"frequency": 0.1, "voltage": 1}, {"frequency": 0.30000000000000004, "voltage": 2}],
    ),
}
"""Odd, and sound: they run, under rules for either kind, and pass the independent checker."""


@pytest.mark.parametrize("policy", ["heft", "etf", "met"])
@pytest.mark.parametrize("name", ODD)
def test_odd_but_sound(
    name: str, policy: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "soc.json"
    path.write_text(json.dumps(changed(ODD[name])))
    report = tmp_path / "r.html"
    code = main(
        ["run", str(path), "--policy", f"taskgraph/{policy}", "--json", "--report", str(report)]
    )
    told = capsys.readouterr()
    assert code == 0, told.err
    assert json.loads(told.out)["metrics"]["makespan"] >= 0
    assert "<b>" not in report.read_text().partition("<body")[2].replace("<body", "")
