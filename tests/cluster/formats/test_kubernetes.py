"""Single objects as nodes, pods and budgets."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hocket.cluster.formats.kubernetes import budget_of, node_of, pod_of
from hocket.cluster.formats.kubernetes_rules import NOTHING
from hocket.cluster.model.labels import Expression, selects
from hocket.cluster.model.pods import HOSTNAME, NAME, Node, Pod
from hocket.cluster.model.rules import (
    Budget,
    Preferred,
    PreferredNode,
    Spread,
    Taint,
    Term,
    Toleration,
)
from hocket.core.errors import InputError
from tests.cluster.formats.objects import Data, container, node, pod


def read(**spec: Any) -> Pod:
    found = pod_of(pod(**spec))
    assert found is not None
    return found


# Nodes


def test_a_node_gives_what_is_allocatable() -> None:
    assert node_of(node(cpu="3920m", memory="12Gi")) == Node(
        name="n0", allocatable={"milli_cpu": 3920, "memory": 12 * 2**30, "pods": 110}
    )


def test_a_node_without_allocatable_gives_its_capacity() -> None:
    data = node()
    del data["status"]["allocatable"]
    assert node_of(data).allocatable == {"milli_cpu": 64_000, "memory": 2**40, "pods": 200}


def test_a_node_that_gives_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="neither allocatable nor capacity"):
        node_of({"metadata": {"name": "n0"}})


def test_taints_labels_and_cordon() -> None:
    data = node(
        unschedulable=True,
        taints=[{"key": "gpu", "value": "yes", "effect": "NoExecute"}, {"key": "x"}],
    )
    data["metadata"]["labels"] = {"zone": "a"}
    found = node_of(data)
    assert found.taints == (
        Taint(key="gpu", value="yes", effect="NoExecute"),
        Taint(key="x", effect="NoSchedule"),
    )
    assert (found.cordoned, found.down, found.labels) == (True, False, {"zone": "a"})


@pytest.mark.parametrize(("status", "down"), [("True", False), ("False", True), ("Unknown", True)])
def test_a_node_that_is_not_ready_is_down(status: str, down: bool) -> None:
    data = node()
    data["status"]["conditions"][1]["status"] = status
    assert node_of(data).down is down


def test_a_node_that_says_nothing_of_being_ready_is_up() -> None:
    data = node()
    del data["status"]["conditions"]
    assert not node_of(data).down


# Requests


def requests(**spec: Any) -> dict[str, int]:
    return read(**spec).requests


def test_containers_add_up() -> None:
    two = [container("100m", "1Gi"), container("250m", "512Mi")]
    assert requests(containers=two) == {"milli_cpu": 350, "memory": 1536 * 2**20}


def test_a_large_init_container_counts_alone() -> None:
    spec = {"containers": [container("100m", "1Gi")], "initContainers": [container("1", "64Mi")]}
    assert requests(**spec) == {"milli_cpu": 1000, "memory": 2**30}


def test_sidecars_run_beside_what_comes_after_them() -> None:
    sidecar = container("100m", "100Mi", restartPolicy="Always")
    init = container("500m", "10Mi")
    main = [container("300m", "50Mi")]
    before = requests(containers=main, initContainers=[init, sidecar])
    after = requests(containers=main, initContainers=[sidecar, init])
    assert before == {"milli_cpu": 500, "memory": 150 * 2**20}
    assert after == {"milli_cpu": 600, "memory": 150 * 2**20}


def test_limits_stand_in_for_requests() -> None:
    resources = {"requests": {"cpu": "1"}, "limits": {"cpu": "2", "nvidia.com/gpu": 1}}
    assert requests(containers=[{"name": "c", "resources": resources}]) == {
        "milli_cpu": 1000,
        "nvidia.com/gpu": 1,
    }


def test_overhead_is_added() -> None:
    assert requests(overhead={"cpu": "250m"})["milli_cpu"] == 350


def test_requests_of_the_pod_replace_those_of_its_containers() -> None:
    spec = {
        "resources": {"requests": {"cpu": "2"}, "limits": {"memory": "1Gi", "hugepages-2Mi": 4}}
    }
    assert requests(**spec, overhead={"cpu": "1m"}) == {
        "milli_cpu": 2001,
        "memory": 64 * 2**20,
        "hugepages-2Mi": 4,
    }


def test_a_container_being_resized_needs_the_most_of_old_and_new() -> None:
    data = pod()
    data["status"]["containerStatuses"] = [
        {
            "name": "app",
            "allocatedResources": {"cpu": "300m"},
            "resources": {"requests": {"cpu": 1}},
        },
        {"name": "other", "allocatedResources": {"cpu": "9"}},
    ]
    found = pod_of(data)
    assert found is not None
    assert found.requests == {"milli_cpu": 1000, "memory": 64 * 2**20}


@given(
    st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=5),
    st.lists(st.integers(0, 9), min_size=1, max_size=3),
)
def test_requests_are_the_most_that_ever_runs_at_once(
    inits: list[tuple[int, bool]], mains: list[int]
) -> None:
    """Against the life of a pod, step by step."""
    running = peak = 0
    for cpu, sidecar in inits:
        peak = max(peak, running + cpu)
        running += cpu if sidecar else 0
    peak = max(peak, running + sum(mains))
    found = requests(
        containers=[container(f"{cpu}m") for cpu in mains],
        initContainers=[
            container(f"{cpu}m", **({"restartPolicy": "Always"} if sidecar else {}))
            for cpu, sidecar in inits
        ],
    )
    assert found["milli_cpu"] == peak


# Where a pod may run


def test_selector_and_affinity_of_nodes() -> None:
    zone = {"key": "zone", "operator": "In", "values": ["a", "b"]}
    cores = {"key": "cores", "operator": "Gt", "values": ["8"]}
    own = {"key": "metadata.name", "operator": "In", "values": ["n7"]}
    found = read(
        nodeSelector={"os": "linux"},
        affinity={
            "nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {
                    "nodeSelectorTerms": [
                        {"matchExpressions": [zone, cores]},
                        {"matchFields": [own]},
                        {},
                    ]
                },
                "preferredDuringSchedulingIgnoredDuringExecution": [
                    {"weight": 7, "preference": {"matchExpressions": [zone]}},
                    {"weight": 9, "preference": {}},
                ],
            }
        },
    )
    in_zone = Expression(key="zone", values=("a", "b"))
    assert found.selector == (Expression(key="os", values=("linux",)),)
    assert found.affinity == (
        (in_zone, Expression(key="cores", op="Gt", values=("8",))),
        (Expression(key=NAME, values=("n7",)),),
    )
    assert found.prefers == (PreferredNode(weight=7, selector=(in_zone,)),)
    node = Node(name="n7", allocatable={}, labels={HOSTNAME: "other"})
    assert selects(found.affinity[1], node.described)
    assert node.label(NAME) == "n7"


def test_an_empty_node_selector_term_fits_no_node() -> None:
    required = {"nodeSelectorTerms": [{}]}
    found = read(
        affinity={"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}
    )
    assert found.affinity == (NOTHING,)
    assert not selects(NOTHING, Node(name="n", allocatable={}).described)


def terms(*listed: Data, kind: str = "podAffinity") -> Data:
    return {"affinity": {kind: {"requiredDuringSchedulingIgnoredDuringExecution": [*listed]}}}


def test_terms_between_pods() -> None:
    web = {"labelSelector": {"matchLabels": {"app": "web"}}, "topologyKey": "zone"}
    selected = (Expression(key="app", values=("web",)),)
    assert read(**terms(web)).near == (Term(selector=selected, topology="zone"),)
    found = read(
        affinity={
            "podAffinity": {
                "preferredDuringSchedulingIgnoredDuringExecution": [
                    {"weight": 3, "podAffinityTerm": web}
                ]
            },
            "podAntiAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": [
                    web | {"namespaces": ["a", "b"]}
                ],
                "preferredDuringSchedulingIgnoredDuringExecution": [
                    {"weight": 5, "podAffinityTerm": web}
                ],
            },
        }
    )
    term = Term(selector=selected, topology="zone")
    assert found.apart == (Term(selector=selected, topology="zone", namespaces=("a", "b")),)
    assert found.likes == (Preferred(weight=3, term=term), Preferred(weight=-5, term=term))


NAMED = {"matchLabels": {"kubernetes.io/metadata.name": "ops"}}


@pytest.mark.parametrize(
    ("chosen", "namespaces"),
    [
        ({}, ()),
        ({"namespaceSelector": None}, ()),
        ({"namespaces": ["x"]}, ("x",)),
        ({"namespaceSelector": {}}, ("*",)),
        ({"namespaceSelector": {}, "namespaces": ["x"]}, ("*",)),
        ({"namespaceSelector": NAMED, "namespaces": ["x"]}, ("x", "ops")),
        ({"namespaceSelector": {"matchLabels": {"team": "a"}}}, ("*",)),
    ],
)
def test_namespaces_of_a_term(chosen: Data, namespaces: tuple[str, ...]) -> None:
    term = {"labelSelector": {}, "topologyKey": "zone", **chosen}
    assert read(**terms(term)).near == (Term(topology="zone", namespaces=namespaces),)


def test_a_null_selector_means_no_pod() -> None:
    term = {"topologyKey": "zone"}
    assert read(**terms(term)).near[0].selector == NOTHING
    assert read(**terms(term, kind="podAntiAffinity")).apart == ()


def test_match_label_keys_name_the_pods_own_values() -> None:
    term = {
        "labelSelector": {},
        "topologyKey": "zone",
        "matchLabelKeys": ["hash", "absent"],
        "mismatchLabelKeys": ["team"],
    }
    data = pod(**terms(term))
    data["metadata"]["labels"] = {"hash": "1", "team": "a"}
    found = pod_of(data)
    assert found is not None
    assert found.near[0].selector == (
        Expression(key="hash", values=("1",)),
        Expression(key="team", op="NotIn", values=("a",)),
    )


def test_spread() -> None:
    constraint = {
        "maxSkew": 2,
        "topologyKey": "zone",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchExpressions": [{"key": "app", "operator": "Exists"}]},
    }
    none = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}
    found = read(topologySpreadConstraints=[constraint, none])
    selected = (Expression(key="app", op="Exists"),)
    assert found.spread == (Spread(topology="zone", selector=selected, max_skew=2, hard=False),)


def test_tolerations() -> None:
    found = read(
        tolerations=[
            {"operator": "Exists"},
            {"key": "gpu", "value": "yes", "effect": "NoSchedule"},
            {"key": "k", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300},
            {"key": "speed", "operator": "Gt", "value": "5"},
        ]
    )
    assert found.tolerations == (
        Toleration(op="Exists"),
        Toleration(key="gpu", value="yes", effect="NoSchedule"),
        Toleration(key="k", op="Exists", effect="NoExecute"),
    )


def test_ports_of_the_node() -> None:
    ports = {"ports": [{"containerPort": 80, "hostPort": 8080}, {"containerPort": 90}]}
    udp = {"ports": [{"containerPort": 53, "hostPort": 53, "protocol": "UDP"}]}
    mains = [container(**ports)]
    assert read(containers=mains).ports == ("TCP/8080",)
    assert read(containers=mains, hostNetwork=True).ports == ("TCP/8080", "TCP/90")
    assert read(initContainers=[container(**udp)]).ports == ()
    sidecar = container(**udp, restartPolicy="Always")
    assert read(initContainers=[sidecar]).ports == ("UDP/53",)


# State


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_a_pod_that_ended_is_none(phase: str) -> None:
    data = pod(node="n0")
    data["status"]["phase"] = phase
    assert pod_of(data) is None


def test_a_pod_being_deleted_keeps_its_node_and_stays() -> None:
    data = pod(node="n0")
    data["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    found = pod_of(data)
    assert found is not None
    assert (found.node, found.protected, found.protection) == ("n0", True, "is being deleted")
    del data["spec"]["nodeName"]
    assert pod_of(data) is None, "it will never run"


def test_priority_node_gates_and_owner() -> None:
    found = read(
        priority=-7, preemptionPolicy="Never", schedulingGates=[{"name": "x"}], owner="web-5d9c"
    )
    assert (found.priority, found.preempts, found.gated) == (-7, False, True)
    assert (found.node, found.owner, found.key) == (None, "ReplicaSet/web-5d9c", "shop/p0")
    assert not read(schedulingGates=[{"name": "x"}], node="n0").gated
    data = pod()
    data["status"]["nominatedNodeName"] = "n0"
    nominated = pod_of(data)
    assert nominated is not None
    assert nominated.node is None


def test_only_the_controller_owns() -> None:
    data = pod(owner="")
    data["metadata"]["ownerReferences"] = [{"kind": "ConfigMap", "name": "x"}]
    found = pod_of(data)
    assert found is not None
    assert found.owner == ""


# Protection


CLAIM = {"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]}
SAFE = "cluster-autoscaler.kubernetes.io/safe-to-evict"


@pytest.mark.parametrize(
    ("spec", "annotations", "reason"),
    [
        ({}, {}, ""),
        ({"owner": ""}, {}, "has no controller that would make it anew"),
        ({"owner": ""}, {"hocket.dev/protected": "false"}, ""),
        (CLAIM, {}, "mounts a PersistentVolumeClaim, which may be tied to its node"),
        (CLAIM, {"hocket.dev/protected": "false"}, ""),
        ({"volumes": [{"name": "v", "emptyDir": {}}]}, {}, ""),
        ({"volumes": [{"name": "v", "ephemeral": {}}]}, {}, ""),
        ({}, {SAFE: "false"}, f"is annotated {SAFE}: false"),
        ({}, {SAFE: "true"}, ""),
        ({}, {"hocket.dev/protected": "true"}, "is annotated hocket.dev/protected"),
        ({}, {"hocket.dev/protected": "true", "hocket.dev/protection": "mine"}, "mine"),
        ({}, {"kubernetes.io/config.mirror": "0123"}, "is a static pod of its node"),
        ({}, {"kubernetes.io/config.source": "file"}, "is a static pod of its node"),
        ({}, {"kubernetes.io/config.source": "api"}, ""),
    ],
    ids=range(14),
)
def test_protection(spec: Data, annotations: Data, reason: str) -> None:
    data = pod(node="n0", **spec)
    data["metadata"]["annotations"] = annotations
    found = pod_of(data)
    assert found is not None
    assert (found.protected, found.protection) == (bool(reason), reason)


def test_pods_of_nodes_and_daemon_sets_are_protected() -> None:
    for kind, told in (("Node", "static pod"), ("DaemonSet", "DaemonSet")):
        data = pod(node="n0")
        data["metadata"]["ownerReferences"][0]["kind"] = kind
        found = pod_of(data)
        assert found is not None
        assert found.protected
        assert told in found.protection


# Budgets


def budget(**spec: Any) -> Data:
    return {"metadata": {"name": "b", "namespace": "shop"}, "spec": spec}


WEB = {"matchLabels": {"app": "web"}}
SELECTED = (Expression(key="app", values=("web",)),)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"selector": WEB, "minAvailable": 2}, {"selector": SELECTED, "min_available": 2}),
        (
            {"selector": WEB, "maxUnavailable": "25%"},
            {"selector": SELECTED, "max_unavailable": "25%"},
        ),
        ({"selector": {}, "maxUnavailable": 0}, {"selector": (), "max_unavailable": 0}),
        ({"minAvailable": 1}, {"selector": NOTHING, "min_available": 1}),
        ({"selector": WEB}, {"selector": SELECTED, "min_available": 0}),
    ],
    ids=range(5),
)
def test_budgets(spec: Data, expected: Data) -> None:
    assert budget_of(budget(**spec)) == Budget(name="b", namespace="shop", **expected)


@pytest.mark.parametrize("bound", ["half", "%", "50", -1, "-5%", 1.5, True, "٥%", [1]])
def test_budgets_with_odd_bounds_are_refused(bound: Any) -> None:
    with pytest.raises(InputError, match=r"spec\.minAvailable") as caught:
        budget_of(budget(selector=WEB, minAvailable=bound))
    assert "PodDisruptionBudget b" in str(caught.value)


def test_a_budget_with_two_bounds_is_refused() -> None:
    with pytest.raises(InputError, match="drop one of them"):
        budget_of(budget(selector=WEB, minAvailable=1, maxUnavailable=1))


# Wrong objects


def test_every_problem_of_a_pod_is_told_with_its_path() -> None:
    data = pod(
        containers=[container("1 core", "-1Gi"), "odd"],
        nodeSelector=["zone"],
        tolerations=[{"operator": "Equals"}, {"effect": "NoWay"}],
        priority="high",
        affinity={"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{}]}},
        hostNetwork="yes",
    )
    with pytest.raises(InputError) as caught:
        pod_of(data)
    paths = Counter(problem.path for problem in caught.value.problems)
    assert set(paths) == {
        "spec.containers[0].resources.requests.cpu",
        "spec.containers[0].resources.requests.memory",
        "spec.containers[1]",
        "spec.nodeSelector",
        "spec.tolerations[0].operator",
        "spec.tolerations[1].effect",
        "spec.priority",
        "spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey",
        "spec.hostNetwork",
    }
    assert caught.value.source == "Pod p0"


@pytest.mark.parametrize(
    ("expression", "paths"),
    [
        ({"key": "a"}, ["operator"]),
        ({"operator": "Exists"}, ["key"]),
        ({"key": "a", "operator": "Is"}, ["operator"]),
        ({"key": "a", "operator": "In"}, ["values"]),
        ({"key": "a", "operator": "NotIn", "values": []}, ["values"]),
        ({"key": "a", "operator": "Gt", "values": ["x"]}, ["values"]),
        ({"key": "a", "operator": "Lt", "values": ["1", "2"]}, ["values"]),
        ({"key": "a", "operator": "In", "values": [None]}, ["values[0]", "values"]),
    ],
    ids=range(8),
)
def test_broken_requirements(expression: Data, paths: list[str]) -> None:
    required = {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}
    with pytest.raises(InputError) as caught:
        read(affinity=affinity)
    told = [problem.path.partition("matchExpressions[0].")[2] for problem in caught.value.problems]
    assert told == paths


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
FIELDS = [
    ("metadata",), ("spec",), ("status",),
    ("metadata", "labels"), ("metadata", "annotations"), ("metadata", "ownerReferences"),
    ("metadata", "name"), ("spec", "containers"), ("spec", "initContainers"), ("spec", "affinity"),
    ("spec", "tolerations"), ("spec", "topologySpreadConstraints"), ("spec", "nodeSelector"),
    ("spec", "priority"), ("spec", "resources"), ("spec", "overhead"), ("spec", "volumes"),
    ("spec", "taints"), ("spec", "selector"), ("spec", "minAvailable"), ("spec", "nodeName"),
    ("status", "allocatable"), ("status", "conditions"), ("status", "containerStatuses"),
]  # fmt: skip


@given(
    junk=JUNK, field=st.sampled_from(FIELDS), reader=st.sampled_from([node_of, pod_of, budget_of])
)
def test_junk_is_an_input_error_or_nothing(junk: Any, field: tuple[str, ...], reader: Any) -> None:
    data: Data = node() if reader is node_of else pod()
    inner = data
    for key in field[:-1]:
        inner = inner[key]
    inner[field[-1]] = junk
    try:
        reader(data)
    except InputError as error:
        assert all(problem.path and problem.message for problem in error.problems)


@given(JUNK)
def test_what_is_no_object_at_all(junk: Any) -> None:
    for reader in (node_of, pod_of, budget_of):
        with pytest.raises(InputError):
            reader(junk)
