"""Snapshots: what kubectl prints, read whole or as a stream, and whatever is wrong with them."""

from __future__ import annotations

import gzip
import io
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import hocket
from hocket.cluster.formats import kubectl
from hocket.cluster.formats.kubernetes_json import objects
from hocket.cluster.model.pods import Pods
from hocket.core.errors import InputError
from tests.cluster.formats.objects import Data, container, listed, node, pod


def text(*items: Data) -> str:
    return json.dumps(listed(*items), indent=4)


def read(*items: Data) -> Pods:
    return kubectl.read(text(*items), "snapshot.json")


def keys(cluster: Pods) -> list[str]:
    return [pod.key for pod in cluster.pods]


BUDGET = {
    "apiVersion": "policy/v1",
    "kind": "PodDisruptionBudget",
    "metadata": {"name": "web", "namespace": "shop"},
    "spec": {"minAvailable": 1, "selector": {}},
}


def test_a_snapshot_loads_from_json_and_yaml(tmp_path: Path) -> None:
    items = node("n0"), node("n1"), pod("p0", node="n1"), pod("p1"), BUDGET
    (tmp_path / "a.json").write_text(text(*items))
    (tmp_path / "b.yaml").write_text(yaml.safe_dump(listed(*items)))
    (tmp_path / "c.yaml").write_text("# all\n---\n" + yaml.safe_dump_all(items) + "---\n# none\n")
    (tmp_path / "d.json.gz").write_bytes(gzip.compress(text(*items).encode()))
    found = [hocket.load(tmp_path / name) for name in ("a.json", "b.yaml", "c.yaml", "d.json.gz")]
    assert [one.name for one in found] == ["a", "b", "c", "d"]
    for one in found:
        assert isinstance(one, Pods)
        assert [n.name for n in one.nodes] == ["n0", "n1"]
        assert [(p.key, p.node) for p in one.pods] == [("shop/p0", "n1"), ("shop/p1", None)]
        assert [b.name for b in one.budgets] == ["web"]
        assert one.notes() == ()


def test_typed_lists_and_texts_that_follow_one_another() -> None:
    nodes = {"kind": "NodeList", "apiVersion": "v1", "items": [node()]}
    pods = {"kind": "PodList", "apiVersion": "v1", "items": [pod()]}
    for item in (nodes["items"][0], pods["items"][0]):  # type: ignore[index]
        del item["kind"], item["apiVersion"]
    found = kubectl.read(json.dumps(nodes) + "\n" + json.dumps(pods), "x.json")
    assert (len(found.nodes), keys(found)) == (1, ["shop/p0"])
    assert keys(kubectl.read(json.dumps([node(), pod()]), "x.json")) == ["shop/p0"]
    assert keys(read(listed(node(), listed(pod())))) == ["shop/p0"]


def test_nodes_alone_are_a_scenario_and_pods_alone_are_not() -> None:
    assert read(node()).pods == ()
    with pytest.raises(
        InputError, match="there is no node in it; add them: kubectl get nodes,pods"
    ):
        read(pod())
    with pytest.raises(InputError, match="no node"):
        read()


def test_pods_on_nodes_that_are_not_there_are_left_out_and_named() -> None:
    found = read(node(), pod("p0", node="gone"), pod("p1", node="n0"))
    assert keys(found) == ["shop/p1"]
    assert found.notes() == ("left out: pods on nodes that are not there: shop/p0 on gone",)


def test_many_left_out_are_named_in_part() -> None:
    found = read(node(), *(pod(f"p{i}", node="gone") for i in range(14)))
    assert found.notes()[0].endswith("shop/p9 on gone and 4 more")


def test_pods_that_ended_are_counted() -> None:
    done = [pod(f"p{i}", node="n0") for i in range(3)]
    for one, phase in zip(done, ("Succeeded", "Failed", "Running"), strict=True):
        one["status"]["phase"] = phase
    found = read(node(), *done)
    assert keys(found) == ["shop/p2"]
    assert found.notes() == ("left out: pods that ended (2)",)


def test_of_records_of_one_pod_that_with_a_node_counts() -> None:
    old, new = pod("p0"), pod("p0", node="n0")
    for pair in ((old, new), (new, old)):
        found = read(node(), *pair)
        assert [(p.key, p.node) for p in found.pods] == [("shop/p0", "n0")]
        assert found.notes() == ("left out: records of pods that stand there already (1)",)


def test_records_are_told_by_name() -> None:
    renamed, reborn = pod("p1", node="n0"), pod("p0", node="n0")
    renamed["metadata"]["uid"] = "pod-p0"
    reborn["metadata"]["uid"] = "another"
    both = read(node(), pod("p0"), renamed)
    assert keys(both) == ["shop/p0", "shop/p1"]  # what runs is never forgotten
    assert both.notes() == ("pods of different names have the same UID: shop/p1 and shop/p0",)
    assert [p.node for p in read(node(), pod("p0"), reborn).pods] == ["n0"]
    elsewhere = pod("p0")
    elsewhere["metadata"] |= {"uid": "", "namespace": "other"}
    assert keys(read(node(), pod("p0"), elsewhere)) == ["shop/p0", "other/p0"]


def test_nodes_that_stand_twice_count_once() -> None:
    found = read(node(cpu="1"), node(cpu="2"))
    assert [n.allocatable["milli_cpu"] for n in found.nodes] == [1000]
    assert "records of nodes" in found.notes()[0]


def test_overcommitted_nodes_are_named() -> None:
    large = [container("3", "1Gi")]
    found = read(node("n0"), node("n1"), *(pod(f"p{i}", "n1", containers=large) for i in range(2)))
    assert found.notes() == ("more is requested than there is on n1 (milli_cpu)",)
    assert len(found.pods) == 2
    asks = [container(resources={"requests": {"nvidia.com/gpu": 1}})]
    assert "n0 (nvidia.com/gpu)" in read(node(), pod("p", "n0", containers=asks)).notes()[0]


def test_other_kinds_are_counted() -> None:
    items = [{"kind": "Service", "metadata": {"name": f"s{i}"}} for i in range(2)]
    assert read(node(), *items).notes() == ("left out: objects of kind Service (2)",)


def test_what_does_not_count_is_told() -> None:
    selector = {"namespaceSelector": {"matchLabels": {"team": "a"}}, "labelSelector": {}}
    term = selector | {"topologyKey": "zone"}
    found = read(
        node(),
        pod(
            volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}],
            schedulerName="volcano",
            resourceClaims=[{"name": "gpu"}],
            affinity={"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}},
            topologySpreadConstraints=[
                {
                    "maxSkew": 1,
                    "topologyKey": "zone",
                    "whenUnsatisfiable": "DoNotSchedule",
                    "labelSelector": {},
                    "minDomains": 3,
                    "nodeTaintsPolicy": "Honor",
                }
            ],
        ),
    )
    notes = "\n".join(found.notes())
    for word in ("volumes", "volcano", "resourceClaims", "minDomains", "policies", "namespaces"):
        assert word in notes


def test_waiting_pods_come_in_the_order_of_their_making() -> None:
    made = [pod("late"), pod("runs", node="n0"), pod("early")]
    for one, day in zip(made, (3, 2, 1), strict=True):
        one["metadata"]["creationTimestamp"] = f"2026-01-0{day}T00:00:00Z"
    assert keys(read(node(), *made)) == ["shop/runs", "shop/early", "shop/late"]


def test_priorities_of_classes() -> None:
    classes = [
        {"kind": "PriorityClass", "metadata": {"name": "high"}, "value": 1000},
        {
            "kind": "PriorityClass",
            "metadata": {"name": "usual"},
            "value": 7,
            "globalDefault": True,
            "preemptionPolicy": "Never",
        },
    ]
    pods = [
        pod("a", priority=None, priorityClassName="high"),
        pod("b", priority=None),
        pod("c", priority=3, priorityClassName="high"),
        pod("d", priority=None, priorityClassName="system-node-critical"),
        pod("e", priority=None, priorityClassName="none"),
    ]
    found = read(node(), *pods, *classes)
    assert [p.priority for p in found.pods] == [1000, 7, 3, 2_000_001_000, 0]
    assert [p.preempts for p in found.pods] == [True, False, True, True, True]
    assert found.notes() == ("there is no PriorityClass 'none'; its pods get priority 0",)


def test_every_problem_is_told_with_path_object_and_line() -> None:
    wrong = pod("p1", containers=[container("1", "2 GB"), container("-1")])
    with pytest.raises(InputError) as caught:
        read(node(), pod("p0"), wrong, {"kind": "Pod", "spec": {}}, {"metadata": {"name": "x"}})
    problems = caught.value.problems
    assert [problem.path for problem in problems] == [
        "items[2].spec.containers[0].resources.requests.memory",
        "items[2].spec.containers[1].resources.requests.cpu",
        "items[3].metadata.name",
        "items[4].kind",
    ]
    assert "(Pod shop/p1)" in problems[0].message
    lines = text(node(), pod("p0"), wrong).splitlines()
    assert problems[0].line is not None
    assert "2 GB" in lines[problems[0].line - 1]


def test_problems_in_yaml_have_lines_of_the_file() -> None:
    documents = "\n---\n".join(
        [yaml.safe_dump(node()), yaml.safe_dump(pod(containers=[container("1 core")]))]
    )
    with pytest.raises(InputError) as caught:
        kubectl.read(documents, "a.yaml")
    (problem,) = caught.value.problems
    assert problem.path == "documents[1].spec.containers[0].resources.requests.cpu"
    assert problem.line is not None
    assert "1 core" in documents.splitlines()[problem.line - 1]


def test_broken_yaml_in_a_later_document_has_its_line() -> None:
    with pytest.raises(InputError) as caught:
        kubectl.read("apiVersion: v1\nkind: Node\n---\na: [1\nb: 2\n", "a.yaml")
    assert [problem.line for problem in caught.value.problems] == [5]


def test_contradictory_affinity_is_named(tmp_path: Path) -> None:
    zones = [{"key": "zone", "operator": "In", "values": ["b"]}]
    required = {"nodeSelectorTerms": [{"matchExpressions": zones}]}
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}
    path = tmp_path / "a.json"
    path.write_text(text(node(), pod(nodeSelector={"zone": "a"}, affinity=affinity)))
    (told,) = hocket.load(path).notes()  # a cluster may have such pods, which wait for ever
    assert told.startswith("contradictory affinity")
    assert told.endswith("of label 'zone': shop/p0")


# Texts that are broken


WHOLE = text(node(), pod("p0", node="n0", labels="ü"))


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.7, 0.9, 0.999])
def test_a_text_that_is_cut_off_says_so_and_where(share: float, tmp_path: Path) -> None:
    path = tmp_path / "cut.json"
    path.write_text(WHOLE[: int(len(WHOLE) * share)])
    with pytest.raises(InputError, match=r"line \d+: .*cut off"):
        hocket.load(path)


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        ("{", "cut off"),
        ('{"items": [', "cut off"),
        ('{"items": [}', "no JSON"),
        ('{"items": [{}', "cut off"),
        ('{"items": [{} {}', "expected ','"),
        ('{"items" [', "expected ':'"),
        ("{1: 2}", "name of a field"),
        ('{"items": [NaN]}', "NaN is no number"),
        ('{"items": ' + "[" * 100_000, "nested too deep"),
        ('{"a": 1} x', "expected an object"),
        ('{"items": [1, null, "a"]}', "expected a Kubernetes object"),
        ('{"kind": 5}', "no node"),
    ],
    ids=range(12),
)
def test_broken_json(broken: str, told: str) -> None:
    with pytest.raises(InputError) as caught:
        kubectl.read(broken, "x.json")
    assert told in str(caught.value)


def test_an_empty_text() -> None:
    with pytest.raises(InputError, match="empty"):
        list(objects(io.StringIO(" \n"), "x.json"))


@given(st.integers(0, len(WHOLE)), st.characters())
def test_any_changed_character_is_read_or_refused(place: int, other: str) -> None:
    try:
        kubectl.read(WHOLE[:place] + other + WHOLE[place + 1 :], "x.json")
    except InputError as error:
        assert error.problems


@given(st.recursive(st.none() | st.integers() | st.text(max_size=9), st.lists, max_leaves=20))
def test_items_come_as_they_are_whatever_the_blocks(value: Any) -> None:
    """Blocks of every size cut the text in other places."""
    document = json.dumps({"a": value, "items": [value, {"x": value}, 12.5], "b": [value]})
    expected = [("items[0]", value, ""), ("items[1]", {"x": value}, ""), ("items[2]", 12.5, "")]
    for size in (1, 2, 3, 7):
        assert list(objects(_Slow(document, size), "x")) == expected  # type: ignore[arg-type]


class _Slow:
    """A file that never reads more than a few characters at once."""

    def __init__(self, text: str, size: int) -> None:
        self.text, self.size, self.at = text, size, 0

    def read(self, _: int) -> str:
        block = self.text[self.at : self.at + self.size]
        self.at += self.size
        return block


# Large files


@pytest.fixture
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kubectl, "LARGE", 200)
    monkeypatch.setattr(kubectl, "LARGEST_YAML", 400)


@pytest.mark.usefixtures("small_limits")
def test_a_large_file_is_streamed_to_the_same_scenario(tmp_path: Path) -> None:
    items = [node("n0"), *(pod(f"p{i}", node="n0") for i in range(30)), BUDGET]
    (tmp_path / "a.json").write_text("\n" + text(*items), encoding="utf-8-sig")
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(text(*items).encode()))
    for name in ("a.json", "a.json.gz"):
        path = tmp_path / name
        assert kubectl.claims(path, path.read_bytes()[:4096])
        assert hocket.load(path) == kubectl.read(text(*items), str(tmp_path / "a.json"))


@pytest.mark.usefixtures("small_limits")
def test_a_large_yaml_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(yaml.safe_dump(listed(node(), pod())))
    with pytest.raises(InputError, match="write JSON: kubectl get"):
        hocket.load(path)


@pytest.mark.usefixtures("small_limits")
def test_a_large_file_that_is_broken_says_so(tmp_path: Path) -> None:
    whole = text(node(), *(pod(f"p{i}") for i in range(30)))
    path = tmp_path / "a.json"
    path.write_text(whole[:-500])
    with pytest.raises(InputError, match=r"line \d+: items\[30\].*cut off"):
        hocket.load(path)
    path.write_bytes(whole.encode()[:5000] + b"\xff\xfe" + whole.encode()[5000:])
    with pytest.raises(InputError, match="no UTF-8"):
        hocket.load(path)
    packed = gzip.compress(whole.encode())
    path.write_bytes(packed[: len(packed) // 2])
    with pytest.raises(InputError, match="write the file again"):
        hocket.load(path)


def test_a_stream_holds_no_more_than_its_pods(tmp_path: Path) -> None:
    """12 MB of which nearly all is text that does not matter."""
    path = tmp_path / "a.json"
    padded = pod()
    padded["metadata"]["annotations"] = {"padding": "x" * 20_000}
    with path.open("w") as file:
        file.write('{"apiVersion": "v1", "items": [' + json.dumps(node()))
        for i in range(600):
            padded["metadata"] |= {"name": f"p{i}", "uid": f"u{i}"}
            file.write("," + json.dumps(padded))
        file.write('], "kind": "List"}')
    assert kubectl.claims(path, path.read_bytes()[:4096])
    tracemalloc.start()
    found = hocket.load(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert isinstance(found, Pods)
    assert len(found.pods) == 600
    assert peak < path.stat().st_size / 2


def test_what_it_claims_is_large_and_its_own(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(text(node()))
    assert not kubectl.claims(path, path.read_bytes()), "small files are read as text"
    path.write_text('{"problem": "cluster/pods"' + " " * kubectl.LARGE)
    assert not kubectl.claims(path, path.read_bytes()[:4096])
    assert not kubectl.claims(tmp_path, b"")
    assert not kubectl.claims(tmp_path / "none", b"")


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ('{"apiVersion": "v1", "items": [', True),
        ('{"kind":"NodeList","apiVersion":"v1","metadata":{}', True),
        ("apiVersion: v1\nitems:\n- apiVersion: v1\n", True),
        ("# a\n---\nkind: Pod\napiVersion: v1\n", True),
        ("- apiVersion: v1\n- kind: Pod\n", True),
        ('{"problem": "cluster/pods", "nodes": []}', False),
        ('{"problem": "cluster/analytics", "jobs": [{"kind": "query"}]}', False),
        ("problem: cluster/pods\nnodes: []\n", False),
        ("apiVersion: v1\n", False),
        ('{"schemaVersion": "1.5", "workflow": {}}', False),
        ("", False),
    ],
)
def test_sniff(head: str, expected: bool) -> None:
    assert kubectl.sniff("x", head) is expected
