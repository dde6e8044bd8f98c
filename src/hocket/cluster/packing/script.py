"""A plan as a shell script: to be read first, and then run against the cluster with kubectl."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

from hocket.cluster.model.pods import Pods
from hocket.cluster.packing.plan import Plan, Step
from hocket.cluster.packing.script_bash import FUNCTIONS, HEAD
from hocket.cluster.policies.plans import FollowPlan
from hocket.core.errors import InputError, NotApplicable, Problem

_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?", re.ASCII)
_OWNER = re.compile(r"[A-Za-z0-9]+/[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?", re.ASCII)


def script(cluster: Pods, plan: Plan | FollowPlan) -> str:
    """A bash script that takes the steps of a plan for a snapshot, and only tells them by default.

    Pods are evicted through the eviction API, so budgets are honoured; what their controllers make
    anew is bound to the planned nodes. Raises NotApplicable for a pod that moves and has no owner
    to make it anew, InputError for names that no object of Kubernetes can have.
    """
    if isinstance(plan, FollowPlan):
        plan = Plan(verdict="better", steps=plan.steps)
    _require(cluster, plan)
    head = HEAD.replace("@TITLE@", _comment(_title(cluster, plan)))
    if not plan.steps:
        return f"{head}\necho 'There is nothing to do.'\n"
    return "\n".join((head.rstrip(), FUNCTIONS, *_Writer(cluster, plan).lines(), ""))


class _Writer:
    """The lines about the steps. A pod that is made anew has a variable for its present name."""

    def __init__(self, cluster: Pods, plan: Plan) -> None:
        self.plan = plan
        self.pods = {pod.key: pod for pod in cluster.pods}
        anew = dict.fromkeys(key for key in plan.moved)
        self.names = {key: f"pod_{k}" for k, key in enumerate(anew, 1)}
        owners = {(self.pods[key].namespace, self.pods[key].owner) for key in anew}
        self.waiting = [
            pod.key
            for pod in cluster.pods
            if pod.node is None and (pod.namespace, pod.owner) in owners
        ]

    def lines(self) -> Iterator[str]:
        """All of them."""
        yield "# Pods that waited before, by the names that they have in the plan."
        yield f"WAITING={shlex.quote(' '.join(self.waiting))}"
        for key, name in self.names.items():
            yield f"{name}={shlex.quote(self.pods[key].name)}"
        yield ""
        yield "# The plan is for these places."
        for key in dict.fromkeys(step.pod for step in self.plan.steps):
            pod = self.pods[key]
            yield _call("expect", pod.namespace, pod.name, pod.node or "")
        yield ""
        for node in dict.fromkeys(pod.node for pod in self.pods.values() if pod.drained):
            if node is not None:
                yield _call("close_node", node)
        yield "pause_scheduling"
        wave, leaving = -1, False
        for step in self.plan.steps:
            if leaving and step.act == "bind":
                yield "gone"
                leaving = False
            if step.wave != wave:
                wave = step.wave
                yield ""
                yield f"echo 'Wave {wave + 1}'"
            leaving = leaving or step.act == "evict"
            yield from self._step(step)
        if leaving:
            yield "gone"
        yield ""
        yield "echo 'Done.'"

    def _step(self, step: Step) -> Iterator[str]:
        pod = self.pods[step.pod]
        yield f"# {_comment(step.reason)}" if step.reason else "#"
        name = f'"${self.names[step.pod]}"' if step.pod in self.names else shlex.quote(pod.name)
        namespace, node = shlex.quote(pod.namespace), shlex.quote(step.node)
        if step.act == "bind" and step.pod in self.names:
            yield f"successor {namespace} {name} {shlex.quote(pod.owner)}"
            yield f"{self.names[step.pod]}=$NEW"
        yield f"{step.act}_pod {namespace} {name} {node}"


def _call(*words: str) -> str:
    return " ".join(shlex.quote(word) for word in words)


def _comment(text: str) -> str:
    """Text that stays within one line of a comment."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _title(cluster: Pods, plan: Plan) -> str:
    changes = f"{len(plan.placed)} placed, {len(plan.moved)} moved, {len(plan.evicted)} evicted"
    name = f" for {cluster.name}" if cluster.name else ""
    return f"A plan{name}: {changes} pods"


def _require(cluster: Pods, plan: Plan) -> None:
    """Refuse what no script can do."""
    pods = {pod.key: pod for pod in cluster.pods}
    alone = [key for key in plan.moved if not pods[key].owner]
    if alone:
        raise NotApplicable(
            f"no script can move {', '.join(alone[:5])}: nothing is known that would make such a "
            f"pod anew after its eviction; give it an owner"
        )
    problems = []
    names = dict.fromkeys(step.pod for step in plan.steps)
    for key in names:
        for what, text in (("namespace", pods[key].namespace), ("name", pods[key].name)):
            if not _NAME.fullmatch(text):
                problems.append(_odd(f"pod {key!r}", what, text))
        if pods[key].owner and not _OWNER.fullmatch(pods[key].owner):
            problems.append(_odd(f"pod {key!r}", "owner", pods[key].owner))
    nodes = dict.fromkeys(step.node for step in plan.steps)
    problems += [_odd(f"node {n!r}", "name", n) for n in nodes if not _NAME.fullmatch(n)]
    if problems:
        raise InputError(cluster.name or "cluster", problems)


def _odd(where: str, what: str, text: str) -> Problem:
    return Problem(where, f"its {what} {text!r} is none that Kubernetes knows; rename it")
