"""The loop over weeks: what it must not do again and again, and what must not hold it up."""

from __future__ import annotations

import contextlib
import inspect
import threading
import time
from collections.abc import Iterator

import pytest

pytest.importorskip("kubernetes")
pytest.importorskip("ortools")

from kubernetes.watch import Watch

from hocket.cluster.live.k8s import controller as loop
from hocket.cluster.live.k8s import mirror as mirroring
from hocket.cluster.live.k8s.api import Api, Refused
from hocket.cluster.live.k8s.controller import Controller, Settings
from hocket.cluster.live.k8s.executor import Outcome
from hocket.cluster.packing.options import Options
from hocket.cluster.packing.plan import Plan, Step
from hocket.cluster.policies.kube_scheduler import KubeScheduler
from hocket.cluster.policies.priority_matters import PriorityMatters
from hocket.cluster.roles.pods import Preempt, Wait
from tests.cluster.live.apiserver import ApiServer, budget, nodes, pod, replicaset
from tests.cluster.live.apiserver.resources import of
from tests.cluster.live.k8s.test_controller import BIG, SMALL, fragmented, pending, spread, wait_for

POLICY = PriorityMatters(search=Options(time_limit=2.0))


@contextlib.contextmanager
def controlling(server: ApiServer, policy=POLICY, stop=lambda: False, **more) -> Iterator:
    settings = Settings(**({"apply": True, "patience": 5.0} | more))
    controller = Controller(Api(server.client()), policy, settings, stop=stop)
    controller.start()
    try:
        yield controller
    finally:
        controller.close()


def evictions(server: ApiServer) -> int:
    return sum(not call.dry for call in server.made("create", "pods/eviction"))


class Stubborn(KubeScheduler, frozen=True):
    """Answers every question in the same way."""

    def begin(self, scenario, streams):
        key = next(pod.key for pod in scenario.pods if pod.node is not None)
        step = Step(act="evict", pod=key, node="n0")
        victims = tuple(pod.key for pod in scenario.pods if pod.node == "n0")

        class Decider:
            def place(self, view, pod):
                return Preempt("n0", victims) if pod.name.startswith("mighty") else Wait()

            def plan(self, view):
                return Plan(verdict="better", steps=(step,))

        return Decider()


def test_after_a_plan_that_was_given_up_there_is_a_rest(serve, monkeypatch):
    tried = []
    server = fragmented(serve)
    with controlling(server, Stubborn()) as controller:

        def carry_out(plan):
            tried.append(time.monotonic())
            return Outcome(evicted=1, given_up="no luck" if len(tried) < 3 else "")

        monkeypatch.setattr(controller.executor, "carry_out", carry_out)
        for _ in range(3):
            _, again = controller._look()
        assert len(tried) == 1
        assert 0 < again.after <= loop.REST * 1000 + 1
        controller._resume = 0.0
        controller._look()
        assert controller._rest == 2 * loop.REST
        controller._resume = 0.0
        controller._look()
        controller._look()
        assert len(tried) == 4


def test_pods_that_come_all_the_time_do_not_hold_the_loop_up(serve, monkeypatch):
    monkeypatch.setattr(loop, "RESTLESS", 0.6)
    server = serve(*nodes(2))
    stop = threading.Event()
    with controlling(server, stop=stop.is_set) as controller:
        thread = threading.Thread(target=controller.watch, args=(lambda found: None,))
        thread.start()

        def crowd() -> None:
            for i in range(10_000):
                if stop.wait(0.05):
                    return
                server.api.seed(pod(f"other-{i}", cpu="1m"))

        crowding = threading.Thread(target=crowd)
        crowding.start()
        try:
            time.sleep(0.5)
            server.api.seed(pod("ours", cpu="100m", scheduler="hocket"))
            wait_for(lambda: server.placed()["default/ours"], seconds=8)
        finally:
            stop.set()
            crowding.join()
            thread.join(timeout=30)


def test_heartbeats_are_no_changes(serve):
    server = serve(*nodes(1))
    with controlling(server) as controller:
        before = controller.mirror.version
        (node,) = server.objects("nodes")
        ready = {"type": "Ready", "status": "True", "lastHeartbeatTime": "2030-01-01T00:00:00Z"}
        server.api.status(of("nodes"), node, {**node["status"], "conditions": [ready]})
        server.api.seed(pod("p"))
        wait_for(lambda: controller.mirror.pods)
        assert controller.mirror.version == before + 1


def test_nobody_is_preempted_while_victims_are_still_leaving(serve):
    server = serve(*nodes(2), replicaset(SMALL, 2, cpu="600m", scheduler="hocket"))
    server.settle()
    spread(server)
    server.api.seed(replicaset(BIG, 1, cpu="700m", scheduler="hocket", priority=5))
    server.settle()
    server.manager.kubelet.stop = 1.0
    with controlling(server, KubeScheduler()) as controller:
        wait_for(lambda: any(BIG in key for key in controller.mirror.pods))
        for _ in range(3):
            controller._look()
            time.sleep(0.1)
        assert evictions(server) == 1
        server.settle()
        wait_for(lambda: not any(one.leaving for one in controller.mirror.pods.values()))
        controller._look()
        server.settle()
        assert evictions(server) == 1
    assert [SMALL in key for key in pending(server)] == [True]


def test_room_that_is_being_made_stays_meant_for_the_pod(serve):
    server = serve(*nodes(1), replicaset(SMALL, 1, cpu="600m", scheduler="hocket"))
    server.settle()
    spread(server)
    server.api.seed(replicaset(BIG, 1, cpu="700m", scheduler="hocket", priority=5))
    server.settle()
    server.manager.kubelet.stop = 30.0
    with controlling(server, KubeScheduler()) as controller:
        wait_for(lambda: any(BIG in key for key in controller.mirror.pods))
        controller._look()
        wait_for(lambda: any(one.leaving for one in controller.mirror.pods.values()))
        controller._look()  # there is nobody else whom it could displace
        view, _ = controller._view()
    assert list(view.nominated.values()) == ["n0"]
    assert evictions(server) == 1


def test_policies_cannot_preempt_what_is_protected_or_foreign(serve, caplog):
    server = serve(*nodes(1), pod("alone", cpu="100m", on="n0", scheduler="hocket"))
    server.api.seed(replicaset("foreign", 1, cpu="100m"))
    server.settle()
    server.api.seed(pod("mighty", cpu="2", scheduler="hocket", priority=9))
    with controlling(server, Stubborn()) as controller:
        controller._look()
    assert evictions(server) == 0
    assert "has no controller" in caplog.text


def test_a_pod_that_never_leaves_does_not_end_all_planning(serve):
    server = fragmented(serve)
    server.api.seed(pod("stuck", cpu="10m", on="n0"))
    server.manager.kubelet.stop = 1e6
    server.api.delete(of("pods"), "default", "stuck", {"gracePeriodSeconds": 100_000})
    with controlling(server, apply=False) as controller:  # who looks does not wait at all
        found, again = controller._look()
        assert (found.plan is not None, again) == (True, None)
    with controlling(server, patience=0.5) as controller:
        _, again = controller._look()
        assert again is not None
        assert controller.once().plan is not None


def test_pods_with_two_budgets_are_not_even_planned_to_move(serve):
    loose = [budget(name, SMALL, minAvailable=0) for name in ("one", "two")]
    server = fragmented(serve, *loose)
    with controlling(server, apply=False) as controller:
        found = controller.once()
    assert found.plan is not None
    assert found.plan.steps == ()


def test_pods_stuck_in_other_namespaces_ask_for_no_plan(serve):
    server = fragmented(serve)
    with controlling(server, namespace="shop") as controller:
        found = controller.once()
    assert (found.plan, found.waiting) == (None, ())


def test_the_room_of_a_bound_pod_is_taken_also_before_the_watch_says_so(serve, monkeypatch):
    server = serve(*nodes(1), *(pod(f"p{i}", cpu="600m", scheduler="hocket") for i in range(2)))
    with controlling(server) as controller:
        note = controller.mirror._note

        def late(*words):
            time.sleep(0.5)
            note(*words)

        monkeypatch.setattr(controller.mirror, "_note", late)
        controller._look()
        controller._look()
    assert len(pending(server)) == 1


def test_what_was_placed_while_waiting_for_a_plan_is_told(serve):
    server = fragmented(serve)
    server.api.seed(pod("little", cpu="10m", scheduler="hocket"))
    policy = PriorityMatters(search=Options(time_limit=2.0), when="stable", stable_for=1.0)
    with controlling(server, policy) as controller:
        found = controller.once()
    assert found.plan is not None
    assert list(found.placed) == ["default/little"]


def test_nothing_is_placed_on_word_that_may_be_old(serve):
    server = serve(*nodes(1))
    with controlling(server) as controller:
        server.api.seed(pod("ours", scheduler="hocket"))
        wait_for(lambda: controller.mirror.pods)
        controller.mirror.trouble["pods"] = "no answer"
        with pytest.raises(Refused, match="cannot be followed: no answer"):
            controller._look()
    assert server.made("create") == []


def test_a_mirror_goes_on_after_an_error_of_its_own(serve, monkeypatch):
    server = serve(*nodes(1))
    broken = [RuntimeError("a bug")]

    def pod_of(thing, read=mirroring.pod_of):
        if broken:
            raise broken.pop()
        return read(thing)

    with controlling(server) as controller:
        monkeypatch.setattr(mirroring, "pod_of", pod_of)
        server.api.seed(pod("p"))
        wait_for(lambda: controller.mirror.pods)
        assert broken == []
        wait_for(lambda: not controller.mirror.trouble)


def test_closing_ends_the_watches(serve):
    if "shutdown" not in inspect.getsource(Watch.stop):
        pytest.skip("this version of the client cannot end a watch that waits")
    server = serve(*nodes(1))
    with controlling(server):
        wait_for(lambda: len(server.made("watch")) == 3)
        mine = [one for one in threading.enumerate() if one.name.startswith("hocket-watch")]
        assert len(mine) >= 3
    for thread in mine:
        thread.join(timeout=10)
        assert not thread.is_alive()


def test_objects_that_cannot_be_read_are_left_out_and_named(serve, caplog):
    server = serve(*nodes(1), pod("odd", cpu="12 cores"), pod("good", cpu="100m"))
    with controlling(server, apply=False) as controller:
        assert set(controller.mirror.pods) == {"default/good"}
        assert "default/odd" in " ".join(controller.mirror.left_out)
    assert "odd" in caplog.text


def test_what_could_not_be_read_and_has_gone_is_forgotten(serve):
    server = serve(*nodes(1), pod("odd", cpu="12 cores"), pod("strange", cpu="many"))
    with controlling(server) as controller:
        assert len(controller.mirror.left_out) == 2
        server.api.delete(of("pods"), "default", "odd")
        wait_for(lambda: len(controller.mirror.left_out) == 1)
        server.api.delete(of("pods"), "default", "strange")
        server.restart(forget=True)
        wait_for(lambda: not controller.mirror.left_out)
