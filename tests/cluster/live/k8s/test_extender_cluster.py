"""A plan comes true through a scheduler that is not hocket's: it asks the extender.

Three nodes of one core run 400m each, so a pod of a whole core waits. Moving one of the three makes
room, but the pod that is made anew would be sent straight back to the node that was emptied.
"""

import pytest

pytest.importorskip("kubernetes", reason="the official client is not installed")
pytest.importorskip("ortools", reason="ortools is not installed")

import yaml

from hocket.cluster.live.k8s.api import Api
from hocket.cluster.live.k8s.extender import Extender
from hocket.cluster.live.k8s.extender_http import ExtenderServer
from hocket.cluster.live.k8s.mirror import Mirror
from hocket.cluster.packing.options import Options
from hocket.cluster.packing.planner import plan_for
from hocket.cluster.policies.kube_scheduler import KubeScheduler
from tests.cluster.live.apiserver import nodes, replicaset
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
