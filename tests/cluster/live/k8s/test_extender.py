"""The extender's answers: the policy decides, a plan before it, and room is not given twice."""

import msgspec
import pytest

from hocket.cluster.formats.kubernetes import node_of, pod_of
from hocket.cluster.live.k8s.extender import ASSUMED, PLANNED, Extender, Malformed
from hocket.cluster.model.pods import Pods
from hocket.cluster.packing.plan import Plan, Step
from hocket.cluster.policies.fifo import FIFO
from hocket.cluster.policies.kube_scheduler import KubeScheduler
from hocket.core.errors import UserError
from tests.cluster.live.apiserver import node, pod

NODES = [node("n0"), node("n1"), node("n2")]
NAMES = ["n0", "n1", "n2"]
OWNER = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "u"}
WEB = {"owner": {**OWNER, "controller": True}, "cpu": "400m"}
FULLEST = KubeScheduler(strategy="MostAllocated", preemption=False)


class Cluster:
    """What the extender is shown; tests change it as the watch of a real cluster would."""

    def __init__(self, *pods, nodes=NODES):
        self.nodes, self.pods, self.now = list(nodes), list(pods), 0.0

    def __call__(self) -> Pods:
        return Pods(
            name="live",
            nodes=tuple(map(node_of, self.nodes)),
            pods=tuple(pod_of(one) for one in self.pods),
        )

    def extender(self, policy=FULLEST, **options) -> Extender:
        return Extender(policy, self, clock=lambda: self.now, **options)


def ask(found, names=NAMES):
    return {"Pod": found, "Nodes": None, "NodeNames": list(names)}


def steps(*found):
    return Plan(
        verdict="better",
        steps=tuple(Step(act=act, pod=f"default/{name}", node=to) for act, name, to in found),
    )


def test_the_policy_decides() -> None:
    cluster = Cluster(pod("a", on="n1"))
    extender = cluster.extender()
    new = pod("new")
    answer = extender.filter(ask(new))
    assert (answer["NodeNames"], answer["Nodes"], answer["Error"]) == (["n1"], None, "")
    assert answer["FailedNodes"] == {
        "n0": "the policy prefers n1",
        "n2": "the policy prefers n1",
    }
    assert answer["FailedAndUnresolvableNodes"] == {}
    assert extender.prioritize(ask(new)) == [
        {"Host": "n0", "Score": 0},
        {"Host": "n1", "Score": 10},
        {"Host": "n2", "Score": 0},
    ]
    spreading = cluster.extender(KubeScheduler()).filter(ask(new))
    assert spreading["NodeNames"] in (["n0"], ["n2"])


def test_only_nodes_that_were_asked_about_are_chosen() -> None:
    extender = Cluster(pod("a", on="n1")).extender()
    assert extender.filter(ask(pod("new"), ["n0", "n2"]))["NodeNames"] in (["n0"], ["n2"])
    assert extender.filter(ask(pod("new"), []))["NodeNames"] == []


def test_without_strictness_all_nodes_that_can_pass() -> None:
    cluster = Cluster(pod("a", cpu="950m", on="n1"))
    answer = cluster.extender(strict=False).filter(ask(pod("new")))
    assert answer["NodeNames"] == ["n0", "n2"]
    assert answer["FailedNodes"] == {"n1": "Insufficient cpu"}


def test_nodes_come_back_as_they_came() -> None:
    nodes = {"items": [{**one, "status": {**one["status"], "extra": 1}} for one in NODES]}
    cluster = Cluster(nodes=[])
    answer = cluster.extender().filter({"Pod": pod("new"), "Nodes": nodes, "NodeNames": None})
    assert answer["NodeNames"] is None
    assert answer["Nodes"]["items"] == nodes["items"][:1]


def test_reasons_and_which_of_them_preemption_cannot_mend() -> None:
    cordoned = {**node("n2"), "spec": {"unschedulable": True}}
    cluster = Cluster(pod("a", cpu="1", on="n0"), nodes=[node("n0"), cordoned])
    answer = cluster.extender().filter(ask(pod("new")))
    assert answer["NodeNames"] == []
    assert answer["FailedNodes"] == {
        "n0": "Insufficient cpu",
        "n1": "the extender has not seen this node yet",
        "n2": "node(s) were unschedulable",
    }
    assert list(answer["FailedAndUnresolvableNodes"]) == ["n2"]


def test_a_pod_of_the_plan_may_go_to_its_node_only() -> None:
    cluster = Cluster(pod("a", on="n1", **WEB))
    extender = cluster.extender()
    extender.follow(steps(("evict", "a", "n1"), ("bind", "a", "n2")), cluster())
    cluster.pods = [pod("a-anew", **WEB)]
    answer = extender.filter(ask(cluster.pods[0]))
    assert answer["NodeNames"] == ["n2"]
    assert answer["FailedNodes"]["n0"] == "a plan keeps n2 for this pod"
    assert list(answer["FailedAndUnresolvableNodes"]) == ["n0", "n1"]
    scores = {one["Host"]: one["Score"] for one in extender.prioritize(ask(cluster.pods[0]))}
    assert scores == {"n0": 0, "n1": 0, "n2": 10}


def test_a_pod_waits_for_the_node_of_its_plan() -> None:
    cluster = Cluster(pod("big", cpu="1"))
    extender = cluster.extender()
    extender.follow(steps(("bind", "big", "n2")), cluster())
    answer = extender.filter(ask(cluster.pods[0], ["n0", "n1"]))
    assert answer["NodeNames"] == []
    told = "a plan keeps n2 for this pod, which cannot take it yet"
    assert answer["FailedNodes"] == {"n0": told, "n1": told}


def test_room_that_a_plan_needs_is_not_given_to_others() -> None:
    cluster = Cluster(pod("big", cpu="1"), nodes=NODES[:1])
    extender = cluster.extender()
    extender.follow(steps(("bind", "big", "n0")), cluster())
    other = pod("other")
    assert extender.filter(ask(other, ["n0"]))["FailedNodes"] == {"n0": "Insufficient cpu"}
    cluster.now = PLANNED + 1
    assert extender.filter(ask(other, ["n0"]))["NodeNames"] == ["n0"]


def test_room_is_kept_for_a_pod_that_was_told_to_wait_for_it() -> None:
    cluster = Cluster(pod("big", cpu="1"), nodes=NODES[:1])
    extender = cluster.extender()
    extender.follow(steps(("bind", "big", "n0")), cluster())
    assert extender.filter(ask(cluster.pods[0], []))["NodeNames"] == []
    assert extender.filter(ask(pod("other"), ["n0"]))["NodeNames"] == []
    assert extender.filter(ask(cluster.pods[0], ["n0"]))["NodeNames"] == ["n0"]


def test_a_plan_can_be_forgotten() -> None:
    cluster = Cluster(pod("big"))
    extender = cluster.extender()
    extender.follow(steps(("bind", "big", "n2")), cluster())
    extender.forget()
    assert extender.filter(ask(cluster.pods[0]))["NodeNames"] == ["n0"]


def test_a_pod_counts_where_it_was_sent_before_the_cluster_says_so() -> None:
    cluster = Cluster()
    extender = cluster.extender()
    first, second = pod("first", cpu="700m"), pod("second", cpu="700m")
    assert extender.filter(ask(first))["NodeNames"] == ["n0"]
    assert extender.filter(ask(second))["NodeNames"] == ["n1"]
    assert extender.filter(ask(first))["NodeNames"] == ["n0"]
    cluster.now = ASSUMED + 1
    assert extender.filter(ask(pod("third", cpu="700m")))["NodeNames"] == ["n0"]


def test_what_was_assumed_gives_way_to_what_is() -> None:
    cluster = Cluster()
    extender = cluster.extender()
    extender.filter(ask(pod("first", cpu="700m")))
    cluster.pods = [pod("first", cpu="700m", on="n2")]
    assert extender.filter(ask(pod("second", cpu="700m")))["NodeNames"] == ["n0"]


def test_preemption_is_the_policys() -> None:
    cluster = Cluster(
        *(pod(f"low-{i}", on=f"n{i}", priority=i, **{**WEB, "cpu": "900m"}) for i in range(3)),
    )
    victims = {
        f"n{i}": {"Pods": [{**pod(f"low-{i}"), "metadata": {"name": "x", "uid": f"u{i}"}}]}
        for i in range(3)
    }
    question = {"Pod": pod("high", cpu="900m", priority=9), "NodeNameToVictims": victims}
    kept = cluster.extender(KubeScheduler()).preempt(question)
    assert kept == {
        "NodeNameToMetaVictims": {"n0": {"Pods": [{"UID": "u0"}], "NumPDBViolations": 0}}
    }
    assert cluster.extender(FULLEST).preempt(question) == {"NodeNameToMetaVictims": {}}


def test_nothing_is_preempted_for_a_pod_of_the_plan() -> None:
    cluster = Cluster(pod("low", cpu="900m", on="n0"), pod("high", cpu="900m", priority=9))
    extender = cluster.extender(KubeScheduler())
    question = {
        "Pod": cluster.pods[1],
        "NodeNameToMetaVictims": {"n0": {"Pods": [{"UID": "u"}]}},
    }
    extender.follow(steps(("bind", "high", "n0")), cluster())
    assert extender.preempt(question) == {"NodeNameToMetaVictims": {}}


def test_binding_is_passed_on() -> None:
    done = []
    question = {"PodNamespace": "default", "PodName": "p", "PodUID": "u", "Node": "n0"}
    cluster = Cluster()
    extender = cluster.extender(bind=lambda *fields: done.append(fields))
    assert extender.bind(question) == {"Error": ""}
    assert done == [("default", "p", "u", "n0")]

    def fails(*fields: str) -> None:
        raise OSError("no route to the API server")

    assert cluster.extender(bind=fails).bind(question) == {"Error": "no route to the API server"}
    assert "bindVerb" in cluster.extender().bind(question)["Error"]


@pytest.mark.parametrize(
    "question",
    [
        {},
        {"Pod": None, "NodeNames": []},
        {"Pod": [], "NodeNames": []},
        {"Pod": {"metadata": {}}, "NodeNames": []},
        {"Pod": pod("p", cpu="1 bogomip"), "NodeNames": []},
        {"Pod": pod("p")},
        {"Pod": pod("p"), "NodeNames": "n0"},
        {"Pod": pod("p"), "NodeNames": [1]},
        {"Pod": pod("p"), "Nodes": []},
        {"Pod": pod("p"), "Nodes": {"items": {}}},
        {"Pod": pod("p"), "Nodes": {"items": [{"metadata": {"name": "n0"}}]}},
        {"Pod": {**pod("p"), "status": {"phase": "Succeeded"}}, "NodeNames": []},
    ],
)
def test_questions_that_are_none(question) -> None:
    extender = Cluster().extender()
    for verb in (extender.filter, extender.prioritize):
        with pytest.raises(Malformed):
            verb(question)


@pytest.mark.parametrize(
    "victims",
    [[], {"n0": []}, {"n0": {"Pods": True}}, {"n0": {"Pods": [1]}}, {"n0": {"Pods": [{}]}}],
)
def test_victims_that_are_none(victims) -> None:
    with pytest.raises(Malformed):
        Cluster().extender().preempt({"Pod": pod("p"), "NodeNameToVictims": victims})


def test_a_pod_that_shows_a_node_is_asked_about_like_any_other() -> None:
    cluster = Cluster(pod("p", cpu="1", on="n0"))
    answer = cluster.extender().filter(ask(cluster.pods[0]))
    assert answer["NodeNames"] == ["n0"]


def test_a_policy_for_something_else_is_refused() -> None:
    with pytest.raises(UserError, match="does not place pods"):
        Cluster().extender(FIFO())


def test_answers_are_plain_json() -> None:
    extender = Cluster().extender()
    answers = (extender.filter(ask(pod("p"))), extender.prioritize(ask(pod("p"))))
    assert msgspec.json.decode(msgspec.json.encode(answers)) == [answers[0], answers[1]]
