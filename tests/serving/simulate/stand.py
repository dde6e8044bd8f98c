"""A test stand for single replicas: a world without a cluster, and cost models that take notes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from hocket.core.kernel import Kernel, Phase
from hocket.core.timeline import Timeline
from hocket.serving.memory import max_context
from hocket.serving.model.cluster import Pool
from hocket.serving.roles.batching import Batcher, FirstComeFirstServed, Limits
from hocket.serving.simulate.live import Holding, Live

NO_LIMIT = 2**40


class Noting:
    """Iterations last `ticks`; `seen` holds what each computed."""

    def __init__(self, ticks: int = 10) -> None:
        self.ticks = ticks
        self.seen: list[tuple[tuple[tuple[int, int], ...], int, int]] = []

    def iteration(self, prefill: Sequence[tuple[int, int]], decodes: int, context: int) -> float:
        self.seen.append((tuple(prefill), decodes, context))
        return self.ticks

    def decode(self, decodes: int, context: int) -> float:
        return self.iteration((), decodes, context)

    def decode_run(self, decodes: int, context: int, steps: int) -> Any:
        return np.array([self.decode(decodes, context + j * decodes) for j in range(steps)])


class Linear:
    """Seconds that depend on every part of the composition, so that no difference can hide."""

    def iteration(self, prefill: Sequence[tuple[int, int]], decodes: int, context: int) -> float:
        chunks = sum(chunk * (5 + 0.01 * (before + chunk)) for chunk, before in prefill)
        return 0.25 * chunks + self.decode(decodes, context)

    def decode(self, decodes: int, context: int) -> float:
        return 7.0 + 0.3 * decodes + 0.013 * context

    def decode_run(self, decodes: int, context: int, steps: int) -> Any:
        return np.array([self.decode(decodes, context + j * decodes) for j in range(steps)])


class Stand:
    """One replica in a world of its own; a tick is a second."""

    def __init__(
        self,
        replica: Callable[..., Any],
        pool: Pool,
        batcher: Batcher | Limits,
        cost: Any = None,
        slowdown: float = 0.0,
        prefix_block: int = 0,
    ) -> None:
        self.kernel, self.timeline = Kernel("s"), Timeline("s")
        self.ticks_per_second = 1.0
        self.policy = "tests/policy"
        self.prefix_block = prefix_block or pool.block_size
        self.counts_reports = False
        self.done: list[str] = []
        self.noted: list[Any] = []  # what was seen of the replica from outside
        self.failures = self.cancels = 0
        self.cost = cost or Noting()
        decides = FirstComeFirstServed(batcher) if isinstance(batcher, Limits) else batcher
        self._made = replica, pool, slowdown
        self.replicas: list[Any] = []
        self.begin(decides)

    def begin(self, batcher: Batcher) -> None:
        """A replica comes up, the first or one after a failure."""
        replica, pool, slowdown = self._made
        self.replica = replica("a", pool, batcher, self.cost, self, slowdown)
        self.replicas.append(self.replica)

    def close(self) -> bytes:
        """The run is over; the bytes of its timeline."""
        for replica in self.replicas:
            replica.close()
        return self.timeline.to_json()

    def first_token(self, live: Live, replica: Any) -> None:
        """It is decoded elsewhere; its memory is let go when it has been copied."""
        self.done.append(live.id)

    def finished(self, live: Live, replica: Any) -> None:
        self.done.append(live.id)

    def cancelled(self, live: Live, replica: Any) -> None:
        self.timeline.point("cancel", replica.name, live.id, str(live.generated), self.kernel.now)
        self.done.append(live.id)

    def reported(self, replica: Any) -> None:
        self.noted.append(("report", self.kernel.now))

    def pull(self, live: Live, replica: Any) -> None:
        """Memory of every fourth request is lost on its way."""
        then = replica.requeue if live.index % 4 == 3 else replica.attach
        self.kernel.after(30, self._unless_failed, self.failures, then, live, phase=Phase.WAKE)

    def _unless_failed(self, failures: int, then: Callable[..., Any], *args: Any) -> None:
        if failures == self.failures:
            then(*args)

    def send(self, *requests: Live) -> None:
        """Have requests arrive."""
        for live in requests:
            self.kernel.at(live.arrival, self._enqueue, live, phase=Phase.ARRIVE)

    def _enqueue(self, live: Live) -> None:
        if live.leaving:  # it was on its way here after a failure
            self.cancelled(live, self.replica)
        else:
            self.replica.enqueue(live)

    def run(self, *requests: Live) -> Timeline:
        """Serve these requests to the end."""
        self.send(*requests)
        self.kernel.run()
        self.close()
        return self.timeline

    # What else may happen to a replica. `last` is for how long.

    def reserve(self, blocks: int, last: int) -> None:
        """Hold memory for something that does not come after all."""
        held = self.replica.reserve(blocks)
        self.noted.append(("reserve", held))
        if held:
            self.kernel.after(
                last,
                self._unless_failed,
                self.failures,
                self.replica.release,
                blocks,
                phase=Phase.WAKE,
            )

    def cancel(self, live: Live) -> None:
        """The client of a request goes away, if it has come and still waits for anything."""
        if live.arrival < self.kernel.now and live.id not in self.done and not live.leaving:
            self.cancels += 1
            live.leaving = self.cancels
            self.replica.cancel(live)

    def copy(self, last: int) -> None:
        """A copy is under way."""
        self.replica.copies(1)
        done = (self.failures, self.replica.copies, -1)
        self.kernel.after(last, self._unless_failed, *done, phase=Phase.WAKE)

    def move(self, last: int, requests: Sequence[Live], *, anew: bool) -> None:
        """The first that decodes leaves the batch for a while, as in a migration that fails.

        With `anew` it comes back with memory of its own, as if it came from elsewhere.
        """
        self.replica.at_boundary(
            lambda: self.kernel.after(
                0,
                self._unless_failed,
                self.failures,
                self._leave,
                last,
                requests,
                anew,
                phase=Phase.WAKE,
            )
        )

    def _leave(self, last: int, requests: Sequence[Live], anew: bool) -> None:
        for live in requests:
            if self.replica.decoding(live):
                self.noted.append((live.id, self.replica.blocks_of(live)))
                holding = self.replica.detach(live)
                self.kernel.after(
                    last,
                    self._unless_failed,
                    self.failures,
                    self._return,
                    live,
                    holding,
                    anew,
                    phase=Phase.WAKE,
                )
                return

    def _return(self, live: Live, holding: Any, anew: bool) -> None:
        live.hold(holding)
        tokens, pool = live.computed, self.replica.pool
        if self.replica.batcher.limits.allocate == "longest":
            tokens = min(live.prompt + live.limit, max_context(pool))
        blocks = -(-tokens // pool.block_size)
        whole = self.replica.limits.allocate == "longest"
        if anew and not whole and self.replica.reserve(blocks):
            self.replica.let_go(holding)
            live.hold(Holding(blocks))
        self.replica.attach(live)

    def fail(self, last: int, batcher: Batcher) -> None:
        """The replica fails; its requests come again later, to a new one."""
        self.failures += 1
        lost = self.replica.fail()
        self.noted.append([(live.id, live.computed, live.generated) for live in lost])
        self.begin(batcher)
        for live in lost:
            self.kernel.after(last, self._enqueue, live, phase=Phase.ARRIVE)

    def stop(self) -> None:
        """Nothing more happens."""
        self.failures += 1
        lost = self.replica.fail()
        self.noted.append([(live.id, live.computed, live.generated) for live in lost])

    def look(self, every: int, until: int) -> None:
        """Note gauges and reports at regular times."""
        for time in range(every, until, every):
            self.kernel.at(time, self._note, "gauges", phase=Phase.OBSERVE)
            self.kernel.at(time, self._note, "load", phase=Phase.ARRIVE)

    def _note(self, what: str) -> None:
        if what == "gauges":
            self.noted.append(self.replica.sample())
        else:
            load = self.replica.load(False, True, 7)
            self.noted.append(
                load._replace(running=tuple(load.running), waiting=tuple(load.waiting))
            )


def live(
    index: int, prompt: int, output: int, arrival: int = 0, limit: int = NO_LIMIT, **more: Any
) -> Live:
    """A request whose answer has `output` tokens."""
    target = min(output, limit)
    return Live(index, f"r{index}", arrival, prompt, target, limit, **more)
