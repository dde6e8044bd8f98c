"""The replica that does as the rules say, one request and one iteration at a time.

It keeps no aggregates and leaps over nothing: every iteration walks through every request. That
makes it slow and easy to compare with the rules of `hocket.serving.simulate`; the fast replica is
tested against it. How an iteration is composed stands in `plain_compose`; here is when.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from hocket.core.kernel import Event, Phase
from hocket.core.tally import binned
from hocket.serving.cost.protocol import Cost
from hocket.serving.roles.batching import Batcher
from hocket.serving.roles.cluster import Load
from hocket.serving.simulate.live import NEVER, Holding, Live
from hocket.serving.simulate.plain_compose import Composer
from hocket.serving.simulate.plain_parts import Batch, Step
from hocket.serving.simulate.world import World

if TYPE_CHECKING:
    from hocket.serving.model.cluster import Pool


class PlainReplica(Composer):
    """One replica; its methods are those of `world.Replica`."""

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
        self.cost, self.slowdown = cost, slowdown
        self.iterations = self.busy = 0
        self.gone = False
        self.gaps: Counter[int] = Counter()
        self._stages = [0] * pool.pp  # when each stage of the pipeline is free
        self._ends: dict[int, Event] = {}  # by micro-batch
        self._composing: Event | None = None
        self._boundary: list[Callable[[], Any]] = []
        self._copying = 0
        self._attached: list[Live] = []  # memory has come, the iteration under way has not ended
        self._composed = -1  # when an iteration was composed for the last time

    # What the world does.

    def enqueue(self, live: Live) -> None:
        """See world.Replica.enqueue."""
        self.queue(live)
        self._compose_soon()

    def load(self, draining: bool, migrating: bool, sent: int) -> Load:
        """See world.Replica.load."""
        queue = [live for live in self.waiting() if live.enqueued <= self._composed]
        return Load(
            replica=self.name,
            pool=self.pool.name,
            role=self.pool.role,
            time=max(0, self._composed),
            block_size=self.pool.block_size,
            blocks=self.memory.total,
            free=self.memory.available,
            running=self.view().running,
            waiting=self.view(queue=queue).waiting,
            draining=draining,
            migrating=migrating,
            dispatched=sent,
            preempted=sum(live.killed != NEVER for live in queue),
            gpus=self.pool.gpus,
            urgent=sum(live.priority < 0 for live in self.running()),
        )

    def cached(self, live: Live) -> int:
        """See world.Replica.cached."""
        return len(self.matched(live)) * self.unit_tokens

    def at_boundary(self, action: Callable[[], Any]) -> None:
        """See world.Replica.at_boundary."""
        if any(batch.step for batch in self.batches):
            self._boundary.append(action)
        else:
            action()

    def reserve(self, blocks: int) -> bool:
        """See world.Replica.reserve."""
        if blocks > self.memory.available:
            return False
        self.memory.take(blocks)
        self.apart += blocks
        return True

    def release(self, blocks: int) -> None:
        """See world.Replica.release."""
        self.let_go(Holding(blocks))

    def detach(self, live: Live) -> Holding:
        """See world.Replica.detach."""
        self.close_span(live)
        self.remove(live)
        return self._holding(live)

    def let_go(self, holding: Holding) -> None:
        """See world.Replica.let_go."""
        if self.gone:
            return
        self._apart(holding, -1)
        self.memory.give(holding.blocks)
        self.memory.drop(holding.units)
        self.ask_again()
        self._compose_soon()

    def attach(self, live: Live) -> None:
        """See world.Replica.attach."""
        if live.group is None:
            live.group = min(self.batches, key=lambda batch: len(batch.running))
        self._attached.append(live)
        if live.group.step is None:
            self._join_attached(live.group)
            self._let_leave(live.group)
            self._compose_soon()

    def _join_attached(self, batch: Batch) -> None:
        """At a boundary: those whose memory has come decode from now on."""
        for live in [live for live in self._attached if live.group is batch]:
            self._attached.remove(live)
            if live.index not in self.coming:
                self._apart(Holding(live.held, live.units), -1)
                self.join(batch, live)
            self.coming.discard(live.index)
            live.source = None
            self.begin_decoding(live)

    def decoding(self, live: Live) -> bool:
        """See world.Replica.decoding."""
        return live.group in self.batches and live.index in self.decodes

    def requeue(self, live: Live) -> None:
        """See world.Replica.requeue."""
        self.remove(live)
        self.free(live)
        live.source = None
        if live.leaving:
            self.world.cancelled(live, self)
        else:
            self.enqueue(live)

    def cancel(self, live: Live) -> None:
        """See world.Replica.cancel."""
        if self.withdraw(live):
            self.world.cancelled(live, self)
        elif live.group in self.batches and live.group.step is None:
            self._let_leave(live.group)
        self._compose_soon()

    def _let_leave(self, batch: Batch) -> None:
        """At a boundary: those go whose clients have gone, unless their memory is still to come."""
        gone = [one for one in batch.running if one.leaving and one.index not in self.coming]
        for live in sorted(gone, key=lambda one: one.leaving):
            self.close_span(live)
            self.remove(live)
            self.free(live)
            self.world.cancelled(live, self)

    def fail(self) -> list[Live]:
        """See world.Replica.fail."""
        lost = self.running()
        for live in lost:
            self.close_span(live)
        lost += [live for live in self._attached if live not in lost] + self.waiting()
        for event in (*self._ends.values(), self._composing):
            if event:
                event.cancel()
        for live in lost:
            if live.source is None:
                live.computed = 0
            live.held, live.units, live.group = 0, (), None
        self.empty_all()
        self._attached = []
        self._ends, self._composing = {}, None
        self.gone = True
        actions, self._boundary = self._boundary, []
        for action in actions:
            action()
        return lost

    def copies(self, change: int) -> None:
        """See world.Replica.copies."""
        self._copying += change

    def blocks_of(self, live: Live) -> int:
        """See world.Replica.blocks_of."""
        return self.blocks(live.computed)

    def sample(self) -> dict[str, int]:
        """See world.Replica.sample."""
        running, queue = self.running(), self.waiting()
        units = {unit for live in running for unit in live.units}
        apart = [unit for unit, users in self.apart_units.items() if users]
        units |= {unit for unit in apart if isinstance(unit.content, int)}
        here = [live for live in running if live.index not in self.coming]
        own = sum(live.computed - len(live.units) * self.unit_tokens for live in here)
        there = own + len(units) * self.unit_tokens
        return {
            "batch": len(running),
            "waiting": len(queue),
            "kv": self.memory.used,
            "wasted": self.memory.used * self.pool.block_size - there,
            "demand": self.blocks(queue[0].total) if queue else 0,
        }

    def close(self) -> None:
        """See world.Replica.close."""
        for gap, count in sorted(self.gaps.items()):
            self.world.timeline.tally("gap", self.name, gap, count)
        self.world.timeline.tally("iterations", self.name, self.iterations, 1)
        self.world.timeline.tally("busy", self.name, self.busy, 1)

    @property
    def empty(self) -> bool:
        """See world.Replica.empty."""
        here = self.running() or self.waiting() or self._attached
        return not (here or self.apart)

    # What the clock does.

    def _compose_soon(self) -> None:
        """Compose once everything of this instant is in, if a micro-batch stands at a boundary."""
        if self._composing is None and any(batch.step is None for batch in self.batches):
            start = max(self.now, self._stages[0])
            self._composing = self.world.kernel.at(start, self._compose, phase=Phase.DECIDE)

    def _compose(self) -> None:
        """Begin an iteration of the micro-batch that has been idle for longest, if it has one."""
        self._composing = None
        if self._boundary:
            return
        self._composed = self.now
        idle = [batch for batch in self.batches if batch.step is None]
        for batch in sorted(idle, key=lambda batch: (batch.idle_since, batch.number)):
            step = self.compose(batch)
            if step.tokens:
                self._begin(batch, step)
                if self.world.counts_reports:
                    self.world.reported(self)
                break
        if self._stages[0] > self.now:
            self._compose_soon()

    def _begin(self, batch: Batch, step: Step) -> None:
        """Send an iteration through the stages; each begins when it is free and has its input."""
        ticks = self._duration(step)
        end = self.now
        for stage, free in enumerate(self._stages):
            end = max(end, free) + ticks
            self._stages[stage] = end
        for live, _ in step.chunks:
            if not live.done:
                live.started = self.now
        batch.step = step
        batch.since += bool(step.decodes)
        batch.prompted = bool(step.chunks)
        self.iterations += 1
        self.busy += ticks
        self._ends[batch.number] = self.world.kernel.at(end, self._end, batch, step)

    def _duration(self, step: Step) -> int:
        prefill = [(tokens, live.computed) for live, tokens in step.chunks]
        context = sum(live.computed for live in step.decodes)
        seconds = self.cost.iteration(prefill, len(step.decodes), context)
        ticks = seconds * self.world.ticks_per_second
        if self._copying:
            ticks *= 1 + self.slowdown
        swap, self.swap_ticks = self.swap_ticks, 0
        return max(1, round(ticks)) + swap

    def _end(self, batch: Batch, step: Step) -> None:
        """Every request of the iteration has its tokens."""
        batch.step, batch.idle_since = None, self.now
        del self._ends[batch.number]
        done = []
        for live in step.decodes:
            live.computed += 1
            live.done += 1
            self._token(live)
            if live.generated == live.target:
                done.append(live)
        for live, tokens in step.chunks:
            live.computed += tokens
            live.done += tokens
            if live.computed == live.total:
                done.append(live)
        for live in sorted(done, key=lambda live: live.order):
            if live.index in self.decodes:
                self._finish(live)
            else:
                self._prompt_complete(live)
        self._join_attached(batch)
        self._let_leave(batch)
        if not any(batch.step for batch in self.batches):
            actions, self._boundary = self._boundary, []
            for action in actions:
                action()
        self._compose_soon()

    def _token(self, live: Live) -> None:
        """A token of the answer exists from now on."""
        live.generated += 1
        if live.first_token == NEVER:
            live.first_token = self.now
        else:
            gap = self.now - live.last_token
            self.gaps[binned(gap)] += 1
            live.longest_gap = max(live.longest_gap, gap)
        if live.killed != NEVER:
            self.world.timeline.tally("loss", live.id, self.now - live.killed, 1)
            live.killed = NEVER
        live.last_token = self.now

    def _prompt_complete(self, live: Live) -> None:
        self.close_span(live)
        self._token(live)
        if live.generated == live.target:
            self._finish(live)
            return
        if self.pool.role == "prefill":
            self.remove(live)
            live.source = (self, self._holding(live))
            self.world.first_token(live, self)
        else:
            self.begin_decoding(live)

    def _finish(self, live: Live) -> None:
        self.close_span(live)
        self.world.timeline.point("finish", self.name, live.id, "", self.now)
        if live.first_token != live.last_token:
            self.world.timeline.tally("longest gap", live.id, live.longest_gap, 1)
        self.remove(live)
        self.free(live)
        self.batcher.finished(live.request(live.computed, live.generated))
        self.world.finished(live, self)

    # What others see.

    def _holding(self, live: Live) -> Holding:
        """The memory of a request that has left; it stays taken until `let_go`."""
        holding = Holding(live.held, live.units)
        self._apart(holding, 1)
        live.held, live.units = 0, ()
        self.ask_again()
        return holding

    def _apart(self, holding: Holding, change: int) -> None:
        """Count memory that belongs to nobody who runs here."""
        self.apart += change * (holding.blocks + len(holding.units) * self.memory.unit_blocks)
        for unit in holding.units:
            self.apart_units[unit] += change
