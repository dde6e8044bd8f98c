"""WfCommons: public workflows, both layouts, our own writer, and what is refused."""

import json

import msgspec
import pytest
from hypothesis import given, settings

from hocket.core.errors import InputError, NotApplicable
from hocket.core.load import load
from hocket.taskgraph.formats.wfcommons import parse, read, sniff
from hocket.taskgraph.formats.wfcommons_write import write
from hocket.taskgraph.generate import named
from hocket.taskgraph.model.graph import graphs, platform
from hocket.taskgraph.model.scenario import TaskGraphs
from tests.data import shared
from tests.taskgraph.formats.graphs import workflows

OLD = {
    "name": "old",
    "schemaVersion": "1.3",
    "workflow": {
        "machines": [{"nodeName": "m1", "cpu": {"count": 8, "speed": 1200}}, {"nodeName": "m2"}],
        "tasks": [
            {
                "name": "split_ID1",
                "id": "ID1",
                "runtime": 4.2,
                "files": [
                    {"link": "input", "name": "in", "size": 7},
                    {"link": "output", "name": "chunk", "size": 512},
                    {"link": "output", "name": "log", "size": 9},
                ],
            },
            {
                "name": "join_ID2",
                "id": "ID2",
                "runtime": 10,
                "parents": ["split_ID1"],
                "files": [{"link": "input", "name": "chunk", "size": 512}],
            },
        ],
    },
}
NEW = {
    "name": "new",
    "schemaVersion": "1.5",
    "workflow": {
        "specification": {
            "tasks": [
                {"name": "t", "id": "a", "parents": [], "children": ["b"], "outputFiles": ["f"]},
                {"name": "t", "id": "b", "parents": ["a"], "children": [], "inputFiles": ["f"]},
            ],
            "files": [{"id": "f", "sizeInBytes": 1024}],
        },
        "execution": {
            "makespanInSeconds": 1,
            "executedAt": "2026-01-01T00:00:00Z",
            "tasks": [
                {"id": "a", "runtimeInSeconds": 0.0005},
                {"id": "b", "runtimeInSeconds": 2, "coreCount": 4},
            ],
        },
    },
}


def changed(document: dict, path: str, value: object) -> str:
    """The document with the value at a dotted path replaced, or taken out if it is ...."""
    data = json.loads(json.dumps(document))
    *parents, last = path.split(".")
    at = data
    for key in parents:
        at = at[int(key) if key.isdigit() else key]
    last = int(last) if last.isdigit() else last
    if value is ...:
        del at[last]
    else:
        at[last] = value
    return json.dumps(data, indent=1)


def told(text: str) -> list[str]:
    """Every problem of a text."""
    with pytest.raises(InputError) as caught:
        read(text, "x.json")
    return [str(problem) for problem in caught.value.problems]


def test_the_old_layout() -> None:
    scenario = read(json.dumps(OLD), "x.json")
    (graph,) = graphs(scenario)
    assert (scenario.name, scenario.time_unit) == ("old", "ms")
    assert graph.tasks == ("split_ID1", "join_ID2")
    assert graph.durations == ((4200, 4200), (10000, 10000))
    assert graph.inputs == ((), ((0, 512.0),))
    assert [(p.name, p.capacity) for p in scenario.processors] == [("m1", 8), ("m2", 1)]
    assert platform(scenario).bandwidth == ((None, 1e6), (1e6, None))
    assert scenario.notes() == ("the file knows no bandwidths: 1 GB/s between machines",)


def test_the_new_layout() -> None:
    scenario = read(json.dumps(NEW), "x.json")
    (graph,) = graphs(scenario)
    assert (scenario.time_unit, graph.tasks) == ("us", ("a", "b"))
    assert graph.durations == ((500,) * 4, (2_000_000,) * 4)
    assert graph.inputs == ((), ((0, 1024.0),))
    assert platform(scenario).bandwidth[0][1] == 1000
    assert scenario.notes() == (
        "tasks on several cores: 1; each is taken to need one",
        "the file knows no bandwidths: 1 GB/s between machines",
        "the file knows no processors: 4 equal ones; "
        "name it in a YAML file with processors of your own for others",
    )


def test_jobs_of_the_first_versions() -> None:
    first = {"workflow": {"jobs": OLD["workflow"]["tasks"]}}
    assert parse(json.dumps(first), "x.json").times == (4200, 10000)


def test_dependencies_told_on_one_end_alone() -> None:
    text = changed(NEW, "workflow.specification.tasks.1.parents", [])
    assert len(parse(text, "x").type.edges) == 1
    assert parse(changed(NEW, "workflow.specification.tasks.0.children", []), "x").type.edges


def test_no_task_that_takes_time_loses_it() -> None:
    text = changed(OLD, "workflow.tasks.0.runtime", 1e-9)
    drawn = parse(text, "x")
    assert (drawn.unit, drawn.times[0]) == ("us", 1)
    assert "runtimes rounded to whole us: 1" in drawn.notes


@pytest.mark.parametrize(
    "name", ["1000genome-chameleon-16ch-250k-001", "epigenomics-chameleon-ilmn-2seq-50k-001"]
)
def test_public_workflows(name: str) -> None:
    """Counts, total runtime and total data, added up from the document itself."""
    path = shared("taskgraph", "wfcommons", f"{name}.json")
    flow = json.loads(path.read_text())["workflow"]
    scenario = load(path)
    (graph,) = graphs(scenario)
    tasks = {task["name"]: task for task in flow["tasks"]}
    assert set(graph.tasks) == set(tasks)
    edges = {(parent, name) for name, task in tasks.items() for parent in task["parents"]}
    assert len(edges) == sum(map(len, graph.inputs))
    seconds = sum(task["runtime"] for task in tasks.values())
    assert sum(row[0] for row in graph.durations) == round(1000 * seconds)
    moved = 0
    for parent, child in edges:
        out = {f["name"]: f["size"] for f in tasks[parent]["files"] if f["link"] == "output"}
        read_ = {f["name"] for f in tasks[child]["files"] if f["link"] == "input"}
        moved += sum(size for file, size in out.items() if file in read_)
    assert sum(volume for pairs in graph.inputs for _, volume in pairs) == moved > 0
    assert [p.name for p in scenario.processors] == [m["nodeName"] for m in flow["machines"]]


@settings(max_examples=60, deadline=None)
@given(scenario=workflows())
def test_round_trip(scenario: TaskGraphs) -> None:
    """Names, times in seconds, data and machines survive."""
    again = read(write(scenario), "x.json")
    ours, theirs = graphs(scenario)[0], graphs(again)[0]
    assert (theirs.tasks, theirs.inputs) == (ours.tasks, ours.inputs)
    ticks = {"us": 1, "ms": 1000, "s": 10**6}
    for a, b in zip(ours.durations, theirs.durations, strict=True):
        assert a[0] * ticks[scenario.time_unit] == b[0] * ticks[again.time_unit]
    capacities = [(p.name, p.capacity) for p in scenario.processors]
    assert [(p.name, p.capacity) for p in again.processors] == capacities


def test_what_the_format_cannot_hold_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        write(msgspec.structs.replace(named("top2"), time_unit="tick"))
    found = [str(problem) for problem in caught.value.problems]
    assert "types: 2 graphs; a workflow is one" in found
    assert "time_unit: is tick; runtimes are seconds, so set a unit" in found
    assert any(one.startswith("arrivals: and noise have no place in it") for one in found)
    assert "processors[1].functions: 'task_1': machines have to be equally fast" in found
    with pytest.raises(NotApplicable):
        write({})


def test_sniff() -> None:
    assert sniff("x", json.dumps(OLD)) and sniff("x", '\n{"workflow": {')
    assert not sniff("x", '{"problem": "taskgraph/dag"}') and not sniff("x", "workflow:")


@pytest.mark.parametrize(
    ("document", "path", "value", "problem"),
    [
        (OLD, "workflow", ..., "workflow: missing"),
        (OLD, "workflow", {}, "workflow.tasks: there are no tasks"),
        (OLD, "workflow.tasks.0.runtime", -1, "line 21: workflow.tasks[0].runtime: must be >= 0"),
        (OLD, "workflow.tasks.0.runtime", "4", "line 21: workflow.tasks[0].runtime: expected"),
        (OLD, "workflow.tasks.0.runtime", ..., "line 18: workflow.tasks[0]: task 'ID1' has no run"),
        (OLD, "workflow.tasks.0.runtime", 1e99, "line 21: workflow.tasks[0].runtime: must be <="),
        (OLD, "workflow.tasks.0.files.1.size", -1, "workflow.tasks[0].files[1].size: must be >="),
        (OLD, "workflow.tasks.1.parents", ["x"], "workflow.tasks[1].parents[0]: there is no task"),
        (OLD, "workflow.tasks.1.parents", ["ID2"], "tasks go round in a circle: join_ID2 -> "),
        (OLD, "workflow.tasks.0.parents", ["ID2"], "tasks go round in a circle: split_ID1 -> "),
        (OLD, "workflow.tasks.1.id", "ID1", "workflow.tasks[1].id: is that of another task, 'ID1'"),
        (OLD, "workflow.machines.0.cpu.count", 0, "workflow.machines[0].cpu.count: must be >= 1"),
        (OLD, "workflow.machines.0.nodeName", ..., "workflow.machines[0].nodeName: missing"),
        (NEW, "workflow.specification.tasks", [], "workflow.specification.tasks: there are no"),
        (
            NEW,
            "workflow.specification.tasks.0.id",
            "",
            "tasks[0].name: is that of another task, 't'",
        ),
        (NEW, "workflow.execution.tasks.1.id", "c", "task 'b' has no runtime"),
        (NEW, "workflow.execution", ..., "task 'a' has no runtime"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_mistakes_are_told_with_their_place(
    document: dict, path: str, value: object, problem: str
) -> None:
    found = told(changed(document, path, value))
    assert any(problem in one for one in found), found


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[]", "a WfCommons document is an object with the key 'workflow'"),
        ('{"workflow": {"tasks": [', "line 1"),
        ('{"workflow": ' + "[" * 5000, "nested"),
        ('{"workflow": {"tasks": [{"name": "a", "runtime": NaN}]}}', "NaN"),
        ('{"workflow": 1, "workflow": 2}', "workflow"),
    ],
    ids=range(5),
)
def test_text_that_is_no_document(text: str, problem: str) -> None:
    assert problem in " ".join(told(text))
