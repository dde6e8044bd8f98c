"""What users of clusters get wrong, as they type it: clear words, an exit code, nothing lost."""

from __future__ import annotations

import copy
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hocket.cli import main
from tests.cluster.formats.eventlogs import Log, rolled
from tests.cluster.formats.objects import container, listed, node, pod

pytest.importorskip("ortools")

Change = Callable[[dict[str, Any]], Any]

ZONE = "topology.kubernetes.io/zone"


def told(capsys: pytest.CaptureFixture[str], *words: str | Path, code: int = 2) -> str:
    """What a command says on standard error; it must end with `code`, and print nothing else."""
    assert main([str(word) for word in words]) == code
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    if code == 2:
        assert captured.out == ""
        assert "hocket: " in captured.err
    return captured.err


def snapshot() -> dict[str, Any]:
    """Two nodes, a pod on each, and one that waits although there is room for it."""
    return listed(
        node("a", "4"),
        node("b", "4"),
        pod("web-a", "a", containers=[container("1")]),
        pod("web-b", "b", containers=[container("1")]),
        pod("new", containers=[container("2")]),
        {
            "kind": "PodDisruptionBudget",
            "metadata": {"name": "web", "namespace": "shop"},
            "spec": {"selector": {"matchLabels": {}}, "maxUnavailable": 1},
        },
    )


def written(tmp_path: Path, change: Change | None = None) -> Path:
    data = snapshot()
    if change is not None:
        change(data)
    path = tmp_path / "now.json"
    path.write_text(json.dumps(data, indent=1))
    return path


def put(item: int, *path: str | int, value: Any) -> Change:
    """A change: what is at this path of an object of the snapshot becomes `value`."""

    def change(data: dict[str, Any]) -> None:
        at: Any = data["items"][item]
        for step in path[:-1]:
            at = at.setdefault(step, {}) if isinstance(at, dict) else at[step]
        at[path[-1]] = value

    return change


def required(*expressions: dict[str, Any]) -> dict[str, Any]:
    terms = {"nodeSelectorTerms": [{"matchExpressions": [*expressions]}]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}


def asks(key: str, operator: str, *values: str) -> dict[str, Any]:
    return {"key": key, "operator": operator, "values": [*values]}


REQUESTS = ("spec", "containers", 0, "resources", "requests")

WRONG: dict[str, tuple[Change, list[str]]] = {
    "a unit with a B": (
        put(3, *REQUESTS, "memory", value="6GiB"),
        ["items[3]", "'GiB'", "write Gi", "Pod shop/web-b"],
    ),
    "a unit of words": (
        put(3, *REQUESTS, "cpu", value="3 cores"),
        ["unknown unit ' cores'", "Ki, Mi, Gi"],
    ),
    "a request below 0": (put(3, *REQUESTS, "cpu", value="-1"), ["'-1' is negative"]),
    "a request beyond all": (put(3, *REQUESTS, "memory", value="9999E"), ["too large"]),
    "a request that is no number": (put(3, *REQUESTS, "cpu", value=float("nan")), ["NaN"]),
    "no nodes": (
        lambda data: data.update(items=data["items"][2:]),
        ["there is no node", "kubectl get nodes,pods,pdb -A -o json"],
    ),
    "the answer to a failed request": (
        lambda data: data.update(kind="Status", code=401, items=None),
        ["there is no node"],
    ),
    "no name": (put(4, "metadata", "name", value=None), ["items[4].metadata.name", "is missing"]),
    "a priority in words": (put(4, "spec", "priority", value="high"), ["got 'high'"]),
    "an operator in small letters": (
        put(4, "spec", "affinity", value=required(asks(ZONE, "in", "a"))),
        ["is 'in'", "NotIn"],
    ),
    "a taint of no effect": (
        put(0, "spec", "taints", value=[{"key": "gpu", "effect": "Never"}]),
        ["items[0].spec.taints[0].effect", "'Never'", "Node a"],
    ),
    "a budget in words": (put(5, "spec", "maxUnavailable", value="half"), ["'half'", "'50%'"]),
    "containers that are text": (put(3, "spec", "containers", value="app"), ["expected a list"]),
    "a number beyond all": (
        put(0, "status", "allocatable", "cpu", value=10**4000),
        ["this number is too large", "Node a"],
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_snapshots_that_are_refused(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change, parts = WRONG[name]
    said = told(capsys, "solve", written(tmp_path, change))
    lines = said.splitlines()
    assert len(lines) == len(set(lines))
    for part in parts:
        assert part in said, said


BOTH_ZONES = required(asks(ZONE, "In", "a"), asks(ZONE, "NotIn", "a"))
THERE_AND_NOT = required(asks("gpu", "Exists"), asks("gpu", "DoesNotExist"))
BETWEEN = required(asks("gen", "Gt", "5"), asks("gen", "Lt", "6"))
SELF = {"labelSelector": {"matchLabels": {"app": "new"}}, "topologyKey": ZONE}
TORN = {
    kind: {"requiredDuringSchedulingIgnoredDuringExecution": [SELF]}
    for kind in ("podAffinity", "podAntiAffinity")
}

ODD: dict[str, tuple[Change, list[str]]] = {
    "no requests": (put(3, "spec", "containers", 0, "resources", value={}), []),
    "a pod on a node that is not there": (
        put(3, "spec", "nodeName", value="ghost"),
        ["left out: pods on nodes that are not there: shop/web-b on ghost"],
    ),
    "more requested than there is": (
        put(3, *REQUESTS, "cpu", value="30"),
        ["more is requested than there is on b (milli_cpu)"],
    ),
    "one UID for two pods": (
        put(3, "metadata", "uid", value="pod-web-a"),
        ["different names have the same UID: shop/web-b and shop/web-a"],
    ),
    "one pod twice": (
        lambda data: data["items"].append(copy.deepcopy(data["items"][3])),
        ["left out: records of pods that stand there already (1)"],
    ),
    "a zone that is and is not": (
        put(4, "spec", "affinity", value=BOTH_ZONES),
        ["contradictory affinity", f"label '{ZONE}': shop/new"],
    ),
    "a label that is and is not there": (
        put(4, "spec", "affinity", value=THERE_AND_NOT),
        ["contradictory affinity", "label 'gpu': shop/new"],
    ),
    "numbers between which there is none": (
        put(4, "spec", "affinity", value=BETWEEN),
        ["contradictory affinity", "label 'gen': shop/new"],
    ),
    "near and far from the same pods": (
        put(4, "spec", "affinity", value=TORN),
        ["contradictory affinity: near wants the very pods", "shop/new"],
    ),
    "a resource that no node has": (put(4, *REQUESTS, "example.com/fpga", value="1"), []),
}


@pytest.mark.parametrize("name", ODD)
def test_snapshots_that_are_read_with_a_word(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change, parts = ODD[name]
    path = written(tmp_path, change)
    assert main(["solve", str(path), "--time-limit", "2", "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["violations"] == []
    for part in parts:
        assert part in captured.err, captured.err
    assert main(["run", str(path)]) == 0


def test_a_pod_of_a_uid_that_another_has_still_holds_its_node(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(data: dict[str, Any]) -> None:
        put(2, *REQUESTS, "cpu", value="3")(data)
        put(3, *REQUESTS, "cpu", value="3")(data)
        put(3, "metadata", "uid", value="pod-web-a")(data)

    assert main(["solve", str(written(tmp_path, full)), "--time-limit", "2", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["objective"], document["steps"]) == (1.0, [])  # no room is invented


WHOLE = json.dumps(snapshot(), indent=1)

TEXTS: dict[str, tuple[str, bytes, list[str]]] = {
    "cut in an object": ("a.json", WHOLE[:1500].encode(), ["line ", "items[", "cut off here"]),
    "cut behind the last": ("a.json", WHOLE[:-30].encode(), ["cut off here"]),
    "cut YAML": ("a.yaml", b"apiVersion: v1\nitems:\n- kind: Node\n", ["cut off"]),
    "empty": ("a.json", b"", ["is empty"]),
    "UTF-16": ("a.json", WHOLE.encode("utf-16"), ["UTF-16", "UTF-8"]),
    "a cut archive": ("a.json.gz", gzip.compress(WHOLE.encode())[:200], ["damaged gzip"]),
    "nested without end": (
        "a.json",
        b'{"apiVersion":"v1","items":[' + b"[" * 99_999,
        ["nested too deep"],
    ),
    "a number of many digits": (
        "a.json",
        b'{"apiVersion":"v1","items":[{"kind":"Node","a":' + b"9" * 5000 + b"}]}",
        ["too many digits"],
    ),
}


@pytest.mark.parametrize("name", TEXTS)
def test_texts_that_are_broken(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, data, parts = TEXTS[name]
    path = tmp_path / file
    path.write_bytes(data)
    said = told(capsys, "solve", path)
    for part in parts:
        assert part in said, said


def test_a_large_snapshot_that_is_cut_says_where(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "large.json"
    items = [node("a"), *(pod(f"p{i}", "a", annotations={"pad": "x" * 4000}) for i in range(2500))]
    path.write_text(json.dumps(listed(*items), indent=1)[:-5000])
    assert path.stat().st_size > 8 * 2**20  # so it is read as a stream
    said = told(capsys, "solve", path)
    assert "items[2499]" in said
    assert "cut off here" in said


UNSOUND: dict[str, tuple[dict[str, Any], list[str]]] = {
    "a pod on no node": (
        {"pods": [{"name": "p", "node": "ghost"}]},
        ["pods[0].node", "'ghost', which is no node", "default/p"],
    ),
    "a name twice": ({"pods": [{"name": "p"}, {"name": "p"}]}, ["'default/p' occurs 2 times"]),
    "less than nothing": ({"pods": [{"name": "p", "requests": {"cpu": -1}}]}, ["is negative"]),
    "a unit unknown": ({"pods": [{"name": "p", "requests": {"memory": "1Gb"}}]}, ["write G,"]),
    "no nodes": ({"nodes": []}, ["nodes", "is empty"]),
    "a budget of both": (
        {"budgets": [{"name": "b", "min_available": 1, "max_unavailable": 1}]},
        ["one of min_available and max_unavailable"],
    ),
}


@pytest.mark.parametrize("name", UNSOUND)
def test_scenarios_that_are_unsound(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change, parts = UNSOUND[name]
    nodes = [{"name": "n", "allocatable": {"cpu": 4}}]
    path = tmp_path / "pods.json"
    path.write_text(json.dumps({"problem": "cluster/pods", "nodes": nodes, **change}))
    said = told(capsys, "run", path)
    for part in parts:
        assert part in said, said


COMMANDS: dict[str, tuple[list[str], list[str]]] = {
    "drain what is not there": (["solve", "@", "--drain", "c"], ["unknown node 'c'"]),
    "without what is not there": (["run", "@", "--without", "w"], ["unknown pod 'w'"]),
    "add what is there": (["compare", "@", "--add-node", "a"], ["a node 'a' already"]),
    "add what is like nothing": (["solve", "@", "--add-node", "x=like:z"], ["unknown node 'z'"]),
    "add in a unit unknown": (["solve", "@", "--add-node", "x=cpu=8GB"], ["unknown unit 'GB'"]),
    "drain a shop": (["run", "shop/ta01", "--drain", "x"], ["nothing to drain"]),
    "a plan of no suffix": (["solve", "@", "--plan", "plan"], [".yaml", ".sh"]),
    "a plan of another suffix": (["solve", "@", "--plan", "plan.txt"], [".yaml", ".sh"]),
    "a plan in no folder": (["solve", "@", "--plan", "no/such/plan.sh"], ["does not exist"]),
    "a script of what is not": (
        ["solve", "@", "--add-node", "c", "--plan", "plan.sh"],
        ["nodes and pods that are there", "new snapshot"],
    ),
    "another goal": (["solve", "@", "--objective", "makespan"], ["There is pending"]),
    "another method": (["solve", "@", "--method", "mip"], ["auto, plain, strong"]),
    "no time": (["solve", "@", "--time-limit", "nan"], ["0 or more"]),
    "a policy for users": (["run", "@", "--policy", "cluster/uwfq"], ["cluster/kube-scheduler"]),
    "a field unknown": (
        ["run", "@", "--policy", "cluster/kube-scheduler", "--set", "ties=random"],
        ["ties: unknown field"],
    ),
    "an option of an option": (
        ["run", "@", "--policy", "cluster/priority-matters", "--set", "search.method=magic"],
        ["search.method", "plain, strong"],
    ),
    "a search through pods": (
        ["compare", "@", "--adversarial", "cluster/kube-scheduler", "cluster/priority-matters"],
        ["no small changes"],
    ),
    "users' jobs solved": (["solve", "cluster/s1"], ["no exact model", "compare policies"]),
    "users' jobs bounded": (["compare", "cluster/s1", "--solve", "1"], ["leave --solve out"]),
    "users' jobs cut too finely": (
        ["run", "cluster/s1", "--policy", "cluster/ujf", "--set", "partition=1e-6"],
        ["partition: must be >= 0.001"],
    ),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_commands_that_make_no_sense(
    name: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    words, parts = COMMANDS[name]
    path = written(tmp_path)
    said = told(capsys, *(path if word == "@" else word for word in words))
    for part in parts:
        assert part in said, said
    assert [one.name for one in tmp_path.iterdir()] == ["now.json"]


def test_ctrl_c_in_a_search_ends_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The search keeps its best at Ctrl-C, for `solve`; a run must not go on to the next one."""
    from hocket.cluster.packing import planner
    from hocket.cluster.packing.plan import Plan

    def interrupted(*_: object, **__: object) -> Plan:
        return Plan(verdict="no better plan in time", reason="interrupted")

    monkeypatch.setattr(planner, "plan_for", interrupted)
    path = written(tmp_path, put(4, *REQUESTS, "cpu", value="8"))
    assert main(["run", str(path), "--policy", "cluster/priority-matters"]) == 130
    assert "interrupted" in capsys.readouterr().err


# Event logs


def log(cores: int | None = 2, user: str = "ann") -> Log:
    """Two jobs of one task each; without a user if it is empty."""
    found = Log(cores=cores)
    for number in (0, 1):
        begun = 100 + 100 * number
        found.job(number, begun, [(number, 1, [])], **({"user_name": user} if user else {}))
        found.stage(number, begun + 5, 1)
        found.task(number, 0, begun + 5, 30, held=33)
        found.stage_done(number, begun + 40, 1)
        found.job_done(number, begun + 41)
    found.end()
    return found


LINES = log().text.splitlines(keepends=True)

LOGS: dict[str, tuple[str, int, list[str]]] = {
    "cut in its last line": ("".join(LINES[:-2]) + LINES[-2][:30], 0, ["is cut off and left out"]),
    "not ended": ("".join(LINES[:-1]), 0, ["had not ended when the log was written"]),
    "cut in the middle": ("".join([*LINES[:5], LINES[5][:30] + "\n", *LINES[6:]]), 2, ["line 6"]),
    "cut before any job": ("".join(LINES[:4]), 2, ["no job in this log", "had not ended"]),
    "without users": (log(user="").text, 0, ["name no user", "'no-user': 2"]),
    "without cores": (log(cores=0).text, 2, ["no cores"]),
    "cores below 0": (log(cores=-4).text, 2, ["-4 cores"]),
}


@pytest.mark.parametrize("name", LOGS)
def test_event_logs(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text, code, parts = LOGS[name]
    path = tmp_path / "app-1"
    path.write_text(text)
    said = told(capsys, "run", path, code=code)
    for part in parts:
        assert part in said, said


def test_a_folder_of_several_applications_names_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    (folder / "app-2").write_text(log().text)
    rolled(folder, {"1": log().text.splitlines()}, "app-1")
    said = told(capsys, "compare", folder, "--no-study")
    assert "2 applications" in said
    assert "app-1, app-2" in said


def test_no_cores_and_no_users_in_a_scenario(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "users.yaml"
    path.write_text(
        "problem: cluster/analytics\ncores: 0\njobs: [{name: j, user: '', stages: [{tasks: [5]}]}]"
    )
    assert "cores: must be >= 1, got 0" in told(capsys, "run", path)
    path.write_text(path.read_text().replace("cores: 0", "cores: 2"))
    assert "jobs[0].user: is empty; say who submits the job" in told(capsys, "run", path)


# A live cluster that cannot be reached


CONFIGS = {
    "broken YAML": "clusters: [",
    "a list": "[1, 2]",
    "text": "just text",
    "empty": "",
    "without a context": "apiVersion: v1\nkind: Config\n",
}


@pytest.mark.parametrize("name", CONFIGS)
def test_kubeconfigs_that_are_none(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("kubernetes")
    path = tmp_path / "config"
    path.write_text(CONFIGS[name])
    said = told(capsys, "live", "k8s", "--kubeconfig", path)
    assert "no cluster to connect to" in said
    assert "--context" in said
