"""Carry a plan out, and stop as soon as the cluster is not what the plan was made for.

Before anything is done the whole rest of the plan is tried on the present cluster, and all
evictions of a wave are put to the API server as a dry run. What cannot be undone, an eviction, is
followed through: when a plan is given up midway, the successors of evicted pods still get the nodes
that were meant for them, if these have room, and are otherwise left to the scheduler. While the
cluster cannot be followed, nothing is begun.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from itertools import groupby

import msgspec

from hocket.cluster.live.k8s.api import Api, Refused
from hocket.cluster.live.k8s.mirror import Mirror, Seen, alike
from hocket.cluster.model.pods import Pods
from hocket.cluster.packing.ground import Ground
from hocket.cluster.packing.plan import Plan, Step

LOG = logging.getLogger("hocket.k8s")

PATIENCE = 60.0
"""Seconds to wait for a disruption budget, for an evicted pod to leave, and for its successor."""

_LOOK = 0.5


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a plan. `given_up` says why it was not carried out to the end, if so."""

    evicted: int = 0
    bound: int = 0
    given_up: str = ""


class Executor:
    """Carries out one plan at a time. `stop` is asked between steps."""

    def __init__(
        self,
        api: Api,
        mirror: Mirror,
        *,
        patience: float = PATIENCE,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        """`patience` is in seconds; see `PATIENCE`. After `stop` nothing is waited for."""
        self.api, self.mirror, self.patience, self.stop = api, mirror, patience, stop
        self._names: dict[str, str] = {}  # what pods of the plan are called by now
        self._made: dict[str, Seen] = {}  # evicted pods whose successor has not been bound
        self._known: set[str] = set()  # uids of the pods that were there before
        self._evicted = self._bound = 0

    def carry_out(self, plan: Plan) -> Outcome:
        """Take the steps of a plan in order; never raises Refused."""
        self._names, self._made, self._evicted, self._bound = {}, {}, 0, 0
        self._known = {seen.uid for seen in list(self.mirror.pods.values())}
        waves = [list(steps) for _, steps in groupby(plan.steps, key=lambda step: step.wave)]
        why = ""
        for k, wave in enumerate(waves):
            rest = [step for later in waves[k:] for step in later]
            try:
                why = self._misfit(rest) or self._wave(wave)
            except Refused as refused:
                why = str(refused)
            if why:
                LOG.warning("the plan is given up: %s", why)
                self._settle([step for later in waves[k:] for step in later])
                break
        return Outcome(evicted=self._evicted, bound=self._bound, given_up=why)

    def _wave(self, wave: Sequence[Step]) -> str:
        """Take one wave; why it could not be taken whole, empty if it was."""
        evictions = [step for step in wave if step.act == "evict"]
        binds = [step for step in wave if step.act == "bind"]
        if self.stop():
            return "asked to stop"
        for step in evictions:  # nothing has been done yet in this wave
            why = self._evict(step, dry_run=True)
            if why:
                return why
        for step in evictions:
            why = self._evict(step)
            if why:
                return why
        why = self._await_gone([step.pod for step in evictions])
        for step in binds:
            why = why or self._bind(step)
        return why

    def _evict(self, step: Step, *, dry_run: bool = False) -> str:
        """Evict a pod, waiting for its budgets; why that failed, empty if it did not."""
        key = self._names.get(step.pod, step.pod)
        until = time.monotonic() + self.patience
        while True:
            seen = self.mirror.pods.get(key)
            if seen is None or seen.pod.node != step.node:
                return f"{key} is no longer on {step.node}"
            try:
                self.api.evict(seen.pod.namespace, seen.pod.name, seen.uid, dry_run=dry_run)
            except Refused as refused:
                if refused.status in (404, 409) and not dry_run:
                    # It has gone: by itself, or by a call whose answer was lost. What its
                    # controller makes in its place gets its node, as if it were the latter.
                    LOG.info("%s", refused)
                    self._await_successor(step, seen)
                    return ""
                if refused.status == 404:
                    return f"{key} has gone by itself"
                if refused.status != 429 or self._late(until):
                    return str(refused)
                time.sleep(_LOOK)
                continue
            if not dry_run:
                self._evicted += 1
                self._await_successor(step, seen)
                LOG.info("evicted %s from %s: %s", key, step.node, step.reason)
            return ""

    def _await_successor(self, step: Step, gone: Seen) -> None:
        self._made[step.pod] = gone
        self._known.add(gone.uid)
        self._names.pop(step.pod, None)

    def _await_gone(self, keys: Sequence[str]) -> str:
        until = time.monotonic() + self.patience
        while True:
            version = self.mirror.version
            left = [key for key in keys if self._still_there(key)]
            if not left:
                return ""
            if self._late(until):
                return f"{left[0]} has not left its node in {self.patience:g} s"
            self.mirror.wait(version, _LOOK)

    def _still_there(self, key: str) -> bool:
        before = self._made[key]
        now = self.mirror.pods.get(before.pod.key)
        return now is not None and now.uid == before.uid

    def _bind(self, step: Step) -> str:
        """Bind a waiting pod, or the successor of an evicted one, once it is there."""
        until = time.monotonic() + self.patience
        while True:
            version = self.mirror.version
            found = self._waiting(step.pod)
            if found is not None:
                return self._bind_now(step, found)
            if step.pod not in self._made:
                return self._placed(step)
            for arrived in self._successors(step.pod):
                if arrived.pod.node == step.node:  # its own scheduler, which knows the plan
                    return self._done(step, arrived.pod.key)
            if self._late(until):
                return f"no pod waits in the place of {step.pod}"
            self.mirror.wait(version, _LOOK)

    def _placed(self, step: Step) -> str:
        """A pod that was to wait does not: it has got its node from somebody else, or has gone."""
        own = self.mirror.pods.get(step.pod)
        if own is None or own.pod.node is None:
            return f"{step.pod} waits no more"
        if own.pod.node != step.node:
            return f"{step.pod} has been placed on {own.pod.node}"
        return self._done(step, step.pod)

    def _late(self, until: float) -> bool:
        return time.monotonic() > until or self.stop()

    def _bind_now(self, step: Step, found: Seen) -> str:
        pod = found.pod
        ground = Ground(self.mirror.snapshot())
        node = ground.state.index.get(step.node)
        if node is None or not ground.may_bind(pod.key, node):
            return f"{step.node} no longer has room for {pod.key}"
        try:
            self.api.bind(pod.namespace, pod.name, found.uid, step.node)
        except Refused as refused:
            now = self.api.read_pod(pod.namespace, pod.name)
            where = ((now or {}).get("spec") or {}).get("nodeName")
            if where != step.node:  # the answer to a bind that was made may have been lost
                return str(refused)
        self._await_bound(pod.key, step.node)
        return self._done(step, pod.key)

    def _done(self, step: Step, key: str) -> str:
        self._bound += 1
        self._names[step.pod] = key
        self._made.pop(step.pod, None)
        LOG.info("bound %s to %s: %s", key, step.node, step.reason)
        return ""

    def _await_bound(self, key: str, node: str) -> None:
        """The next look at the cluster must show what was just done."""
        until = time.monotonic() + self.patience
        while time.monotonic() < until:
            version = self.mirror.version
            seen = self.mirror.pods.get(key)
            if seen is None or seen.pod.node == node:
                return
            self.mirror.wait(version, _LOOK)

    def _waiting(self, key: str) -> Seen | None:
        """The pod itself where it only waits, else a successor that nobody has taken."""
        if key in self._made:
            return next((one for one in self._successors(key) if one.pod.node is None), None)
        own = self.mirror.pods.get(key)
        return own if own is not None and own.pod.node is None and not own.leaving else None

    def _successors(self, key: str) -> list[Seen]:
        """What an evicted pod's controller has made since in its place, those that wait first."""
        made, taken = self._made[key], set(self._names.values())
        with self.mirror.changed:
            able = [
                seen
                for seen in self.mirror.pods.values()
                if not seen.leaving
                and seen.uid not in self._known
                and seen.pod.key not in taken
                and (alike(seen, made) or seen.pod.key == made.pod.key)
            ]
        return sorted(able, key=lambda one: (one.pod.node is not None, one.since, one.pod.key))

    def _misfit(self, rest: Sequence[Step]) -> str:
        """Why the rest of the plan does not fit the cluster as it is now; empty if it does."""
        if trouble := self.mirror.told():
            return f"the cluster cannot be followed: {trouble}"
        cluster, names = self._expected()
        ground = Ground(cluster)
        for step in rest:
            key = names.get(step.pod, step.pod)
            node = ground.state.index.get(step.node)
            if node is None:
                return f"there is no node {step.node} any more"
            if key not in ground.pods:
                return f"{key} is not there any more"
            if step.act == "evict":
                if ground.state.where.get(key) != node:
                    return f"{key} is not on {step.node} any more"
                if ground.pods[key].protected:
                    return f"{key} may not be moved: {ground.pods[key].protection}"
                ground.evict(key)
            elif key in ground.state.where:
                if ground.state.where[key] != node:
                    return f"{key} runs already, on {cluster.nodes[ground.state.where[key]].name}"
            elif not ground.may_bind(key, node):
                return f"{step.node} would have no place for {key}"
            else:
                ground.bind(key, node)
        return ""

    def _expected(self) -> tuple[Pods, dict[str, str]]:
        """The cluster, and what pods of the plan are called there.

        An evicted pod that is still to be bound is its successor, or is taken to wait itself.
        """
        with self.mirror.changed:
            cluster = self.mirror.snapshot()
            names, awaited = dict(self._names), []
            for key, made in self._made.items():
                used = set(names.values())
                found = [one for one in self._successors(key) if one.pod.key not in used]
                names[key] = found[0].pod.key if found else made.pod.key
                if not found and made.pod.key not in self.mirror.pods:
                    awaited.append(msgspec.structs.replace(made.pod, node=None))
        pods = (*cluster.pods, *awaited)
        return msgspec.structs.replace(cluster, pods=pods), names

    def _settle(self, rest: Sequence[Step]) -> None:
        """After a plan was given up: give successors of evicted pods the nodes meant for them."""
        for step in rest:
            if step.act == "bind" and step.pod in self._made:
                try:
                    why = self._bind(step)
                except Refused as refused:
                    why = str(refused)
                if why:
                    LOG.warning("%s is left to the scheduler: %s", step.pod, why)
