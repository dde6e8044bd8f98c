"""Plans as shell scripts: safe to read, safe to quote, and right when run against an API server."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from hocket.cluster.formats.kubectl import FORMAT
from hocket.cluster.model.pods import Node, Pod, Pods
from hocket.cluster.packing.plan import Plan, Step
from hocket.cluster.packing.script import script
from hocket.cluster.packing.sequence import Blocked, sequence
from hocket.cluster.policies.plans import FollowPlan
from hocket.core.errors import InputError, NotApplicable
from tests.cluster.live.apiserver import (
    ApiServer,
    Json,
    budget,
    certificates,
    node,
    replicaset,
    serving,
)

WEB = "ReplicaSet/web"


def moving(**more: str) -> tuple[Pods, Plan]:
    """A pod moves so that another fits."""
    owner = more.get("owner", WEB)
    nodes = tuple(Node(name=name, allocatable={"milli_cpu": 1000}) for name in ("n1", "n2"))
    pods = (
        Pod(name=more.get("name", "web-1"), namespace=more.get("namespace", "shop"),
            requests={"milli_cpu": 400}, node="n1", owner=owner),
        Pod(name="big", namespace="shop", requests={"milli_cpu": 700}),
    )  # fmt: skip
    reason = more.get("reason", "so that big fits")
    steps = (
        Step(act="evict", pod=pods[0].key, node="n1", reason=reason),
        Step(act="bind", pod=pods[0].key, node="n2"),
        Step(act="bind", pod="shop/big", node="n1"),
    )
    return Pods(name=more.get("title", "now"), nodes=nodes, pods=pods), Plan(
        verdict="better", steps=steps
    )


def test_the_steps_in_order_with_their_reasons() -> None:
    text = script(*moving())
    lines = text[text.index("echo 'Wave 1'") :].splitlines()
    assert lines == [
        "echo 'Wave 1'",
        "# so that big fits",
        'evict_pod shop "$pod_1" n1',
        "gone",
        "#",
        'successor shop "$pod_1" ReplicaSet/web',
        "pod_1=$NEW",
        'bind_pod shop "$pod_1" n2',
        "#",
        "bind_pod shop big n1",
        "",
        "echo 'Done.'",
    ]
    assert "set -euo pipefail" in text
    assert "1 placed, 1 moved, 0 evicted" in text.splitlines()[1]


def test_a_policy_gives_the_same_script_as_its_plan() -> None:
    world, plan = moving()
    assert script(world, FollowPlan.of(plan)) == script(world, plan)


def test_nothing_to_do_asks_nothing_of_the_cluster() -> None:
    world, _ = moving()
    text = script(world, Plan(verdict="already optimal"))
    done = run_bash(text, {"KUBECTL": "false"})
    assert (done.returncode, done.stdout) == (0, "There is nothing to do.\n")


@pytest.mark.parametrize("name", ["a b", "a;reboot", "$(reboot)", "a'b", 'a"b', "a\nb", "-n", "ä"])
@pytest.mark.parametrize("field", ["name", "namespace", "owner"])
def test_names_that_kubernetes_cannot_have_are_refused(field: str, name: str) -> None:
    if field == "owner":
        name = f"ReplicaSet/{name}"
    with pytest.raises(InputError, match="none that Kubernetes knows"):
        script(*moving(**{field: name}))


@pytest.mark.parametrize(
    "text", ["x\nreboot", "x\rreboot", "$(reboot)", "`reboot`", "\x1b[2J", "x\u2028reboot", "x\\"]
)
@pytest.mark.parametrize("field", ["reason", "title"])
def test_texts_stay_in_their_comment(field: str, text: str, tmp_path: Path) -> None:
    found = script(*moving(**{field: text}))
    named = [line for line in found.splitlines() if "reboot" in line]
    assert all(line.startswith("# ") for line in named)
    assert "\x1b" not in found
    fake = tmp_path / "kubectl"
    fake.write_text("#!/bin/sh\necho 'uid|'\n")
    fake.chmod(0o755)
    done = run_bash(found, {"KUBECTL": str(fake)})
    assert "make a new plan" in done.stderr  # it got as far as looking, and ran nothing else


def test_a_pod_that_nothing_makes_anew_cannot_be_moved() -> None:
    with pytest.raises(NotApplicable, match="shop/web-1"):
        script(*moving(owner=""))


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
def test_shellcheck_has_nothing_to_say(tmp_path: Path) -> None:
    file = tmp_path / "plan.sh"
    file.write_text(script(*moving()))
    done = subprocess.run(["shellcheck", str(file)], capture_output=True, text=True, check=False)
    assert done.stdout == ""


# Against an API server, with the real kubectl


def run_bash(text: str, more: dict[str, str]) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **more}
    return subprocess.run(
        ["bash", "-c", text],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


Run = Callable[..., "subprocess.CompletedProcess[str]"]
Serve = Callable[..., ApiServer]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    made = certificates.make(tmp_path_factory.mktemp("tls"))
    if made is None:
        pytest.skip("openssl is not installed; it makes the certificate that kubectl needs")
    return made


@pytest.fixture
def serve(certificate: tuple[Path, Path]) -> Iterator[Serve]:
    """A server with controllers and a scheduler that binds whatever it may."""
    with contextlib.ExitStack() as stack:

        def start(*objects: Json) -> ApiServer:
            server = stack.enter_context(serving(*objects, scheduler=True, tls=certificate))
            server.settle()
            return server

        yield start


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a script, or words of kubectl, against a server."""
    binary = shutil.which(os.environ.get("KUBECTL", "kubectl"))
    if binary is None:
        pytest.skip("kubectl is not installed")

    def start(server: ApiServer, text: str, **more: str) -> subprocess.CompletedProcess[str]:
        config = server.kubeconfig(tmp_path / "kubeconfig")
        quick = text.replace("POLL=2\n", "POLL=0.2\n")
        settings = {"KUBECONFIG": str(config), "HOME": str(tmp_path), "KUBECTL": binary}
        return run_bash(quick, {**settings, "TIMEOUT": "20", **more})

    return start


def snapshot(server: ApiServer, run: Run) -> Pods:
    """What an operator would save."""
    done = run(server, '"$KUBECTL" get nodes,pods,pdb -A -o json')
    assert done.returncode == 0, done.stderr
    world = FORMAT.read(done.stdout, "now.json")
    assert isinstance(world, Pods)
    return world


def planned(world: Pods, **moves: str) -> Plan:
    """The plan to a target: where pods run afterwards whose name starts so, the others as now."""
    target = {pod.key: pod.node for pod in world.pods if pod.node is not None}
    for start, there in moves.items():
        key = next(pod.key for pod in world.pods if pod.name.startswith(start) and
                   target.get(pod.key) != there)  # fmt: skip
        target[key] = there
    steps = sequence(world, target)
    assert not isinstance(steps, Blocked)
    return Plan(verdict="better", steps=steps)


def fragmented(**spec: object) -> list[Json]:
    """Each of three nodes is two fifths full; a pod of seven tenths waits."""
    sets = [
        replicaset(f"web{i}", 1, cpu="400m", nodeSelector={"kubernetes.io/hostname": f"n{i}"})
        for i in range(3)
    ]
    for one in sets[:1]:  # the first may go anywhere
        del one["spec"]["template"]["spec"]["nodeSelector"]
    return [*(node(f"n{i}") for i in range(3)), *sets, replicaset("zoom", 1, cpu="700m")]


def test_it_does_what_the_plan_says_though_a_scheduler_is_at_work(serve: Serve, run: Run) -> None:
    server = serve(*fragmented())
    world = snapshot(server, run)
    assert [pod.name[:3] for pod in world.pods if pod.node is None] == ["zoo"]
    plan = planned(world, web0="n1", zoom="n0")
    text = script(world, plan)

    told = run(server, text)
    assert told.returncode == 0, told.stderr
    assert [line.split()[0] for line in told.stdout.splitlines()] == [
        "Wave", "evict", "bind", "bind", "Done."
    ]  # fmt: skip
    assert not server.made("create", "pods/eviction")
    assert snapshot(server, run).pods == world.pods

    done = run(server, text, APPLY="1")
    assert done.returncode == 0, done.stderr
    server.settle()
    after = snapshot(server, run)
    assert sorted((pod.name[:4], pod.node) for pod in after.pods) == [
        ("web0", "n1"), ("web1", "n1"), ("web2", "n2"), ("zoom", "n0")
    ]  # fmt: skip
    assert not any(one.cordoned for one in after.nodes)
    assert len(server.made("create", "pods/eviction")) == 1

    again = run(server, text, APPLY="1")
    assert again.returncode == 1
    assert "make a new plan" in again.stderr
    assert not any(one.cordoned for one in snapshot(server, run).nodes)


def test_nodes_that_were_cordoned_stay_so(serve: Serve, run: Run) -> None:
    server = serve(*fragmented(), node("spare", unschedulable=True))
    world = snapshot(server, run)
    done = run(server, script(world, planned(world, web0="n1", zoom="n0")), APPLY="1")
    assert done.returncode == 0, done.stderr
    assert [one.name for one in snapshot(server, run).nodes if one.cordoned] == ["spare"]


def test_budgets_are_waited_for(serve: Serve, run: Run) -> None:
    server = serve(
        *(node(f"n{i}") for i in range(4)),
        replicaset("web", 2, cpu="600m"),
        budget("web", "web", maxUnavailable=1),
    )
    world = snapshot(server, run)
    runs = sorted(pod.node or "" for pod in world.pods)
    assert runs == ["n0", "n1"]
    goal = {pod.key: {"n0": "n2", "n1": "n3"}[pod.node or ""] for pod in world.pods}
    steps = sequence(world, goal)
    assert not isinstance(steps, Blocked)
    assert {step.wave for step in steps} == {0, 1}
    one_wave = tuple(msgspec.structs.replace(step, wave=0) for step in steps)
    text = script(world, Plan(verdict="better", steps=one_wave))
    done = run(server, text, APPLY="1")
    assert done.returncode == 0, done.stderr
    server.settle()
    assert sorted(pod.node or "" for pod in snapshot(server, run).pods) == ["n2", "n3"]


def test_a_budget_that_never_yields_ends_it_and_frees_the_nodes(serve: Serve, run: Run) -> None:
    server = serve(*fragmented(), budget("web0", "web0", maxUnavailable=0))
    world = snapshot(server, run)
    free = msgspec.structs.replace(world, budgets=())
    done = run(server, script(free, planned(free, web0="n1", zoom="n0")), APPLY="1", TIMEOUT="1")
    assert done.returncode == 1
    assert "a disruption budget keeps default/web0" in done.stderr
    after = snapshot(server, run)
    assert after.pods == world.pods
    assert not any(one.cordoned for one in after.nodes)


def test_a_pod_on_its_way_over_a_third_node(serve: Serve, run: Run) -> None:
    labels = {"tier": "pair"}
    sets = []
    for name, cpu in (("a", "700m"), ("b", "800m")):
        one = replicaset(name, 1, cpu=cpu)
        one["spec"]["template"]["metadata"]["labels"] |= labels
        sets.append(one)
    both = budget("pair", "-", maxUnavailable=1)
    both["spec"]["selector"]["matchLabels"] = labels
    server = serve(*(node(f"n{i}") for i in range(3)), *sets, both)
    world = snapshot(server, run)
    assert [(pod.name[0], pod.node) for pod in world.pods] == [("a", "n0"), ("b", "n1")]
    plan = planned(world, a="n1", b="n0")
    assert len(plan.steps) == 6
    done = run(server, script(world, plan), APPLY="1")
    assert done.returncode == 0, done.stderr
    server.settle()
    after = snapshot(server, run)
    assert sorted((pod.name[0], pod.node) for pod in after.pods) == [("a", "n1"), ("b", "n0")]
