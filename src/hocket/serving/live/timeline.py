"""A record as a timeline, in the words of the simulator: see `hocket.serving.simulate`, Records.

So metrics, reports, traces and the independent checker take a live run for a simulated one. A
request's share of an iteration tells what it was: tokens of its prompt until as many as it has are
in memory, which yields the next token of its answer, and after that one token of it each.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from hocket.core.streams import Streams
from hocket.core.tally import binned
from hocket.core.timeline import Timeline
from hocket.serving.live.gauges import Levels, Share
from hocket.serving.live.record import Asked, Finished, Step
from hocket.serving.live.recording import Recording
from hocket.serving.live.scenario import LANE, answered, scenario
from hocket.serving.model.cluster import Cluster
from hocket.serving.model.requests import Requests

CUT_OFF = "the record ends here"


def timeline(found: Recording, world: Cluster | None = None) -> Timeline:
    """What happened, in microseconds; `world` is the record's `scenario`, made if not given.

    Requests end with their last token. What an engine that composes ahead computes for one after
    that counts for nothing but the iteration's time.
    """
    return _Telling(found, scenario(found) if world is None else world).told()


class _Live:
    """One request between two lines of the record.

    - `computed`: tokens in memory, `cached`: those that were there when it came in; `generated`:
      tokens of its answer; `until`: when its latest iteration ended
    - `running`: whether it was admitted; `decoding`: whether its prompt is complete
    - `started`, `done`: of the span under way, when it began and tokens so far
    - `last`: when its latest token came, `killed`: when it gave way and has had no token since; -1
      for never
    - `why`: the policy's first word on its waiting; `answer`: tokens it will have been given, None
      for an unfinished request
    """

    __slots__ = (
        "answer", "asked", "cached", "computed", "decoding", "done", "first", "generated",
        "killed", "last", "left", "longest_gap", "running", "started", "until", "why",
    )  # fmt: skip

    def __init__(self, asked: Asked, answer: int | None) -> None:
        self.asked, self.answer = asked, answer
        self.computed = self.cached = self.generated = self.done = self.longest_gap = 0
        self.started = self.until = asked.at
        self.first = self.last = self.killed = -1
        self.running = self.decoding = self.left = False
        self.why = ""

    @property
    def total(self) -> int:
        """Tokens that must be in memory before its next token comes."""
        return self.asked.prompt + self.generated


class _Telling:
    """Reads the record from its beginning to its end, and writes the timeline."""

    def __init__(self, found: Recording, world: Cluster) -> None:
        self.found, self.world = found, world
        self.timeline = Timeline(world.time_unit, (LANE,))
        self.levels = Levels(found.began, world.gauge_every)
        self.lives = {
            name: _Live(asked, found.finished[name].generated if name in found.finished else None)
            for name, asked in found.asked.items()
        }
        self.waiting: dict[str, None] = {}
        self.running: dict[str, None] = {}
        self.gaps: Counter[int] = Counter()
        self.busy = self.latest = 0
        self._coming = self._moments()
        self._next = next(self._coming, None)

    def told(self) -> Timeline:
        """All of it."""
        self._arrivals()
        begins = [*(step.at for step in self.found.steps), self.found.end + 1]
        for step, after in zip(self.found.steps, begins[1:], strict=True):
            self._until(step.at)
            self._compose(step, after)
            self._until(step.end - 1)
            self._land(step)
        self._until(self.found.end)
        for name in self.found.cut_off:
            self._leave(self.lives[name], "cancel", self.found.end, CUT_OFF)
        self.levels.write(self.timeline, LANE)
        for gap, count in sorted(self.gaps.items()):
            self.timeline.tally("gap", LANE, gap, count)
        self.timeline.tally("iterations", LANE, len(self.found.steps))
        self.timeline.tally("busy", LANE, self.busy)
        return self.timeline

    # Who comes, and who goes without an answer.

    def _arrivals(self) -> None:
        """The points at the front end: as the workload of the scenario tells them."""
        drawn = self.world.workload.draw(Streams(0), self.world.time_unit)
        for i, name in enumerate(drawn.names):
            self.timeline.point("arrive", "", name, _asks(drawn, i), int(drawn.arrival[i]))

    def _moments(self) -> Iterator[tuple[int, Asked | Finished]]:
        """What happens beside iterations, by time: requests come, or leave without an answer."""
        moments: list[tuple[int, Asked | Finished]]
        moments = [(one.at, one) for one in self.found.asked.values()]
        moments += [(one.at, one) for one in self.found.finished.values() if not answered(one)]
        return iter(sorted(moments, key=lambda moment: moment[0]))

    def _until(self, time: int) -> None:
        """Let everything happen that is not of iterations, up to a time and including it."""
        while self._next is not None and self._next[0] <= time:
            at, what = self._next
            live = self.lives[what.id]
            if isinstance(what, Asked):
                self.timeline.point("dispatch", LANE, what.id, "", at)
                self.waiting[what.id] = None
                self._count(at)
            elif not live.left:
                self._refuse(live, what)
            self._next = next(self._coming, None)

    def _refuse(self, live: _Live, gone: Finished) -> None:
        """A request leaves without its answer: it was never possible, or its client went away."""
        context = self.found.began.max_context
        if live.asked.prompt >= context and not live.generated:
            long = f"a prompt of {live.asked.prompt} tokens"
            self._leave(
                live, "reject", gone.at, f"{long} leaves no room for an answer in {context}"
            )
        else:
            self._leave(live, "cancel", gone.at, "" if gone.why == "abort" else gone.why)

    def _leave(self, live: _Live, kind: str, time: int, why: str = "") -> None:
        """A request is over."""
        self._close(live)
        name, lane = live.asked.id, "" if kind == "reject" else LANE
        told = str(live.generated) if kind == "cancel" else ""
        self.timeline.point(kind, lane, name, told, max(time, live.until), why)
        live.left = True
        self.waiting.pop(name, None)
        self.running.pop(name, None)
        self._count(max(time, live.until))

    # Iterations.

    def _compose(self, step: Step, until: int) -> None:
        """An iteration begins: who gives way, who comes in. The next one begins at `until`."""
        for name in step.preempted:
            if not self.lives[name].left:
                self._preempt(self.lives[name], step)
        for name, why in step.reasons.items():
            live = self.lives.get(name)
            if live is not None and not live.running and name not in step.preempted:
                live.why = live.why or why
        for name in step.tokens:
            live = self.lives[name]
            if live.left or live.running:
                continue
            live.running = True
            live.computed = live.cached = step.cached.get(name, 0)
            live.started, live.done = step.at, 0
            self.waiting.pop(name, None)
            self.running[name] = None
        running, waiting = len(self.running), len(self.waiting)
        self.levels.composed(step, until, running, waiting, self._shares)

    def _preempt(self, live: _Live, step: Step) -> None:
        """Its memory is gone; it is to be computed again, answer included."""
        self._close(live)
        name, time = live.asked.id, max(step.at, live.until)
        how, why = f"recompute {live.generated}", step.reasons.get(name, "")
        self.timeline.point("preempt", LANE, name, how, time, why)
        live.running = live.decoding = False
        live.computed, live.killed, live.why = 0, time, ""
        self.running.pop(name, None)
        self.waiting[name] = None

    def _land(self, step: Step) -> None:
        """An iteration ends: all in it have their tokens."""
        self.busy += max(0, step.end - max(step.at, self.latest))
        self.latest = max(self.latest, step.end)
        for name, count in step.tokens.items():
            live = self.lives[name]
            if not live.left:
                self._computed(live, count, step.end)

    def _computed(self, live: _Live, count: int, end: int) -> None:
        """`count` more of its tokens are in memory; with its whole prompt there, it has another."""
        new = max(0, live.computed + count - live.total + 1)
        if new and live.generated == live.answer:
            return  # its client went away while the iteration was under way
        live.computed += count
        live.until = end
        live.done += new if live.decoding else count
        if not new:
            return
        live.generated += new
        self._token(live, end)
        if not live.decoding:
            self._close(live)
            live.decoding, live.started = True, end
        if live.generated == live.answer and self._answered(live):
            self._finish(live, end)

    def _answered(self, live: _Live) -> bool:
        return answered(self.found.finished[live.asked.id])

    def _token(self, live: _Live, now: int) -> None:
        """A token of the answer exists from now on."""
        if live.last < 0:
            live.first = now
        else:
            self.gaps[binned(now - live.last)] += 1
            live.longest_gap = max(live.longest_gap, now - live.last)
        if live.killed >= 0:
            self.timeline.tally("loss", live.asked.id, now - live.killed)
            live.killed = -1
        live.last = now

    def _finish(self, live: _Live, end: int) -> None:
        self._leave(live, "finish", end)
        if live.first != live.last:
            self.timeline.tally("longest gap", live.asked.id, live.longest_gap)

    def _close(self, live: _Live) -> None:
        """Record the work of a request that ends now, if any was done."""
        if live.done:
            what, why = ("decode", "") if live.decoding else ("prefill", live.why)
            name = f"{what} {live.done}"
            self.timeline.span("run", LANE, live.asked.id, name, live.started, live.until, why)
            live.done = 0

    # Levels.

    def _count(self, time: int) -> None:
        self.levels.counted(time, len(self.running), len(self.waiting))

    def _shares(self) -> list[Share]:
        running = (self.lives[name] for name in self.running)
        return [Share(live.computed, live.cached, live.asked.prefix) for live in running]


def _asks(drawn: Requests, i: int) -> str:
    """What a request asks, as the name of its point ``arrive``: see metrics.read.Arrival."""
    asked = f"{drawn.prompt[i]} {drawn.output[i]} {drawn.limit[i]}"
    priority, tenant = int(drawn.priority[i]), drawn.tenants[int(drawn.tenant[i])]
    return f"{asked} {priority} {tenant}".rstrip() if priority or tenant else asked
