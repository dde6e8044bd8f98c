"""A real engine on a virtual clock, one iteration at a time.

The clock stands still while the engine works. An iteration lasts what a cost model says. Requests
reach the engine at their arrival, also while one is under way; those whose clients have gone leave
when it has ended. When there is nothing to do the clock goes on to the next arrival. So a run is
the same on every machine, and its iterations can be laid beside those that the simulator composes
for the same scenario.

A server hands over what came during an iteration when that has ended: only a policy that ranks
requests by what has finished before could tell.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from hocket.core.errors import Deadlock
from hocket.serving.cost.protocol import Cost
from hocket.serving.live.vllm.prompts import NEVER, Ask
from hocket.serving.simulate.steps import SimStep

REPLICA = "replica-0"
"""What the simulator calls the only replica of a pool."""


class Composed(NamedTuple):
    """What the engine's scheduler put into an iteration, and how things stood then.

    - `tokens`: by request, in the order of composition; `preempted`: who gave way, in order
    - `free`: blocks left; `running`, `waiting`: ids, in order
    - `seen`: of each running request its id, tokens in memory before, tokens of its answer
    - `prefill`: ``(tokens, computed before)`` of each prompt's chunk; `decodes`: how many requests
      decode, `context`: tokens that they had in memory together
    """

    tokens: dict[str, int]
    preempted: tuple[str, ...]
    free: int
    running: tuple[str, ...]
    waiting: tuple[str, ...]
    seen: Sequence[tuple[str, int, int]] = ()
    prefill: Sequence[tuple[int, int]] = ()
    decodes: int = 0
    context: int = 0


class Engine(Protocol):
    """What the driver asks of an engine."""

    def add(self, ask: Ask) -> None:
        """A request reaches it."""

    def compose(self, now: int) -> Composed:
        """Compose the next iteration at tick `now` and begin it."""

    def complete(self) -> None:
        """End that iteration."""

    def abort(self, name: str) -> None:
        """Between iterations: the client of a request, which may have left, has gone away."""

    @property
    def busy(self) -> bool:
        """Whether any request is unfinished."""


class Clock:
    """Turns what iterations hold into ticks, as the simulator does."""

    def __init__(self, cost: Cost, second: float) -> None:
        self._cost, self._second = cost, second

    def ticks(self, step: Composed) -> int:
        """How long an iteration lasts."""
        seconds = self._cost.iteration(list(step.prefill), step.decodes, step.context)
        return max(1, round(seconds * self._second))


def drive(
    engine: Engine,
    asks: Sequence[Ask],
    clock: Clock,
    *,
    told: Callable[[SimStep, Composed], None] | None = None,
    most: int = 100_000,
) -> list[SimStep]:
    """The iterations in which `engine` serves `asks`, which are in order of arrival.

    `told` hears of each at once. Raises Deadlock if the engine stops composing although requests
    wait, or is not done after `most` iterations.
    """
    run = _Run(engine, asks)
    found: list[SimStep] = []
    victims: list[str] = []
    while run.next_event():
        composed = engine.compose(run.now)
        victims += composed.preempted
        if not composed.tokens:
            engine.complete()
            if not composed.preempted:
                run.wait()
            continue
        step = _step(run.now, composed, victims)
        victims = []
        found.append(step)
        if told is not None:
            told(step, composed)
        if len(found) > most:
            raise Deadlock(f"the engine is not done after {most} iterations")
        run.complete(clock.ticks(composed))
    return found


def _step(now: int, composed: Composed, victims: Sequence[str]) -> SimStep:
    return SimStep(
        time=now,
        replica=REPLICA,
        tokens=composed.tokens,
        preempted=tuple(victims),
        free=composed.free,
        running=composed.running,
        waiting=composed.waiting,
    )


class _Run:
    """The clock, and what happens at it besides iterations: requests arrive, clients go away."""

    def __init__(self, engine: Engine, asks: Sequence[Ask]) -> None:
        self.now = 0
        self._engine, self._asks = engine, asks
        self._arrivals = [ask.arrival for ask in asks]
        self._sent = 0
        cancelled = sorted((ask.cancel, i) for i, ask in enumerate(asks) if ask.cancel != NEVER)
        self._cancels = [tick for tick, _ in cancelled]
        self._leaving = [asks[i].id for _, i in cancelled]
        self._left = 0

    def next_event(self) -> bool:
        """Let in what has come by now, going on to the next arrival if idle; False at the end."""
        self._let_in()
        while not self._engine.busy:
            if self._sent == len(self._asks):
                return False
            self.now = max(self.now, self._arrivals[self._sent])
            self._let_in()
        return True

    def wait(self) -> None:
        """Nothing can be composed before something happens."""
        following = [*self._arrivals[self._sent : self._sent + 1], *self._cancels[self._left :][:1]]
        if not following:
            raise Deadlock(f"the engine leaves requests waiting for ever at tick {self.now}")
        self.now = min(following)

    def complete(self, ticks: int) -> None:
        """An iteration of so many ticks ends; who comes at its very end is not heard of before."""
        self.now += ticks
        self._add(self.now - 1)
        self._engine.complete()

    def _let_in(self) -> None:
        self._add(self.now)
        last = bisect_right(self._cancels, self.now)
        for name in self._leaving[self._left : last]:
            self._engine.abort(name)
        self._left = last

    def _add(self, until: int) -> None:
        """Hand over who has come up to tick `until`, but for those whose client left by then."""
        last = bisect_right(self._arrivals, until)
        for ask in self._asks[self._sent : last]:
            if not NEVER < ask.cancel <= until:
                self._engine.add(ask)
        self._sent = last
