"""Plans that are carried out while the cluster does something else."""

from __future__ import annotations

import threading
import time

import pytest

pytest.importorskip("kubernetes")

from hocket.cluster.live.k8s.api import Api
from hocket.cluster.live.k8s.executor import Executor, Outcome
from hocket.cluster.live.k8s.mirror import Mirror
from hocket.cluster.packing.plan import Plan, Step
from tests.cluster.live.apiserver import ApiServer, nodes, replicaset
from tests.cluster.live.apiserver.resources import of


def spread(serve, *sets) -> ApiServer:
    """ReplicaSets whose first pods are on n0, those of the next on n1, and so on."""
    server = serve(*nodes(3), *sets)
    server.settle()
    api = Api(server.client())
    for i, one in enumerate(sets):
        for key in keys(server, one["metadata"]["name"]):
            found = api.read_pod(*key.split("/"))
            assert found is not None
            api.bind(*key.split("/"), found["metadata"]["uid"], f"n{i}")
    server.settle()
    server.calls.clear()
    return server


def keys(server: ApiServer, name: str) -> list[str]:
    return sorted(key for key in server.placed() if key.startswith(f"default/{name}-"))


def carry_out(server: ApiServer, *steps: Step, stop=lambda: False, **more) -> Outcome:
    api = Api(server.client())
    mirror = Mirror(api)
    mirror.start()
    try:
        executor = Executor(api, mirror, stop=stop, **({"patience": 5.0} | more))
        return executor.carry_out(Plan(verdict="better", steps=steps))
    finally:
        mirror.close()


def move(pod: str, source: str, target: str, out: int = 0, back: int = 0) -> tuple[Step, Step]:
    return (
        Step(act="evict", pod=pod, node=source, wave=out),
        Step(act="bind", pod=pod, node=target, wave=back),
    )


def waves(*steps: Step) -> list[Step]:
    return sorted(steps, key=lambda step: (step.wave, step.act == "bind"))


def on(server: ApiServer, name: str) -> list[str | None]:
    return [server.placed()[key] for key in keys(server, name)]


def test_a_pod_may_be_bound_waves_after_it_was_evicted(serve):
    sets = [replicaset(name, 1, cpu="700m", scheduler="hocket") for name in ("a", "b")]
    server = spread(serve, *sets)
    (a,), (b,) = keys(server, "a"), keys(server, "b")
    # They swap their nodes: a waits meanwhile.
    steps = waves(*move(a, "n0", "n1", 0, 1), *move(b, "n1", "n0", 1, 1))
    done = carry_out(server, *steps)
    assert done == Outcome(evicted=2, bound=2)
    server.settle()
    assert (on(server, "a"), on(server, "b")) == (["n1"], ["n0"])


def test_a_pod_may_be_moved_twice(serve):
    server = spread(serve, replicaset("a", 1, cpu="700m", scheduler="hocket"))
    (a,) = keys(server, "a")
    steps = waves(*move(a, "n0", "n1", 0, 0), *move(a, "n1", "n2", 1, 1))
    assert carry_out(server, *steps) == Outcome(evicted=2, bound=2)
    server.settle()
    assert on(server, "a") == ["n2"]


def test_an_eviction_whose_answer_is_lost_is_followed_through(serve):
    server = spread(serve, replicaset("a", 1, cpu="700m", scheduler="hocket"))
    (a,) = keys(server, "a")
    server.faults.lose(verb="create", resource="pods/eviction", skip=1)
    server.manager.kubelet.stop = 0.0
    done = carry_out(server, *move(a, "n0", "n1"))
    assert (done.bound, done.given_up) == (1, "")
    server.settle()
    assert on(server, "a") == ["n1"]


def test_what_the_scheduler_has_put_on_its_node_already_is_done(serve):
    server = spread(serve, replicaset("a", 1, cpu="700m", scheduler="hocket"))
    server.api.seed(replicaset("new", 1, cpu="300m", scheduler="hocket"))
    server.settle()
    (a,), (new,) = keys(server, "a"), keys(server, "new")
    api = Api(server.client())

    def quicker() -> None:
        found = api.read_pod(*new.split("/"))
        assert found is not None
        api.bind(*new.split("/"), found["metadata"]["uid"], "n2")

    # n2 gets it in the second wave; somebody else does that during the first.
    server.faults.before(quicker, verb="create", resource="pods/binding")
    steps = [*move(a, "n0", "n1"), Step(act="bind", pod=new, node="n2", wave=1)]
    done = carry_out(server, *steps)
    assert (done.bound, done.given_up) == (2, "")


def test_a_pod_that_is_not_made_anew_is_not_waited_for_after_a_stop(serve):
    """Its controller was scaled down meanwhile, and somebody wants to stop."""
    server = spread(serve, replicaset("a", 1, cpu="700m", scheduler="hocket"))
    (a,) = keys(server, "a")
    stopped = threading.Event()

    def scale_down() -> None:
        server.api.delete(of("replicasets"), "default", "a")
        threading.Timer(0.3, stopped.set).start()

    server.faults.before(scale_down, verb="create", resource="pods/eviction", skip=1)
    begun = time.monotonic()
    done = carry_out(server, *move(a, "n0", "n1"), stop=stopped.is_set, patience=60.0)
    assert "no pod waits in the place" in done.given_up
    assert time.monotonic() - begun < 30  # and not twice the patience


def test_nothing_is_begun_while_the_cluster_cannot_be_followed(serve):
    server = spread(serve, replicaset("a", 1, cpu="700m", scheduler="hocket"))
    (a,) = keys(server, "a")
    api = Api(server.client())
    mirror = Mirror(api)
    mirror.refresh()
    mirror.trouble["pods"] = "cannot watch pods: no answer"
    plan = Plan(verdict="better", steps=move(a, "n0", "n1"))
    done = Executor(api, mirror).carry_out(plan)
    assert "cannot be followed" in done.given_up
    assert server.made("create") == []
