"""A plan comes true through a scheduler that is not hocket's: it asks the extender.

Three nodes of one core run 400m each, so a pod of a whole core waits. Moving one of the three makes
room, but the pod that is made anew would be sent straight back to the node that was emptied.
"""

import threading
import time

import pytest

pytest.importorskip("kubernetes", reason="the official client is not installed")
pytest.importorskip("ortools", reason="ortools is not installed")

import yaml

from hocket.cluster.live.k8s.api import Api
from hocket.cluster.live.k8s.controller import Controller, Settings
from hocket.cluster.live.k8s.extender import Extender
from hocket.cluster.live.k8s.extender_http import ExtenderServer
from hocket.cluster.live.k8s.mirror import Mirror
from hocket.cluster.packing.options import Options
from hocket.cluster.packing.planner import plan_for
from hocket.cluster.policies.kube_scheduler import KubeScheduler
from hocket.cluster.policies.priority_matters import PriorityMatters
from tests.cluster.live.apiserver import ApiError, nodes, replicaset
from tests.cluster.live.apiserver.resources import of
from tests.cluster.live.conftest import Serve
from tests.cluster.live.k8s.stock import StockScheduler
from tests.cluster.live.k8s.test_rbac import MANIFEST


@pytest.fixture
def fragmented(serve: Serve):
    """The server, with the small pods spread and the big one pending."""
    server = serve(*nodes(3), replicaset("small", 3, cpu="400m"))
    server.settle()
    assert len(StockScheduler(server).round()) == 3
    assert set(server.placed().values()) == {"n0", "n1", "n2"}
    server.api.seed(replicaset("whole", 1, cpu="1"))
    server.settle()
    assert StockScheduler(server).round() == []
    return server


def mirror_of(server):
    """A mirror and the API, with the rights of the manifest and no others."""
    rights = yaml.safe_load_all(MANIFEST.read_text())
    api = Api(server.client(server.account(rights, "hocket", "hocket")))
    mirror = Mirror(api)
    mirror.refresh()
    return api, mirror


def evict_all(server, api, mirror, plan):
    for step in plan.steps:
        if step.act == "evict":
            seen = mirror.pods[step.pod]
            api.evict(seen.pod.namespace, seen.pod.name, seen.uid)
    server.settle()
    mirror.refresh()


def test_without_the_extender_the_moved_pod_comes_back(fragmented) -> None:
    api, mirror = mirror_of(fragmented)
    plan = plan_for(mirror.snapshot(), Options())
    evict_all(fragmented, api, mirror, plan)
    StockScheduler(fragmented).round()
    assert None in fragmented.placed().values()


def test_with_the_extender_the_plan_comes_true(fragmented) -> None:
    api, mirror = mirror_of(fragmented)
    present = mirror.snapshot()
    plan = plan_for(present, Options())
    assert plan.verdict == "better and optimal" and len(plan.moved) == 1

    def look():
        mirror.refresh()
        return mirror.snapshot()

    extender = Extender(KubeScheduler(preemption=False), look)
    server = ExtenderServer(extender, port=0)
    server.start()
    try:
        extender.follow(plan, present)
        evict_all(fragmented, api, mirror, plan)
        stock = StockScheduler(fragmented, ("127.0.0.1", server.server_address[1]))
        assert len(stock.round()) == 2
    finally:
        server.close()
    placed = fragmented.placed()
    assert None not in placed.values()
    (whole,) = (key for key in placed if key.startswith("default/whole"))
    assert placed[whole] == next(iter(plan.placed.values()))
    assert {call.code for call in fragmented.calls} <= {200, 201}


def test_controller_and_scheduler_work_side_by_side(fragmented) -> None:
    """As `hocket live k8s --apply --watch --any-scheduler --extender` beside kube-scheduler."""
    stop, rounds = threading.Event(), []
    policy = PriorityMatters(search=Options(time_limit=2.0))
    settings = Settings(apply=True, any_scheduler=True, patience=10.0)
    controller = Controller(Api(fragmented.client()), policy, settings, stop=stop.is_set)
    controller.start()
    server = ExtenderServer(controller.extend(), port=0)
    server.start()
    stock = StockScheduler(fragmented, ("127.0.0.1", server.server_address[1]))
    watching = threading.Thread(target=controller.watch, args=(rounds.append,))
    watching.start()
    try:
        until = time.monotonic() + 30
        while None in fragmented.placed().values() or len(fragmented.placed()) < 4:
            assert time.monotonic() < until
            schedule(fragmented, stock)
            time.sleep(0.05)
    finally:
        stop.set()
        watching.join(timeout=30)
        server.close()
        controller.close()
    carried = [found for found in rounds if found.outcome is not None]
    assert [(found.outcome.evicted, found.outcome.given_up) for found in carried] == [(1, "")]
    assert len(carried[0].foreign) == 1


def schedule(server, stock) -> None:
    """One round of a scheduler that says so where it finds no place."""
    try:
        stock.round()
    except ApiError:  # somebody else was quicker
        return
    for one in server.objects("pods"):
        if not one["spec"].get("nodeName") and "conditions" not in one["status"]:
            why = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
            server.api.status(of("pods"), one, {"phase": "Pending", "conditions": [why]})
