"""Can this plan be carried out on the cluster as it is, and is it what it says it is?

The steps are carried out on the checker's own books, wave by wave, by the rules of
`hocket.cluster.simulate`; tiers are counted anew.

**Better.** For every priority p, high to low, let T_p be the pods of priority p and above. Compare
how many pods of T_p run, of which more is better, then their disruption, of which less is; the
first difference decides, and only where there is none does the next lower p count. The disruption
of a pod is `evict` if it runs now and not afterwards, `move` if it is taken from its node and bound
again, else 0; so that of the present state is 0, and no pod is disturbed for a less important one.
Before all that comes how many drained pods are still on the node that they have to leave: fewer are
better. While they are there they do not count as pods that run, and they can be taken from there
without disruption.

This is the order of the objectives of H. D. Christensen, J. Mauro and S. Giallorenzo (arXiv
2511.08373), and the only one in this package: the search, the planner and this checker all use it.
The authors' code searches in this order too, but accepts what it finds in another: by how many pods
of each priority run, then by evictions, then by moves. It so lets a pod move for a less important
one where no waiting pod can be placed otherwise; here such a plan is worse than the present.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

from hocket.cluster.check.ledger import Broken, Ledger
from hocket.cluster.model.pods import Pod, Pods
from hocket.cluster.packing.plan import Plan, Step, Tier
from hocket.core.solution import Violation

BETTER = ("better and optimal", "better")
OPTIMAL = ("better and optimal", "already optimal")
VERDICTS = (*BETTER, "already optimal", "no better plan in time")


class Score(NamedTuple):
    """How good a state is, by priority from the highest: pods of T_p that run, and disruption.

    `drained` is how many pods still have to leave their node.
    """

    placed: tuple[int, ...]
    disruption: tuple[int, ...]
    drained: int = 0

    def compared(self, other: Score) -> int:
        """1 if this state is better, -1 if it is worse, 0 if they are as good; see the module."""
        mine, theirs = self._parts(), other._parts()
        return (mine > theirs) - (mine < theirs)

    def _parts(self) -> tuple[int, ...]:
        tiers = zip(self.placed, self.disruption, strict=True)
        return (-self.drained, *(part for placed, cost in tiers for part in (placed, -cost)))


def check_plan(cluster: Pods, plan: Plan, *, evict: int = 1, move: int = 2) -> list[Violation]:
    """Everything wrong with a plan for the present state of `cluster`; empty for a sound one.

    Waiting pods of the scenario count as present, whatever their arrival. `evict` and `move` are
    what each such pod adds to the disruption.

    - ``verdict``: unknown, steps without a better one, or one that numbers or tiers belie
    - ``unknown``, ``order``, ``here``: steps about what is not there, out of order, or about a pod
      that is elsewhere. A pod may be on its way over a third node: evicted, bound, and again
    - ``protected``, ``budget``: evictions that are not permitted
    - ``gated`` and all rules of binds in `hocket.cluster.check.pods`: a bind that does not fit
    - ``worse``: the end is worse than the present; ``tier``: a tier that is not as counted
    """
    replay = _Replay(cluster)
    replay.carry_out(plan.steps)
    found = replay.found
    if plan.verdict not in VERDICTS:
        found.append(Violation("verdict", f"{plan.verdict!r} is none"))
    if plan.steps and plan.verdict not in BETTER:
        found.append(Violation("verdict", f"{plan.verdict!r}, but there are steps"))
    before, after = present(cluster), replay.score(evict, move)
    gain = after.compared(before)
    if gain < 0:
        found.append(Violation("worse", f"{after} is worse than the present {before}"))
    if plan.verdict in OPTIMAL and after.drained:
        told = f"{plan.verdict!r}, but {after.drained} drained pods have not left their node"
        found.append(Violation("verdict", told))
    if plan.verdict in BETTER and gain == 0:
        found.append(Violation("verdict", f"{plan.verdict!r}, but the end is as good as now"))
    if plan.tiers or plan.verdict in OPTIMAL:
        found += _tiers(cluster, plan, before, after)
    return found


def no_worse(cluster: Pods, plan: Plan, *, evict: int = 1, move: int = 2) -> bool:
    """Whether a plan may be given to anybody: sound in every respect (see `check_plan`)."""
    return not check_plan(cluster, plan, evict=evict, move=move)


def present(cluster: Pods) -> Score:
    """The score of doing nothing."""
    return _Replay(cluster).score(0, 0)


def reached(cluster: Pods, steps: tuple[Step, ...], *, evict: int = 1, move: int = 2) -> Score:
    """The score after some steps, whether they are permitted or not."""
    replay = _Replay(cluster)
    replay.carry_out(steps)
    return replay.score(evict, move)


class _Replay:
    """The present state, and steps taken on it."""

    def __init__(self, cluster: Pods) -> None:
        self.cluster = cluster
        self.ledger = Ledger(cluster)
        self.pods = {pod.key: pod for pod in cluster.pods}
        self.found: list[Violation] = []
        self.evicted: set[str] = set()
        for pod in cluster.pods:
            self.ledger.come(pod)
            if pod.node is not None:
                self._put(pod, self.ledger.index[pod.node])

    def carry_out(self, steps: tuple[Step, ...]) -> None:
        """Take all steps: those of a wave evict, then these pods leave, then those bind."""
        waves: dict[int, list[Step]] = {}
        for step, after in pairwise(steps):
            if (after.wave, after.act == "bind") < (step.wave, step.act == "bind"):
                self._wrong(after, "order", "an earlier wave, or an eviction, follows a bind")
        for step in steps:
            waves.setdefault(step.wave, []).append(step)
        for wave in sorted(waves):
            leaving = [
                self.pods[step.pod]
                for step in waves[wave]
                if step.act == "evict" and self._evict(step)
            ]
            for pod in leaving:
                self.ledger.take(pod)
            for step in waves[wave]:
                if step.act == "bind":
                    self._bind(step)

    def score(self, evict: int, move: int) -> Score:
        """What is reached."""
        where = self.ledger.where
        drained = [
            pod.key
            for pod in self.cluster.pods
            if pod.drained and pod.node is not None and where.get(pod.key) == self._home(pod)
        ]
        running = dict.fromkeys(where.keys() - set(drained), 1)
        cost = {
            key: move if key in where else evict
            for key in self.evicted
            if not self.pods[key].drained
        }
        placed, disruption = _per_tier(self.cluster, running), _per_tier(self.cluster, cost)
        return Score(placed, disruption, len(drained))

    def _home(self, pod: Pod) -> int | None:
        return None if pod.node is None else self.ledger.index[pod.node]

    def _evict(self, step: Step) -> bool:
        pod = self._known(step)
        if pod is None:
            return False
        if pod.protected:
            self._wrong(step, "protected", pod.protection or "it is protected")
        where = self.ledger.where.get(pod.key)
        if where is None or pod.key in self.ledger.leaving:
            self._wrong(step, "here", "it is on no node")
            return False
        if self.cluster.nodes[where].name != step.node:
            self._wrong(step, "here", f"it is on {self.cluster.nodes[where].name}")
        self._note(step, self.ledger.too_few(pod))
        self.ledger.leave(pod)
        if pod.node is not None:
            self.evicted.add(pod.key)
        return True

    def _bind(self, step: Step) -> None:
        pod = self._known(step)
        if pod is None:
            return
        if pod.gated:
            self._wrong(step, "gated", "it is held back by its gates")
        if pod.key in self.ledger.where:
            self._wrong(step, "here", "it is on a node already")
            return
        node = self.ledger.index[step.node]
        self._note(step, self.ledger.unfit(pod, node, self.ledger.fullest(pod, node)))
        self._put(pod, node)

    def _put(self, pod: Pod, node: int) -> None:
        self.ledger.put(pod, node, self.ledger.fullest(pod, node))

    def _known(self, step: Step) -> Pod | None:
        if step.pod not in self.pods:
            self._wrong(step, "unknown", "there is no such pod")
            return None
        if step.node not in self.ledger.index:
            self._wrong(step, "unknown", "there is no such node")
            return None
        return self.pods[step.pod]

    def _note(self, step: Step, broken: Broken) -> None:
        for rule, why in broken:
            self._wrong(step, rule, why)

    def _wrong(self, step: Step, rule: str, why: str) -> None:
        told = f"wave {step.wave}: {step.act} {step.pod}, {step.node}"
        self.found.append(Violation(rule, f"{told}: {why}"))


def _tiers(cluster: Pods, plan: Plan, before: Score, after: Score) -> list[Violation]:
    pods = _per_tier(cluster, {pod.key: 1 for pod in cluster.pods})
    priorities = cluster.priorities
    if tuple(tier.priority for tier in plan.tiers) != priorities:
        told = [tier.priority for tier in plan.tiers]
        return [Violation("tier", f"there are {told}, but the priorities are {list(priorities)}")]
    found = []
    for k, tier in enumerate(plan.tiers):
        counted = (pods[k], before.placed[k], after.placed[k], after.disruption[k])
        told = [tier.pods, tier.before, tier.placed, tier.disruption]
        if tuple(told) != counted:
            names = "pods, before, placed, disruption"
            message = f"of priority {tier.priority}: {names} are told as {told}, and counted as"
            found.append(Violation("tier", f"{message} {list(counted)}"))
        found += _bounds(tier, plan.verdict in OPTIMAL)
    return found


def _bounds(tier: Tier, optimal: bool) -> list[Violation]:
    """Bounds lie on the right side of what is reached; an optimal plan reaches them."""
    what = f"of priority {tier.priority}: "
    found = []
    if tier.placed_bound < tier.placed:
        told = f"{tier.placed} run, but no more than {tier.placed_bound} are said to be possible"
        found.append(Violation("tier", what + told))
    if tier.disruption_bound > tier.disruption:
        told = f"disruption is {tier.disruption}, though {tier.disruption_bound} is the least"
        found.append(Violation("tier", what + told))
    if optimal and not tier.proved:
        found.append(Violation("verdict", what + "it is said to be optimal, but is not proved"))
    return found


def _per_tier(cluster: Pods, values: dict[str, int]) -> tuple[int, ...]:
    """Sums over T_p for all priorities p, high to low."""
    own: dict[int, int] = {}
    for pod in cluster.pods:
        own[pod.priority] = own.get(pod.priority, 0) + values.get(pod.key, 0)
    total, sums = 0, []
    for priority in cluster.priorities:
        total += own[priority]
        sums.append(total)
    return tuple(sums)
