"""The points of a timeline carried out one after another, each judged by the rules."""

from __future__ import annotations

import heapq
from typing import NamedTuple

from hocket.cluster.check.ledger import Broken, Ledger
from hocket.cluster.model.pods import Pod, Pods
from hocket.core.solution import Violation
from hocket.core.timeline import Point, Span, Timeline

BETTER = ("better and optimal", "better")
VERDICTS = (*BETTER, "already optimal", "no better plan in time")


class Stay(NamedTuple):
    """A time that a pod ran on a node, or waited (then `node` is empty)."""

    pod: str
    node: str
    start: int
    end: int


class Turn(NamedTuple):
    """Where a pod stands in the queue; `came` is 0 for one that comes again."""

    priority: int
    since: int
    came: int

    def before(self, other: Turn) -> bool:
        """Whether this one is tried first for certain."""
        if self[:2] != other[:2]:
            return self[:2] < other[:2]
        return 0 < self.came < other.came


class Life:
    """What is known of one pod: since when it is in its `state`, and how long it ran before."""

    __slots__ = ("came", "ran", "since", "state", "stays")

    def __init__(self) -> None:
        self.state = "absent"  # then waiting, running, leaving ... and done
        self.since = self.ran = self.came = 0
        self.stays = 0


class Replay:
    """A run that is carried out again from its points.

    - `found`: the violations so far; `stays`: the runs and waits that follow from the points
    - `pending`: by priority, the number of waiting pods after each tick at which it changed
    """

    def __init__(self, scenario: Pods, timeline: Timeline) -> None:
        """The cluster at time 0."""
        self.scenario = scenario
        self.found: list[Violation] = []
        self.stays: list[Stay] = []
        self.pending: dict[int, list[tuple[int, int]]] = {}
        self.ledger = Ledger(scenario)
        self.pods = {pod.key: pod for pod in scenario.pods}
        self.lives = {key: Life() for key in self.pods}
        self.now = 0
        self._came = 0
        self._due: list[tuple[int, int, str]] = []
        self._order = 0
        self._waiting: dict[int, int] = {}
        self._able: dict[int, int] = {}  # of the waiting pods, those that may preempt
        self._tried: list[tuple[Turn, str]] = []
        self._planned = self._turnover = False
        self._clearing: dict[str, int] = {}
        self._gpus = _gpus_by_start(timeline)
        self._unseen = {pod.key for pod in scenario.pods if pod.node is not None}
        for pod in scenario.pods:
            if pod.node is not None:
                self._came += 1
                life = self.lives[pod.key]
                life.state, life.came, life.stays = "running", self._came, 1
                self.ledger.come(pod)
                self.ledger.put(pod, self.ledger.index[pod.node], self._given(pod, pod.node, 0))

    def wrong(self, rule: str, message: str) -> None:
        """Note a violation."""
        self.found.append(Violation(rule, f"at {self.now}: {message}"))

    def take(self, point: Point) -> None:
        """Carry out one point."""
        horizon = self.scenario.horizon
        there_already = point.kind == "arrive" and point.group in self._unseen
        if horizon is not None and point.time >= horizon and not there_already:
            self.wrong("horizon", f"{point.kind} at {point.time}, but the run ends at {horizon}")
        if point.time < self.now:
            self.wrong("time", f"{point.kind} of {point.group or 'no pod'} at {point.time} is late")
        elif point.time > self.now:
            self.depart(point.time)
            self._tick(point.time)
        self.depart(self.now)
        if point.kind == "plan":
            return self._plan(point)
        pod = self.pods.get(point.group)
        if pod is None:
            return self.wrong("unknown", f"{point.kind} of {point.group!r}, which is no pod")
        carry_out = getattr(self, f"_{point.kind}", None) if point.kind in KINDS else None
        if carry_out is None:
            return self.wrong("unknown", f"{point.kind!r} is nothing that happens to a pod")
        carry_out(pod, self.lives[pod.key], point)
        return None

    def depart(self, until: int) -> None:
        """Let the pods go whose grace is over by this time, unless they end at that very tick."""
        while self._due and self._due[0][0] <= until:
            time, _, key = heapq.heappop(self._due)
            pod, life = self.pods[key], self.lives[key]
            if life.state != "leaving" or _left(pod, life, time) == 0:
                continue
            self._tick(max(time, self.now))
            self._off(pod, life, time)
            life.state, life.since = "waiting", time
            self._count(pod, 1)

    def close(self, end: int) -> None:
        """Let the run end: what is on a node or waits does so until then.

        At the horizon nothing happens any more.
        """
        horizon = self.scenario.horizon
        self.depart(end if horizon is None or end < horizon else horizon - 1)
        self._tick(end)
        self._flush()
        for key, life in self.lives.items():
            self._unfinished(self.pods[key], life, end)
            if life.state in ("running", "leaving"):
                node = self.scenario.nodes[self.ledger.where[key]].name
                self.stays.append(Stay(key, node, life.since, end))
            elif life.state == "waiting":
                self.stays.append(Stay(key, "", life.since, end))

    def _unfinished(self, pod: Pod, life: Life, end: int) -> None:
        horizon = self.scenario.horizon
        cut = horizon is not None and end >= horizon
        late = life.state == "absent" and (horizon is None or pod.arrival < horizon)
        if late or pod.key in self._unseen:
            self.wrong("arrival", f"{pod.key} never comes, though its arrival is {pod.arrival}")
        if life.state in ("running", "leaving"):
            left = _left(pod, life, end)
            if left is not None and (left < 0 or not cut):
                self.wrong("lifetime", f"{pod.key} still runs, with {left} ticks left to run")
            elif life.state == "leaving" and not cut:
                self.wrong("grace", f"{pod.key} is still leaving")

    def _tick(self, time: int) -> None:
        if time > self.now:
            self._planned &= bool(self._clearing)  # else it was carried out within a tick
            self._flush()
            self.now = time
            self._tried.clear()

    def _flush(self) -> None:
        for priority, count in self._waiting.items():
            steps = self.pending.setdefault(priority, [])
            if not steps or steps[-1][1] != count:
                steps.append((self.now, count))

    def _count(self, pod: Pod, by: int) -> None:
        self._waiting[pod.priority] = self._waiting.get(pod.priority, 0) + by
        if pod.preempts and not pod.gated:
            self._able[pod.priority] = self._able.get(pod.priority, 0) + by

    def _arrive(self, pod: Pod, life: Life, point: Point) -> None:
        if pod.key in self._unseen and point.time == 0:
            self._unseen.remove(pod.key)
            return
        if life.state != "absent" or pod.arrival != point.time:
            self.wrong("arrival", f"{pod.key} comes, but its arrival is once, at {pod.arrival}")
        if life.state == "absent":
            self._came += 1
            self._turnover = True
            life.state, life.since, life.came = "waiting", self.now, self._came
            self.ledger.come(pod)
            self._count(pod, 1)

    def _bind(self, pod: Pod, life: Life, point: Point) -> None:
        node = self.ledger.index.get(point.lane)
        if node is None:
            return self.wrong("unknown", f"{pod.key} is bound to {point.lane!r}, which is no node")
        if pod.gated:
            self.wrong("gated", f"{pod.key} is bound, but held back by its gates")
        if life.state != "waiting":
            return self.wrong("twice", f"{pod.key} is bound to {point.lane}, but is {life.state}")
        self._in_turn(pod, life)
        if life.stays and _left(pod, life, life.since) == 0:
            self.wrong("lifetime", f"{pod.key} is bound, but has run for its lifetime")
        gpus = self._given(pod, point.lane, self.now)
        self._note(self.ledger.unfit(pod, node, gpus), f"{pod.key} is bound to {point.lane}")
        self.stays.append(Stay(pod.key, "", life.since, self.now))
        self.ledger.put(pod, node, gpus)
        life.state, life.since = "running", self.now
        life.stays += 1
        self._count(pod, -1)
        return None

    def _in_turn(self, pod: Pod, life: Life) -> None:
        """Binds of one tick come in the order of the queue, where nothing happened between."""
        if self._clearing:
            self.wrong("wave", f"{pod.key} is bound while evicted pods are leaving")
        turn = Turn(-pod.priority, life.since, 0 if life.stays else life.came)
        if not (self._planned or pod.near or pod.spread):
            for other, name in self._tried:
                if turn.before(other):
                    self.wrong("order", f"{pod.key} is bound after {name}, but comes before it")
                    break
        self._tried.append((turn, pod.key))

    def _evict(self, pod: Pod, life: Life, point: Point) -> None:
        if not self._planned:
            self.wrong("plan", f"{pod.key} is evicted, but there was no better plan")
        if any(time != self.now for time in self._clearing.values()):
            self.wrong("wave", f"{pod.key} is evicted while those of its wave are leaving already")
        if self._may_leave(pod, life, point, "evicted"):
            self._note(self.ledger.too_few(pod), f"{pod.key} is evicted")
            if self.scenario.grace:
                self._clearing[pod.key] = self.now
            self._leave(pod, life)

    def _preempt(self, pod: Pod, life: Life, point: Point) -> None:
        if self._clearing:
            self.wrong("wave", f"{pod.key} is preempted while a plan is carried out")
        if self._may_leave(pod, life, point, "preempted"):
            drained = pod.drained and self.now == 0
            if not drained and not any(self._able[p] for p in self._able if p > pod.priority):
                self.wrong("preempt", f"{pod.key} is preempted, but for no pod that may do so")
            self._leave(pod, life)

    def _may_leave(self, pod: Pod, life: Life, point: Point, what: str) -> bool:
        if pod.protected:
            self.wrong("protected", f"{pod.key} is {what}")
        if life.state != "running":
            self.wrong("leave", f"{pod.key} is {what}, but is {life.state}")
            return False
        node = self.scenario.nodes[self.ledger.where[pod.key]].name
        if point.lane and point.lane != node:
            self.wrong("leave", f"{pod.key} is {what} on {point.lane}, but is on {node}")
        return True

    def _leave(self, pod: Pod, life: Life) -> None:
        life.state = "leaving"
        self.ledger.leave(pod)
        self._order += 1
        heapq.heappush(self._due, (self.now + self.scenario.grace, self._order, pod.key))

    def _done(self, pod: Pod, life: Life, point: Point) -> None:
        if life.state not in ("running", "leaving"):
            return self.wrong("lifetime", f"{pod.key} ends, but is {life.state}")
        left = _left(pod, life, self.now)
        if left != 0:
            told = "no lifetime" if left is None else f"{left} ticks left to run"
            self.wrong("lifetime", f"{pod.key} ends with {told}")
        self._off(pod, life, self.now)
        self.ledger.come(pod, -1)
        life.state = "done"
        self._turnover = True
        return None

    def _skip(self, pod: Pod, life: Life, point: Point) -> None:
        if life.state != "done" and not self._turnover:
            self.wrong("skip", f"a step about {pod.key} is skipped, but no pod came or ended")

    def _off(self, pod: Pod, life: Life, time: int) -> None:
        """Take a pod from its node."""
        node = self.scenario.nodes[self.ledger.where[pod.key]].name
        self.stays.append(Stay(pod.key, node, life.since, time))
        life.ran += time - life.since
        self._clearing.pop(pod.key, None)
        self._tried.clear()  # its room may let others go first that were tried in vain
        self.ledger.take(pod)

    def _plan(self, point: Point) -> None:
        if point.name not in VERDICTS:
            self.wrong("plan", f"{point.name!r} is no verdict")
        if self._clearing:
            self.wrong("plan", "there is a new plan while another is carried out")
        self._planned = point.name in BETTER

    def _given(self, pod: Pod, node: str, start: int) -> tuple[int, ...]:
        """The GPUs that the span of a run names; the fullest where there is no such span."""
        spans = self._gpus.get((pod.key, node, start))
        if not spans:
            return self.ledger.fullest(pod, self.ledger.index[node])
        name = spans.pop(0)
        try:
            return tuple(int(part) for part in name.split(",")) if name else ()
        except ValueError:
            self.wrong("gpu", f"{pod.key} runs on GPUs {name!r}, which are no numbers")
            return ()

    def _note(self, broken: Broken, what: str) -> None:
        for rule, why in broken:
            self.wrong(rule, f"{what}: {why}")


KINDS = ("arrive", "bind", "evict", "preempt", "done", "skip")


def _left(pod: Pod, life: Life, time: int) -> int | None:
    """How long a pod still has to run at a time; None for ever."""
    if pod.lifetime is None:
        return None
    now = time - life.since if life.state in ("running", "leaving") else 0
    return pod.lifetime - life.ran - now


def _gpus_by_start(timeline: Timeline) -> dict[tuple[str, str, int], list[str]]:
    found: dict[tuple[str, str, int], list[str]] = {}
    spans: list[Span] = [*timeline.spans("run")]
    for span in spans:
        found.setdefault((span.group, span.lane, span.start), []).append(span.name)
    return found
