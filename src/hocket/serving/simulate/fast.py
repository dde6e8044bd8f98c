"""A replica whose decoding requests are kept in aggregates, and which leaps over equal iterations.

As long as nobody finishes, arrives or runs out of memory, one decode is like the next, and many are
planned in one step. Whoever changes something in their middle cuts them at the next boundary.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from itertools import accumulate
from typing import Any

import numpy as np

from hocket.core.kernel import Event, Phase
from hocket.serving.cost.protocol import Cost
from hocket.serving.model.cluster import Pool
from hocket.serving.roles.batching import Batcher, Request
from hocket.serving.roles.cluster import Load
from hocket.serving.simulate.batch import MicroBatch
from hocket.serving.simulate.engine import Engine
from hocket.serving.simulate.live import NEVER, Holding, Live
from hocket.serving.simulate.roster import Chunk
from hocket.serving.simulate.world import World
from hocket.serving.views import Listed

SHORT = 6
"""So many iterations are planned one by one; with more, arrays are quicker."""

FURTHEST = 1024
"""Most iterations that are planned at a time."""


class Flight:
    """Iterations under way in a micro-batch.

    `ends` are the ticks at which each ends; memory of the first `paid` has been taken.
    """

    __slots__ = ("begun", "chunks", "decodes", "ends", "event", "paid")

    def __init__(self, begun: int, chunks: list[Chunk], decodes: bool, ends: list[int]) -> None:
        self.begun, self.chunks, self.decodes, self.ends = begun, chunks, decodes, ends
        self.event: Event | None = None
        self.paid = 1


class FastReplica(Engine):
    """See the module, and `hocket.serving.simulate` for the rules."""

    def __init__(
        self,
        name: str,
        pool: Pool,
        batcher: Batcher,
        cost: Cost,
        world: World,
        slowdown: float = 0.0,
    ) -> None:
        super().__init__(name, pool, batcher, world)
        self.cost = cost
        self.rate = world.ticks_per_second
        self.slow = 1 + slowdown
        self.copying = 0
        self.busy = 0
        self.gone = False
        self.composed = -1  # when the latest composition was
        self.flights: dict[int, Flight] = {}  # by micro-batch
        self.stages = [0] * pool.pp  # when each stage of the pipeline becomes free
        self._composing: Event | None = None
        self._calls: list[Callable[[], Any]] = []
        self._attached: list[Live] = []  # to decode from the next boundary on
        self._leaving: list[Live] = []  # running requests that go at the next boundary
        self._newest: list[tuple[int, bool]] = []  # the latest queued: when, and if killed
        self._reach = 8  # iterations planned at a time; grows while nobody cuts them

    # What the world asks and tells; see Replica in `world` for each.

    def enqueue(self, live: Live) -> None:
        """A request enters the queue."""
        if self.caching:
            self._free_now()  # what the decodes under way have displaced is not cached
        self.push(live)
        self._newest.append((live.enqueued, live.killed != NEVER))
        if not self.blocked:
            self._cut()
        self._wake()

    def at_boundary(self, action: Callable[[], Any]) -> None:
        """Call when the iteration under way has ended and before the next."""
        self._cut()
        if self.flights:
            self._calls.append(action)
        else:
            action()

    def reserve(self, blocks: int) -> bool:
        """Take memory for what is to come; False if there is not enough."""
        self._cut()
        if blocks > self._free_now():
            return False
        self.memory.take(blocks)
        self.held += 1
        return True

    def release(self, blocks: int) -> None:
        """Give back what `reserve` took."""
        self.let_go(Holding(blocks))

    def let_go(self, holding: Holding) -> None:
        """Free the memory of a request that has left."""
        if self.gone:
            return
        self._cut()
        self._free_now()  # decodes under way took theirs while there was less
        self.memory.give(holding.blocks - holding.own_units * self.memory.unit_blocks)
        self.memory.lay(holding.owner, holding.own_units)
        self.memory.drop(holding.units)
        self.held -= 1
        self.ask_again()
        self._wake()

    def detach(self, live: Live) -> Holding:
        """A decoding request leaves the batch, at a boundary; its memory stays."""
        batch: MicroBatch = live.group
        own = self.own(live)
        batch.leave(live)
        self.end_decode(live)
        holding = self.holding(live, own)
        self.urgent -= live.priority < 0
        self.held += 1
        self.ask_again()
        return holding

    def attach(self, live: Live) -> None:
        """A request with memory here joins the decodes from the next composition on."""
        self._cut()
        if live.group is None:
            live.group = min(self.batches, key=len)
            self.held -= 1
        self._attached.append(live)
        key = self.batches.index(live.group)
        if key not in self.flights:
            self._join_attached(key)
            self._let_leave(key)
            self._wake()

    def _join_attached(self, key: int) -> None:
        """At a boundary: those whose memory has come decode from now on."""
        batch = self.batches[key]
        self.blocked = (
            False  # more are running: the head of the queue is refused for another reason
        )
        for live in [live for live in self._attached if live.group is batch]:
            self._attached.remove(live)
            if live in batch.coming:
                batch.coming.remove(live)
            else:
                self.admitted += 1
                live.order = self.admitted
                self.urgent += live.priority < 0
                self.sharing += len(live.units)
            live.source = None
            self._keep(live)
            if not self.fixed:
                live.held = 0
            self.begin_decode(batch, live)
            if live.leaving:
                self._leaving.append(live)

    def requeue(self, live: Live) -> None:
        """A request that was admitted lost its memory elsewhere: to be computed again."""
        self._cut()
        self._free_now()
        live.group.coming.remove(live)
        live.group = live.source = None
        self._free(live, live.held)
        live.computed = 0
        if live.leaving:
            self.world.cancelled(live, self)
        else:
            self.enqueue(live)

    def decoding(self, live: Live) -> bool:
        """Whether the request is in a batch here, decoding."""
        return live.group in self.batches and live.index in live.group.members

    def blocks_of(self, live: Live) -> int:
        """Blocks that the tokens of a running request fill, at a boundary."""
        return self.blocks(self.request(live).computed)

    def cached(self, live: Live) -> int:
        """Tokens of the prompt that the prefix cache would spare."""
        self._free_now()
        return self._cached(live) * self.unit

    def cancel(self, live: Live) -> None:
        """The client of a request has gone: it leaves."""
        if self.withdraw(live):
            queued = (live.enqueued, live.killed != NEVER)
            if queued in self._newest:
                self._newest.remove(queued)
            self._cut()
            self.world.cancelled(live, self)
        elif live.group in self.batches and live not in live.group.coming:
            key = self.batches.index(live.group)
            if live not in self._attached:
                self._leaving.append(live)
            self._cut()
            if key not in self.flights:
                self._let_leave(key)
        self._wake()

    def _let_leave(self, key: int) -> None:
        """At a boundary of a micro-batch: those of it go whose clients have gone."""
        if not self._leaving:
            return
        batch = self.batches[key]
        going = [live for live in self._leaving if live.group is batch]
        self._leaving = [live for live in self._leaving if live.group not in (None, batch)]
        for live in sorted(going, key=lambda live: live.leaving):
            self.depart(live)

    def copies(self, change: int) -> None:
        """A copy in or out begins (+1) or ends (-1)."""
        self._cut()
        self.copying += change

    def fail(self) -> list[Live]:
        """Stop at once, empty everything; the requests, those running first, in order."""
        for key, flight in self.flights.items():
            ended, begun = self._ended(key), self._begun(flight, settled=False)
            if ended and flight.decodes:
                self._advance(self.batches[key], flight.ends[:ended])
            self.iterations += begun - 1
            self.busy -= flight.ends[-1] - flight.ends[begun - 1]
            if flight.event is not None:
                flight.event.cancel()
        if self._composing is not None:
            self._composing.cancel()
        for batch in self.batches:
            batch.resume()
        lost = self.running()
        for live in lost:
            batch = live.group
            if live.index in batch.members:
                batch.leave(live)
                self.end_decode(live)
            elif live in batch.prefilling and live.done:
                self.end_prefill(live)
        lost += [live for live in self._attached if live not in lost] + self.waiting()
        for live in lost:
            live.group = None
            live.hold(Holding(0))
            if live.source is None:
                live.computed = 0
        self.batches, self.queue, self.swapped, self._attached = [], [], [], []
        self.flights.clear()
        self.gone = True
        calls, self._calls = self._calls, []
        for call in calls:
            call()
        return lost

    def load(self, draining: bool = False, migrating: bool = False, sent: int = 0) -> Load:
        """The report as of the latest composition."""
        since, free = self._composed(), self._free_now()
        self._newest = [new for new in self._newest if new[0] > since]
        newest = len(self._newest)

        def running() -> list[Request]:
            return [self._told(live) for live in self.running()]

        def waiting() -> list[Request]:
            return [self._told(live) for live in self.waiting() if live.enqueued <= since]

        return Load(
            self.name,
            self.pool.name,
            self.pool.role,
            max(0, since),
            self.block_size,
            self.memory.total,
            free,
            Listed(sum(map(len, self.batches)), running),
            Listed(len(self.queue) + len(self.swapped) - newest, waiting),
            draining,
            migrating,
            sent,
            self.killed - sum(killed for _, killed in self._newest),
            self.pool.gpus,
            self.urgent,
        )

    def sample(self) -> dict[str, int]:
        """The gauges, as of the iteration under way."""
        free, tokens = self._free_now(settled=True), 0
        for key, batch in enumerate(self.batches):
            tokens += batch.context + batch.n * self._ended(key)
            tokens += sum(live.computed for live in batch.prefilling)
        used, units = self.memory.total - free, self.memory.units_in_use
        first = self.swapped or self.queue
        filled = tokens + (units - self.sharing) * self.unit
        return {
            "batch": sum(map(len, self.batches)),
            "waiting": len(self.queue) + len(self.swapped),
            "kv": used,
            "wasted": used * self.block_size - filled,
            "demand": self.blocks(first[0][2].total) if first else 0,
        }

    @property
    def empty(self) -> bool:
        """Whether it has nothing to do and holds nothing."""
        waiting = self.queue or self.swapped or self._attached
        return not (waiting or self.held or any(map(len, self.batches)))

    def close(self) -> None:
        """Write the tallies; the run is over."""
        for gap, count in sorted(self.gaps.items()):
            self.timeline.tally("gap", self.name, gap, count)
        self.timeline.tally("iterations", self.name, self.iterations)
        self.timeline.tally("busy", self.name, self.busy)

    # When iterations happen

    def _wake(self) -> None:
        """Compose once everything of this instant is in, if a micro-batch is at a boundary."""
        if self._composing is None and len(self.flights) < len(self.batches):
            start = max(self.kernel.now, self.stages[0])
            self._composing = self.kernel.at(start, self._compose, phase=Phase.DECIDE)

    def _compose(self) -> None:
        """Begin an iteration of the micro-batch at home for longest, if it has one."""
        self._composing = None
        if self._calls:
            return  # whoever waits for a boundary has to come first
        self.composed = self.kernel.now
        home = [key for key in range(len(self.batches)) if key not in self.flights]
        for key in sorted(home, key=lambda key: self.batches[key].home):
            found = self.compose(self.batches[key])
            if found is not None:
                self._fly(key, *found)
                break
        if self.stages[0] > self.kernel.now:
            self._wake()

    def _fly(self, key: int, chunks: list[Chunk], decodes: bool) -> None:
        """Begin an iteration, or as many as are sure to be alike."""
        now, batch = self.kernel.now, self.batches[key]
        n, context = (batch.n, batch.context) if decodes else (0, 0)
        if chunks:
            seconds = self.cost.iteration([chunk[1:] for chunk in chunks], n, context)
            ends = [now + self._ticks(seconds)]
        else:
            ends = self._plan(batch, n, context)
        first = ends[0] - now
        self.busy += ends[-1] - now
        if len(self.stages) > 1:
            end = now
            for stage, free in enumerate(self.stages):
                end = max(end, free) + first
                self.stages[stage] = end
            ends = [end]
        flight = self.flights[key] = Flight(now, chunks, decodes, ends)
        flight.event = self.kernel.at(ends[-1], self._land, key, phase=Phase.FINISH)
        if self.world.counts_reports:
            self.world.reported(self)

    def _ticks(self, seconds: float) -> int:
        ticks = seconds * self.rate
        found = max(1, round(ticks * self.slow if self.copying else ticks)) + self.extra
        self.extra = 0
        return found

    def _plan(self, batch: MicroBatch, n: int, context: int) -> list[int]:
        """When each of the coming decodes ends that are sure to be alike."""
        now, steps = self.kernel.now, self._steps(batch)
        if steps <= SHORT:
            return list(
                accumulate(
                    (self._ticks(self.cost.decode(n, context + i * n)) for i in range(steps)),
                    initial=now,
                )
            )[1:]
        ticks = self.cost.decode_run(n, context, steps) * self.rate
        if self.copying:
            ticks = ticks * self.slow
        whole = np.maximum(np.rint(ticks), 1.0).astype(np.int64)
        ends: list[int] = (now + np.cumsum(whole)).tolist()
        return ends

    def _steps(self, batch: MicroBatch) -> int:
        """How many decodes are sure to be alike: in number, members and memory."""
        if len(self.stages) > 1 or self.world.counts_reports or self.extra:
            return 1
        if self.swapped or batch.prefilling:
            return 1
        steps = min(batch.until_done(), self._reach)
        if self.queue and not self.blocked:
            steps = min(steps, max(1, self.wait))
        return batch.affordable(steps, self.memory.available)

    def _land(self, key: int) -> None:
        """The last iteration of a flight has ended."""
        flight, batch = self.flights.pop(key), self.batches[key]
        steps = len(flight.ends)
        if flight.decodes:
            if steps > 1:
                self._pay(key, flight, steps)
                self.iterations += steps - 1
                self.composed = flight.ends[-2]
                if steps == self._reach:
                    self._reach = min(2 * steps, FURTHEST)
            self._advance(batch, flight.ends)
            every = self.limits.every
            batch.since = (batch.since + steps - 1) % every + 1 if steps > 1 else batch.since + 1
        batch.resume()
        batch.latest = bool(flight.chunks)
        batch.home = self.kernel.now
        self.land(batch, flight.chunks)
        if self._attached:
            self._join_attached(key)
        self._let_leave(key)
        if self._calls and not self.flights:
            calls, self._calls = self._calls, []
            for call in calls:
                call()
        self._wake()

    def _advance(self, batch: MicroBatch, ends: list[int]) -> None:
        for name, ticks in batch.advance(ends, self.gaps):
            self.timeline.tally("loss", name, ticks)

    def _cut(self) -> None:
        """End planned iterations at the next boundary."""
        for key, flight in list(self.flights.items()):
            ends = flight.ends
            if len(ends) == 1:
                continue
            at = bisect_left(ends, self.kernel.now)
            if at == len(ends) - 1:
                continue
            self._reach = max(8, self._reach // 2)
            assert flight.event is not None
            flight.event.cancel()
            self.busy -= ends[-1] - ends[at]
            flight.ends = ends[: at + 1]
            if ends[at] == self.kernel.now:
                self._land(key)
            else:
                flight.event = self.kernel.at(ends[at], self._land, key, phase=Phase.FINISH)

    def _ended(self, key: int) -> int:
        """Decodes of a flight that have ended and are not yet counted in its micro-batch."""
        flight = self.flights.get(key)
        return 0 if flight is None else bisect_right(flight.ends, self.kernel.now)

    def _begun(self, flight: Flight, settled: bool) -> int:
        """Iterations of a flight that have been composed.

        Unless the instant is `settled`, those that begin at it have not.
        """
        ended = bisect_right(flight.ends, self.kernel.now)
        if ended and not settled and flight.ends[ended - 1] == self.kernel.now:
            return ended
        return min(ended + 1, len(flight.ends))

    def _free_now(self, settled: bool = False) -> int:
        """Blocks that can be taken, once the decodes begun so far have taken theirs."""
        for key, flight in self.flights.items():
            if flight.decodes:
                self._pay(key, flight, self._begun(flight, settled))
        return self.memory.available

    def _pay(self, key: int, flight: Flight, begun: int) -> None:
        """Take the memory of so many iterations of a flight, as far as it is not taken yet."""
        if begun > flight.paid:
            self.memory.take(self.batches[key].growth(begun, flight.paid))
            flight.paid = begun

    def _composed(self) -> int:
        """When the latest composition was, before the one of this very instant."""
        if len(self.stages) > 1 or not self.flights:
            return self.composed
        flight = self.flights[0]
        begun = self._begun(flight, settled=False)
        return flight.ends[begun - 2] if begun > 1 else flight.begun

    def _told(self, live: Live) -> Request:
        """What a report says of a request."""
        told = self.request(live)
        for key, batch in enumerate(self.batches):
            if live.group is batch and live.index in batch.members:
                ended = self._ended(key)
                computed, generated = told.computed + ended, told.generated + ended
                return told._replace(computed=computed, generated=generated)
        return told
