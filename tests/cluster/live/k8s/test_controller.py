"""`hocket live k8s` against an API server: what it does, and what it does when things go wrong."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Iterator
from importlib.resources import files

import msgspec
import pytest
import yaml

pytest.importorskip("kubernetes")
pytest.importorskip("ortools")

from hocket.cluster.live.k8s.api import Api, Refused
from hocket.cluster.live.k8s.controller import Controller, Settings
from hocket.cluster.packing.options import Options
from hocket.cluster.packing.planner import plan_for
from hocket.cluster.policies.kube_scheduler import KubeScheduler
from hocket.cluster.policies.priority_matters import PriorityMatters
from hocket.core.errors import UserError
from hocket.core.load import load_policy
from tests.cluster.live.apiserver import ADMIN_TOKEN, ApiServer, budget, nodes, pod, replicaset
from tests.cluster.live.apiserver.resources import of

POLICY = PriorityMatters(search=Options(time_limit=2.0))
SMALL, BIG = "small", "big"


def api_of(server: ApiServer, token: str | None = None) -> Api:
    return Api(server.client() if token is None else server.client(token=token))


def fragmented(serve, *more, scheduler="hocket", **options) -> ApiServer:
    """Three one-core nodes with 400m each, and a pod of 700m that fits on none of them."""
    server = serve(
        *nodes(3),
        replicaset(SMALL, 3, cpu="400m", scheduler=scheduler),
        *more,
        **options,
    )
    server.settle()
    spread(server)
    server.api.seed(replicaset(BIG, 1, cpu="700m", scheduler=scheduler, priority=5))
    server.settle()
    return server


def spread(server: ApiServer) -> None:
    api = api_of(server)
    for i, key in enumerate(sorted(server.placed())):
        namespace, _, name = key.partition("/")
        found = api.read_pod(namespace, name)
        assert found is not None
        api.bind(namespace, name, found["metadata"]["uid"], f"n{i % 3}")
    server.settle()
    server.calls.clear()


@contextlib.contextmanager
def controlling(server: ApiServer, policy=POLICY, token=None, **settings) -> Iterator[Controller]:
    settings = {"apply": True, "patience": 5.0} | settings
    controller = Controller(api_of(server, token), policy, Settings(**settings))
    controller.start()
    try:
        yield controller
    finally:
        controller.close()


def writes(server: ApiServer) -> list[tuple[str, str]]:
    """What was changed, dry runs left out."""
    return [
        (call.verb, call.resource)
        for call in server.calls
        if call.verb not in ("get", "list", "watch") and not call.dry
    ]


def pending(server: ApiServer) -> list[str]:
    return [key for key, node in server.placed().items() if node is None]


def load(server: ApiServer) -> dict[str, int]:
    """Milli-cores requested on every node, leaving pods left out."""
    used: dict[str, int] = {}
    for key, node in server.placed().items():
        used[str(node)] = used.get(str(node), 0) + (700 if BIG in key else 400)
    return used


def test_a_dry_run_tells_the_plan_and_changes_nothing(serve):
    server = fragmented(serve)
    with controlling(server, apply=False) as controller:
        found = controller.once()
    assert found.plan is not None
    assert found.plan.verdict == "better and optimal"
    assert len(found.plan.moved) == 1
    assert len(found.plan.placed) == 1
    assert found.outcome is None
    assert writes(server) == []


def test_a_plan_is_carried_out(serve):
    server = fragmented(serve)
    with controlling(server) as controller:
        found = controller.once()
    server.settle()
    assert found.outcome is not None
    assert found.outcome.given_up == ""
    assert (found.outcome.evicted, found.outcome.bound) == (1, 2)
    assert pending(server) == []
    assert sorted(load(server).values()) == [400, 700, 800]


def test_pods_are_placed_one_by_one_where_that_suffices(serve):
    server = serve(*nodes(2), replicaset("web", 4, cpu="300m", scheduler="hocket"))
    server.settle()
    with controlling(server) as controller:
        found = controller.once()
    assert found.plan is None
    assert len(found.placed) == 4
    assert pending(server) == []


def test_a_policy_may_preempt(serve):
    small = replicaset(SMALL, 2, cpu="600m", scheduler="hocket")
    server = serve(*nodes(2), small)
    server.settle()
    spread(server)
    server.api.seed(replicaset(BIG, 1, cpu="700m", scheduler="hocket", priority=5))
    server.settle()
    with controlling(server, policy=KubeScheduler()) as controller:
        controller.once()
        server.settle()
        controller.mirror.refresh()
        controller.once()
    server.settle()
    assert [SMALL in key for key in pending(server)] == [True]


def test_pods_of_other_schedulers_stay_where_they_are(serve):
    server = fragmented(serve, scheduler="default-scheduler")
    for key in pending(server):
        _, _, name = key.partition("/")
        stuck = next(one for one in server.objects("pods") if one["metadata"]["name"] == name)
        unschedulable = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
        server.api.status(of("pods"), stuck, {"phase": "Pending", "conditions": [unschedulable]})
    with controlling(server) as controller:
        kept = controller.once()
    assert kept.plan is not None
    assert kept.plan.steps == ()
    with controlling(server, apply=False, any_scheduler=True) as controller:
        looked = controller.once()
    assert looked.plan is not None
    assert len(looked.foreign) == 1
    assert writes(server) == []


def test_other_namespaces_are_left_alone(serve):
    server = fragmented(serve)
    with controlling(server, namespace="shop") as controller:
        found = controller.once()
    assert found.placed == {}
    assert found.plan is None or found.plan.steps == ()
    assert writes(server) == []


def test_budgets_that_allow_nothing_are_honoured(serve):
    server = fragmented(serve, budget("all-up", SMALL, minAvailable=3))
    with controlling(server) as controller:
        found = controller.once()
    assert found.plan is not None
    assert found.plan.steps == ()
    assert writes(server) == []


def test_a_budget_that_is_used_up_meanwhile_ends_the_plan_before_it_begins(serve):
    server = fragmented(serve)
    server.faults.before(
        lambda: server.api.seed(budget("late", SMALL, minAvailable=3)),
        verb="create",
        resource="pods/eviction",
    )
    with controlling(server, patience=1.0) as controller:
        found = controller.once()
    assert found.outcome is not None
    assert "disruption budget" in found.outcome.given_up
    assert found.outcome.evicted == 0
    assert writes(server) == []


def test_a_node_that_goes_between_plan_and_action_ends_the_plan(serve):
    server = fragmented(serve)
    with controlling(server) as controller:
        plan = controller.policy.begin(controller.mirror.snapshot(), None)
        view, _ = controller._view()
        view.failed = view.waiting
        found = plan.plan(view)
        gone = found.steps[0].node
        server.api.delete(of("nodes"), "", gone)
        wait_for(lambda: gone not in controller.mirror.nodes)
        outcome = controller.executor.carry_out(found)
    assert gone in outcome.given_up
    assert writes(server) == []


def test_somebody_else_takes_the_room_after_the_eviction(serve):
    """The pod that was evicted still gets a place, and nothing runs twice or too much."""
    server = fragmented(serve)

    def grab() -> None:
        taken = [node for key, node in server.placed().items() if SMALL in key]
        free = next(f"n{i}" for i in range(3) if taken.count(f"n{i}") == 0)
        server.api.seed(pod("intruder", cpu="900m", on=free))

    server.faults.before(grab, verb="create", resource="pods/binding", skip=0)
    with controlling(server) as controller:
        found = controller.once()
        assert found.outcome is not None
        controller.mirror.refresh()
        controller.once()
    server.settle()
    assert all(SMALL not in key for key in pending(server))
    assert len(server.placed()) == 5


@pytest.mark.parametrize(
    "fault",
    [
        {"code": 500, "times": 2},
        {"code": 503, "times": 2, "retry_after": 1},
        {"code": 429, "times": 1, "retry_after": 1},
    ],
    ids=lambda fault: str(fault["code"]),
)
@pytest.mark.parametrize("resource", ["pods", "pods/eviction", "pods/binding"])
def test_passing_failures_are_tried_again(serve, fault, resource):
    server = fragmented(serve)
    code = fault["code"]
    more = {key: value for key, value in fault.items() if key != "code"}
    verb = "list" if resource == "pods" else "create"
    server.faults.status(code, verb=verb, resource=resource, **more)
    with controlling(server) as controller:
        controller.once()
    server.settle()
    assert server.faults.left == 0
    assert pending(server) == []


@pytest.mark.parametrize("resource", ["pods/eviction", "pods/binding"])
@pytest.mark.parametrize("act", ["drop", "lose"])
def test_lost_answers_do_nothing_twice(serve, act, resource):
    server = fragmented(serve)
    skip = 1 if resource == "pods/eviction" else 0  # the first is the dry run
    getattr(server.faults, act)(verb="create", resource=resource, skip=skip)
    with controlling(server) as controller:
        controller.once()
        server.settle()
        controller.mirror.refresh()
        controller.once()
    server.settle()
    assert pending(server) == []
    assert sorted(load(server).values()) == [400, 700, 800]


def test_a_watch_that_drops_expires_or_lies_is_mended(serve):
    server = serve(*nodes(2))
    with controlling(server) as controller:
        server.drop_watches()
        server.api.seed(replicaset("web", 1, cpu="100m", scheduler="hocket"))
        wait_for(lambda: len(controller.mirror.pods) == 1)
        server.compact()
        server.api.seed(replicaset("more", 1, cpu="100m", scheduler="hocket"))
        wait_for(lambda: len(controller.mirror.pods) == 2)
        server.faults.truncate(verb="watch", resource="pods")
        server.drop_watches()
        server.api.seed(replicaset("third", 1, cpu="100m", scheduler="hocket"))
        wait_for(lambda: len(controller.mirror.pods) == 3)


def test_watching_places_what_comes_and_survives_a_restart_of_the_server(serve):
    server = serve(*nodes(2))
    stop = threading.Event()
    controller = Controller(
        api_of(server), POLICY, Settings(apply=True, patience=5.0), stop=stop.is_set
    )
    controller.start()
    thread = threading.Thread(target=controller.watch, args=(lambda found: None,))
    thread.start()
    try:
        server.api.seed(replicaset("web", 2, cpu="100m", scheduler="hocket"))
        wait_for(lambda: len(server.placed()) == 2 and not pending(server))
        server.restart(forget=True)
        server.api.seed(replicaset("more", 2, cpu="100m", scheduler="hocket"))
        wait_for(lambda: len(server.placed()) == 4 and not pending(server))
    finally:
        stop.set()
        thread.join(timeout=30)
        controller.close()
    assert not thread.is_alive()


def test_a_restart_in_the_middle_of_a_plan_goes_on_from_what_it_sees(serve):
    server = fragmented(serve)
    stopped = threading.Event()
    server.faults.before(stopped.set, verb="create", resource="pods/binding")
    server.faults.status(404, verb="create", resource="pods/binding", times=2)
    with controlling(server) as first:
        found = first.once()
    assert found.outcome is not None
    assert found.outcome.given_up
    assert stopped.is_set()
    server.settle()
    assert len(pending(server)) == 2
    with controlling(server) as second:
        second.once()
    server.settle()
    assert pending(server) == []


def test_refusals_are_told_at_once_and_in_words(serve):
    server = serve(*nodes(1))
    server.revoke()
    with pytest.raises(Refused, match="credentials are not accepted") as refused:
        Controller(api_of(server), POLICY, Settings()).start()
    assert refused.value.status == 401
    server.refuse()
    with pytest.raises(Refused, match="no answer from the API server"):
        Controller(api_of(server), POLICY, Settings()).start()


def test_a_token_that_expires_while_watching_is_survived(serve):
    server = serve(*nodes(1))
    with controlling(server) as controller:
        user = server.users[ADMIN_TOKEN]
        server.revoke()
        server.drop_watches()
        wait_for(lambda: controller.mirror.trouble)
        assert "credentials" in " ".join(controller.mirror.trouble.values())
        server.users[ADMIN_TOKEN] = user
        server.api.seed(replicaset("web", 1, cpu="100m", scheduler="hocket"))
        wait_for(lambda: len(controller.mirror.pods) == 1, seconds=20)


def manifest() -> list:
    text = files("hocket.cluster.live.k8s").joinpath("rbac.yaml").read_text("utf-8")
    return [one for one in yaml.safe_load_all(text) if one]


def test_the_rights_of_the_manifest_suffice_and_no_token_is_logged(serve, caplog):
    caplog.set_level(logging.DEBUG)
    server = fragmented(serve)
    token = server.account(manifest(), "hocket", "hocket")
    with controlling(server, token=token) as controller:
        found = controller.once()
    server.settle()
    assert found.outcome is not None
    assert found.outcome.given_up == ""
    assert pending(server) == []
    assert token not in caplog.text


def test_too_few_rights_are_told(serve):
    server = fragmented(serve)
    rules = [one for one in manifest() if one["kind"] == "ClusterRole"]
    rules[0]["rules"] = [rule for rule in rules[0]["rules"] if "create" not in rule["verbs"]]
    bound = [one for one in manifest() if one["kind"] != "ClusterRole"]
    token = server.account([*bound, *rules], "hocket", "hocket")
    with controlling(server, token=token, patience=1.0) as controller:
        found = controller.once()
    assert found.outcome is not None
    assert "--manifest" in found.outcome.given_up
    assert len(pending(server)) == 1


def test_recorded_decisions_are_the_policys_alone(serve):
    server = fragmented(serve)
    with controlling(server, apply=False) as controller:
        found = controller.once()
    assert found.snapshot is not None
    again = plan_for(found.snapshot, POLICY.search)
    assert again.steps == found.plan.steps
    assert msgspec.json.decode(msgspec.json.encode(found.plan), type=type(found.plan)) == found.plan


def test_a_policy_for_something_else_is_refused(serve):
    with pytest.raises(UserError, match="does not place pods"):
        Controller(api_of(serve(*nodes(1))), load_policy("shop/spt"), Settings())


def wait_for(true, seconds: float = 10.0) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "it has not happened in time"
        time.sleep(0.02)
