"""Whatever it is asked, the extender answers or says that the question is malformed."""

import json

from hypothesis import given
from hypothesis import strategies as st

from hocket.cluster.filters import Filters
from hocket.cluster.formats.kubernetes import node_of, pod_of
from hocket.cluster.live.k8s.extender import Extender, Malformed
from hocket.cluster.model.pods import Pods
from hocket.cluster.policies.kube_scheduler import KubeScheduler
from hocket.cluster.state import State
from tests.cluster.live.apiserver import node, pod

PLAIN = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=5)
    | st.sampled_from(["500m", "1Gi", "n0", "Exists", "NoSchedule", "-1"])
)
JSON = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
QUESTION = {
    "Pod": {
        **pod("p", labels={"app": "a"}, tolerations=[{"key": "k", "operator": "Exists"}]),
        "status": {"phase": "Pending", "conditions": []},
    },
    "Nodes": {"items": [node("n0", taints=[{"key": "k", "effect": "NoSchedule"}])]},
    "NodeNames": None,
    "NodeNameToVictims": {"n0": {"Pods": [{"metadata": {"uid": "u"}}], "NumPDBViolations": 0}},
    "NodeNameToMetaVictims": None,
    "PodNamespace": "default",
    "PodName": "p",
    "PodUID": "u",
    "Node": "n0",
}


def places(found, path=()):
    """Every place in a document, as the keys that lead there."""
    yield path
    if isinstance(found, dict):
        for key, value in found.items():
            yield from places(value, (*path, key))
    if isinstance(found, list):
        for i, value in enumerate(found):
            yield from places(value, (*path, i))


PLACES = [path for path in places(QUESTION) if path]


def changed(path, value):
    found = json.loads(json.dumps(QUESTION))
    inside = found
    for key in path[:-1]:
        inside = inside[key]
    inside[path[-1]] = value
    return found


def present() -> Pods:
    return Pods(name="live", nodes=(node_of(node("n0")), node_of(node("n1"))))


def answered(question) -> None:
    extender = Extender(KubeScheduler(), present, bind=lambda *fields: None)
    for verb in (extender.filter, extender.prioritize, extender.preempt, extender.bind):
        try:
            json.dumps(verb(question))
        except Malformed as error:
            assert str(error)


@given(st.sampled_from(PLACES), JSON)
def test_one_thing_is_otherwise(path, value) -> None:
    answered(changed(path, value))


@given(st.dictionaries(st.sampled_from(list(QUESTION)), JSON))
def test_everything_is_otherwise(question) -> None:
    answered(question)


MILLI = st.integers(0, 1000)


@given(
    st.lists(st.tuples(MILLI, st.integers(0, 3)), max_size=8),
    st.tuples(MILLI, st.sets(st.integers(0, 3))),
    st.booleans(),
)
def test_every_node_passes_or_fails_and_only_where_there_is_room(running, asked, strict) -> None:
    nodes = [node(f"n{i}", cpu="2") for i in range(4)]
    pods = [
        pod(f"p{i}", cpu=f"{milli}m", on=f"n{where}") for i, (milli, where) in enumerate(running)
    ]
    cluster = Pods(
        name="live",
        nodes=tuple(map(node_of, nodes)),
        pods=tuple(found for found in map(pod_of, pods) if found is not None),
    )
    milli, where = asked
    names = [f"n{i}" for i in sorted(where)]
    new = pod("new", cpu=f"{milli}m")
    answer = Extender(KubeScheduler(preemption=False), lambda: cluster, strict=strict).filter(
        {"Pod": new, "NodeNames": names}
    )
    passed = answer["NodeNames"]
    assert sorted([*passed, *answer["FailedNodes"]]) == names
    state = State.of(Pods(name="c", nodes=cluster.nodes, pods=(*cluster.pods, pod_of(new))))
    able = Filters.of(state).feasible(pod_of(new))
    could = [name for name in names if able[state.index[name]]]
    assert set(passed) <= set(could)
    assert len(passed) == (min(len(could), 1) if strict else len(could))
