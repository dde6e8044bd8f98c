"""OpenB: lists of nodes and pods as CSV."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

import hocket
from hocket.cluster.formats.openb import MODEL, read_nodes, read_pods
from hocket.cluster.model.labels import Expression
from hocket.cluster.model.pod_lists import PodList
from hocket.cluster.model.pods import Pod, Pods
from hocket.core.errors import InputError
from tests.data import shared

NODES = """\
sn,cpu_milli,memory_mib,gpu,model
n0,32000,262144,0,
n1,96000,393216,8,V100M16
n2,96000,393216,2,T4
"""
PODS = """\
name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,pod_phase,creation_time,deletion_time,scheduled_time
p0,12000,16384,1,460,,LS,Running,0,100,3
p1,6000,12288,8,1000,V100M16|V100M32,BE,Failed,10,60,10
p2,500,1024,0,0,T4,Burstable,Pending,20,80,
"""
ANY = PodList(path="")


def write(folder: Path) -> Path:
    (folder / "nodes.csv").write_text(NODES)
    (folder / "pods.csv").write_text(PODS)
    return folder


def load(path: Path) -> Pods:
    found = hocket.load(path)
    assert isinstance(found, Pods)
    return found


def test_nodes() -> None:
    first, second, _ = read_nodes(NODES, "x")
    assert (first.name, first.gpus, first.labels) == ("n0", 0, {})
    assert first.allocatable == {"milli_cpu": 32_000, "memory": 256 * 2**30}
    assert (second.gpus, second.labels) == (8, {MODEL: "V100M16"})


def test_pods_come_and_go() -> None:
    p0, p1, p2 = read_pods(PODS, "x", ANY)
    assert p0 == Pod(
        name="p0",
        requests={"milli_cpu": 12_000, "memory": 16 * 2**30},
        priority=2,
        labels={"qos": "LS"},
        arrival=0,
        lifetime=97,
        gpus=1,
        gpu_milli=460,
    )
    models = ((Expression(key=MODEL, values=("V100M16", "V100M32")),),)
    assert (p1.affinity, p1.gpus, p1.gpu_milli, p1.priority) == (models, 8, 1000, 0)
    assert (p1.arrival, p1.lifetime) == (10, 50)
    assert (p2.affinity, p2.gpus, p2.priority) == ((), 0, 1), "without GPUs no model is asked for"
    assert (p2.arrival, p2.lifetime) == (20, 60), "never scheduled: from its creation"


@pytest.mark.parametrize(
    ("at", "names"),
    [(None, "p0 p1 p2"), (0, "p0"), (15, "p0 p1"), (59, "p0 p1 p2"), (60, "p0 p2"), (100, "")],
)
def test_a_static_reading_has_no_times(at: int | None, names: str) -> None:
    found = read_pods(PODS, "x", PodList(path="", reading="static", at=at))
    assert [pod.name for pod in found] == names.split()
    assert not any(pod.arrival or pod.lifetime for pod in found)


def test_without_qos_all_are_equal() -> None:
    found = read_pods(PODS.replace("BE", "odd"), "x", PodList(path="", qos=False))
    assert [pod.priority for pod in found] == [0, 0, 0]
    with pytest.raises(InputError, match="or set qos: false"):
        read_pods(PODS.replace("BE", "odd"), "x", ANY)


def test_either_list_and_the_folder_load_with_the_other(tmp_path: Path) -> None:
    folder = write(tmp_path)
    found = [load(folder / "pods.csv"), load(folder / "nodes.csv"), load(folder)]
    assert found[0] == found[1]
    assert found[0].nodes == found[2].nodes
    assert found[0].pods == found[2].pods == read_pods(PODS, "x", ANY)
    assert (found[0].name, found[0].time_unit, found[0].static) == ("pods", "s", False)


def test_several_pod_lists_are_asked_for(tmp_path: Path) -> None:
    folder = write(tmp_path)
    (folder / "other.csv").write_text(PODS)
    (folder / "notes.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match=r"2 pod lists: other\.csv, pods\.csv; name the one"):
        load(folder)
    with pytest.raises(InputError, match="2 pod lists"):
        load(folder / "nodes.csv")
    assert load(folder / "other.csv").name == "other"
    (folder / "openb_pod_list_default.csv").write_text(PODS)
    assert load(folder / "nodes.csv").name == "openb_pod_list_default", "the usual one"


def test_a_list_without_its_companion(tmp_path: Path) -> None:
    (tmp_path / "pods.csv").write_text(PODS)
    with pytest.raises(InputError, match="no OpenB node list beside it"):
        load(tmp_path / "pods.csv")


def test_a_scenario_names_both_lists(tmp_path: Path) -> None:
    write(tmp_path)
    path = tmp_path / "a.yaml"
    head = "problem: cluster/pods\nnodes: {path: nodes.csv}\n"
    path.write_text(head + "pods: {path: pods.csv}\n")
    found = load(path)
    assert (found.time_unit, len(found.nodes)) == ("s", 3)
    assert found.pods == read_pods(PODS, "x", ANY)
    path.write_text(head + "pods: {path: pods.csv, reading: static, at: 15, qos: false}\n")
    found = load(path)
    assert (found.time_unit, found.static, len(found.pods)) == ("ms", True, 2)
    own = "nodes: [{name: a, allocatable: {cpu: 64, memory: 1Ti}}]\npods: {path: pods.csv}\n"
    path.write_text("problem: cluster/pods\n" + own)
    assert load(path).nodes[0].allocatable == {"milli_cpu": 64_000, "memory": 2**40}


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("pods: {path: nodes.csv}", "pods.path: .*expected an OpenB list of pods"),
        ("pods: {path: none.csv}", "pods.path: .*no such file"),
        ("pods: {file: pods.csv}", "pods: expected a list of pods, or"),
        ("pods: {path: pods.csv, at: 3}", "at is for reading: static"),
        ("pods: {path: pods.csv, reading: odd}", "pods.reading: expected one of"),
        ("pods: {path: pods.csv, sort: up}", "pods.sort"),
        ("pods: {path: pods.csv}\ntime_unit: ms", "set time_unit: s"),
    ],
    ids=range(7),
)
def test_wrong_references(tmp_path: Path, line: str, told: str) -> None:
    write(tmp_path)
    path = tmp_path / "a.yaml"
    path.write_text(f"problem: cluster/pods\nnodes: {{path: nodes.csv}}\n{line}\n")
    with pytest.raises(InputError, match=told):
        load(path)


def test_every_problem_has_its_line() -> None:
    header = PODS.splitlines()[0]
    rows = [
        ",1,1,0,0,,LS,Running,0,1,0",
        "a,1.5,-1,0,0,,LS,Running,0,1,0",
        "b,1,1,2,500,,LS,Running,0,1,0",
        "c,1,1,1,0,,LS,Running,0,1,0",
        "d,1,1,0,0,,LS,Running,5,4,5",
        "e,1,1,0,0,,LS,Runn",
        "f,1,1,1,2000,,LS,Running,0,1,0",
    ]
    with pytest.raises(InputError) as caught:
        read_pods("\n".join([header, *rows]), "x", ANY)
    assert [(p.line, p.path) for p in caught.value.problems] == [
        (2, "name"),
        (3, "cpu_milli"),
        (3, "memory_mib"),
        (4, "gpu_milli"),
        (5, "gpu_milli"),
        (6, "deletion_time"),
        (7, ""),
        (8, "gpu_milli"),
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "empty"),
        ("sn,cpu_milli\n", "columns are missing: memory_mib, gpu, model"),
        ("sn,cpu_milli,memory_mib,gpu,model\n", "no node"),
        (NODES + "n9,1,1,5000,\n", "from 0 to 1024"),
        (NODES.replace("32000", "3\x002000"), "no text file"),
    ],
    ids=range(5),
)
def test_wrong_lists(text: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        read_nodes(text, "x")


def test_lists_of_one_name_twice_are_refused(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "pods.csv").write_text(PODS + PODS.splitlines()[1] + "\n")
    with pytest.raises(InputError, match="'default/p0'"):
        load(tmp_path / "pods.csv")


# The published lists


def test_the_published_lists() -> None:
    found = load(shared("cluster", "openb"))
    assert (len(found.nodes), len(found.pods)) == (1523, 8152)
    assert sum(node.gpus for node in found.nodes) == 6212
    assert Counter(pod.priority for pod in found.pods) == {2: 4647, 0: 3398, 1: 107}
    assert sum(pod.gpu_milli < 1000 for pod in found.pods) == 3078
    assert found.pods[0].lifetime == 12_537_496
    assert not list(found.problems())
    assert load(shared("cluster", "openb", "openb_pod_list_default.csv")).pods == found.pods
