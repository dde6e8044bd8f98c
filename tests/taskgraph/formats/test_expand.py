"""Scenarios that name files: what is put in place, what is told, and what editors know of it."""

from pathlib import Path

import jsonschema
import pytest

from hocket.core.errors import InputError
from hocket.core.load import check, load
from hocket.core.schema import schema
from hocket.taskgraph.formats.ds3_write import write_jobs, write_resources
from hocket.taskgraph.formats.wfcommons_write import write as write_workflow
from hocket.taskgraph.generate import named
from hocket.taskgraph.model.graph import graphs, platform
from tests.taskgraph.formats.test_stg import PLAIN

DOT = "digraph jpeg { a [weight=4]; b [weight=5]; a -> b [volume=3] }"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Resource and job files, and graphs with times."""
    top = named("top2")
    (tmp_path / "SoC.txt").write_text(write_resources(top))
    (tmp_path / "jobs.txt").write_text(write_jobs(top))
    (tmp_path / "x.stg").write_text(PLAIN)
    (tmp_path / "y.dot").write_text(DOT)
    return tmp_path


def written(folder: Path, text: str) -> Path:
    """A scenario file in the folder."""
    path = folder / "scenario.yaml"
    path.write_text(f"problem: taskgraph/dag\n{text}")
    return path


def test_resource_and_job_files(folder: Path) -> None:
    path = written(
        folder,
        "processors: {path: SoC.txt}\n"
        "types: [{path: jobs.txt, weight: 3}]\n"
        "communication: {mode: shared-memory}\n"
        "arrivals: {type: stream, gap: 25, capacity: 3}\n"
        "horizon: 5000\n",
    )
    found, top = load(path), named("top2")
    assert (found.processors, graphs(found)) == (top.processors, graphs(top))
    assert [kind.weight for kind in found.types] == [3, 3]
    assert platform(found).to_memory == (2.0, 2.0, 2.0)
    assert platform(found).bandwidth == platform(top).bandwidth
    assert found.arrivals.capacity == 3


def test_graphs_with_times_on_processors_of_several_speeds(folder: Path) -> None:
    path = written(
        folder,
        "processors: {speeds: [1, 2]}\ntypes: [{path: x.stg}, {path: y.dot, weight: 3}]\n",
    )
    found = load(path)
    stg, dot = graphs(found)
    assert [kind.weight for kind in found.types] == [1, 3]
    assert stg.durations == ((0, 0), (20, 10), (3, 2), (7, 4), (0, 0))  # halves to even
    assert dot.durations == ((4, 2), (5, 2)) and dot.inputs == ((), ((0, 3.0),))
    assert (found.time_unit, platform(found).bandwidth[0][1]) == ("tick", 1.0)


def test_one_graph_keeps_the_names_of_its_tasks(folder: Path) -> None:
    found = load(written(folder, "processors: {speeds: [1]}\ntypes: [{path: y.dot}]\n"))
    assert list(found.processors[0].functions) == ["a", "b"]


def test_graphs_with_times_on_processors_of_their_own(folder: Path) -> None:
    path = written(
        folder,
        "processors: [{name: p, functions: {a: {duration: 8}, b: {duration: 9}}}]\n"
        "types: [{path: y.dot}]\n",
    )
    found = load(path)
    assert graphs(found)[0].durations == ((8,), (9,))
    assert found.notes() == ("times in files of graphs do not count: processors have theirs",)


def test_units_come_with_the_times(folder: Path) -> None:
    flow = named("sc-tx")
    first = flow.processors[4]
    import msgspec

    alone = msgspec.structs.replace(
        flow,
        processors=(first,),
        communication=msgspec.structs.replace(flow.communication, links=()),
    )
    (folder / "flow.json").write_text(write_workflow(alone))
    found = load(written(folder, "processors: {speeds: [1]}\ntypes: [{path: flow.json}]\n"))
    assert (found.time_unit, found.communication.default) == ("us", 1000)
    wrong = written(
        folder, "time_unit: ms\nprocessors: {speeds: [1]}\ntypes: [{path: flow.json}]\n"
    )
    assert "times of sc-tx are us, and time_unit is ms" in str(check(wrong)[0])


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        (
            "processors: {path: nothere.txt, foo: 1}\ntypes: [{path: jobs.txt}]\n",
            ["line 2: processors.foo: unknown field"],
        ),
        ("processors: {path: x}\ntypes: [{path: y}]\n", ["types[0].path", "processors.path"]),
        (
            "processors: {path: jobs.txt}\ntypes: [{path: SoC.txt}]\n",
            ["this DS3 file holds no jobs", "this DS3 file holds no resources"],
        ),
        (
            "processors: {path: x.stg}\ntypes: [{path: scenario.yaml}]\n",
            ["not recognised; expected a DS3 job file, STG, DOT", "expected a DS3 resource file"],
        ),
        (
            "processors: {speeds: [1, 0]}\ntypes: [{path: x.stg, weight: -1}]\n",
            ["line 3: types[0].weight: must be >= 0", "line 2: processors.speeds[1]: must be > 0"],
        ),
        (
            "processors: {speeds: []}\ntypes: [{path: x.stg}]\n",
            ["processors.speeds: must have at least 1 entries"],
        ),
        (
            "processors: {speeds: [1]}\ntypes: [{path: jobs.txt}]\n",
            ["line 2: processors.speeds: only for graphs of files with times"],
        ),
        (
            "processors: {speeds: [1.0e-11]}\ntypes: [{path: x.stg}]\n",
            ["line 2: processors.speeds: so slow that times have no end"],
        ),
        (
            "processors: {count: 3}\ntypes: [{path: x.stg}]\n",
            ["line 2: processors: expected a list of processors, {path: FILE} or {speeds:"],
        ),
        ("types: [{path: x.stg}]\n", ["processors: missing"]),
        (
            "processors: {speeds: [1]}\ntypes: [{path: x.stg}]\nremarks: 5\ncommunication: x\n",
            ["line 4: remarks: expected", "line 5: communication: expected"],
        ),
        ("processors: {path: SoC.txt}\n", ["types: missing"]),
        ("processors: {path: SoC.txt}\ntypes: 3\n", ["types: expected"]),
        ("processors: {path: 3}\ntypes: [{path: []}]\n", ["processors.path: expected text"]),
        (
            "processors: {path: SoC.txt}\ntypes: [{path: jobs.txt}, {path: jobs.txt}]\n",
            ["types: 'Top_1' occurs 2 times; rename all but one"],
        ),
        (
            "processors: {path: SoC.txt}\ntypes: [{path: y.dot}]\n",
            ["types[0].tasks[0]: runs 'a', which no processor can"],
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_wrong_references_are_all_told(folder: Path, text: str, problems: list[str]) -> None:
    found = [str(problem) for problem in check(written(folder, text))]
    for problem in problems:
        assert any(problem in one for one in found), found


def test_mistakes_in_a_file_are_told_with_its_name_and_lines(folder: Path) -> None:
    (folder / "x.stg").write_text(PLAIN.replace("20", "-20"))
    path = written(folder, "processors: {speeds: [1]}\ntypes: [{path: x.stg}]\n")
    with pytest.raises(InputError, match=r"x\.stg: line 3: time: expected a whole number"):
        load(path)


def test_editors_know_references() -> None:
    validator = jsonschema.Draft202012Validator(schema("taskgraph/dag"))
    good = {
        "problem": "taskgraph/dag",
        "processors": {"path": "SoC.txt"},
        "types": [{"path": "job.txt", "weight": 2}, {"name": "t", "tasks": [{"name": "a"}]}],
    }
    assert validator.is_valid(good)
    assert validator.is_valid(good | {"processors": {"speeds": [1, 2]}})
    assert not validator.is_valid(good | {"processors": {"speed": [1, 2]}})
    assert not validator.is_valid(good | {"types": [{"file": "job.txt"}]})


def test_files_are_recognised_by_what_is_in_them(folder: Path) -> None:
    """`hocket run FILE` on each format, whatever the file is called."""
    both = (folder / "SoC.txt").read_text() + (folder / "jobs.txt").read_text()
    for name, text in {"a.txt": both, "b.txt": PLAIN, "c.txt": DOT, "d": both}.items():
        (folder / name).write_text(text)
        assert load(folder / name).types
