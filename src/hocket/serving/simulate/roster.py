"""Who is on a replica: what each request occupies, and what becomes of it."""

from __future__ import annotations

from bisect import insort
from heapq import heapify, heappush
from typing import Any, NamedTuple, cast

from hocket.core.errors import Deadlock
from hocket.core.tally import binned
from hocket.serving import memory as capacity
from hocket.serving.model.cluster import Pool
from hocket.serving.roles.batching import Batcher, Request
from hocket.serving.simulate.batch import MicroBatch
from hocket.serving.simulate.blocks import Memory, Unit
from hocket.serving.simulate.live import NEVER, Holding, Live
from hocket.serving.simulate.world import Replica, World
from hocket.serving.views import Snapshot

MOST = 1 << 60
VAIN = 10_000
"""So many requests may give way in a row without a token coming."""


class Chunk(NamedTuple):
    """So many tokens of a prompt, of which `before` have been computed before."""

    live: Live
    tokens: int
    before: int


class Roster:
    """The queue, the memory and the micro-batches of one replica, at a boundary.

    Blocks that decoding requests own follow from their tokens; `Live.held` counts those of all
    others, and of everyone where the longest answer is reserved.
    """

    def __init__(self, name: str, pool: Pool, batcher: Batcher, world: World) -> None:
        self.name, self.pool, self.batcher, self.world = name, pool, batcher, world
        self.kernel, self.timeline = world.kernel, world.timeline
        self.limits = limits = batcher.limits
        self.block_size = size = pool.block_size
        self.caching = pool.prefix_cache
        self.unit = (self.caching and world.prefix_block) or size
        self.memory = Memory(capacity.blocks(pool), self.unit // size)
        self.watermark = int(limits.watermark * self.memory.total)
        self.longest = capacity.max_context(pool)
        self.fixed = limits.allocate == "longest"
        self.budget = MOST if limits.tokens is None else limits.tokens
        self.seqs = -(-limits.seqs // pool.pp)
        self.batches = [MicroBatch(size, self.fixed) for _ in range(pool.pp)]
        self.queue: list[tuple[Any, int, Live]] = []  # a heap by rank
        self.swapped: list[tuple[int, int, Live]] = []
        self.host = pool.host_blocks
        self.entered = self.admitted = 0
        self.urgent = 0  # running requests of more than normal urgency
        self.sharing = 0  # published units in use, counted for each of their users here
        self.held = 0  # requests whose memory is kept here though they are in no batch
        self.killed = 0  # how many wait after having been preempted
        self.iterations = 0
        self.blocked = False  # the head of the queue cannot come in until something changes
        self.wait = 0  # decodes before the queue is looked at again, 0 for as long as it takes
        self.gaps: dict[int, int] = {}
        self.extra = 0  # ticks of swapping that the next iteration takes longer
        self._vain = 0  # how many gave way since a token came
        self._refused: Live | None = None  # whom the policy refused, so far for good
        self._ousted = False  # whether somebody gave way to the head of the queue
        self._over = False  # whether somebody gave way itself, which ends the composition
        self._paid: set[int] | None = set()  # who has its block for this decode; None: everyone

    @property
    def replica(self) -> Replica:
        """The replica that this is a part of; only replicas derive from it."""
        return cast(Replica, self)

    def _needs(self, live: Live, units: int, left: int) -> int:
        """Blocks that admitting a request takes, the shared ones not counted."""
        if self.fixed:
            tokens = min(live.prompt + live.limit, self.longest)
        elif live.source is not None:
            tokens = live.computed
        elif self.limits.allocate == "prompt" or not self.limits.chunked:
            tokens = live.total
        else:
            tokens = min(live.total, self._spared(units) + left)
        return self.blocks(tokens) - units * self.memory.unit_blocks

    def _hits(self, live: Live) -> tuple[tuple[Unit, ...], int]:
        """What of its prompt is in memory: published units, and how many of its own behind them.

        They spare computing; one token never is spared.
        """
        if not self.caching or live.source is not None:
            return (), 0
        most = (live.total - 1) // self.unit
        known = self.memory.match(live.hashes, most)
        whole = len(known) == len(live.hashes)
        return known, min(self.memory.own(live.index), most - len(known)) if whole else 0

    def _cached(self, live: Live) -> int:
        """Units of its prompt that are in memory."""
        known, own = self._hits(live)
        return len(known) + own

    def _spared(self, units: int) -> int:
        return units * self.unit

    def blocks(self, tokens: int) -> int:
        """Blocks that so many tokens fill."""
        return -(-tokens // self.block_size)

    def _room(self, hits: tuple[tuple[Unit, ...], int]) -> int:
        """Blocks that an admission may take beside those of its prompt that are in memory."""
        known, own = hits
        idle = (self.memory.idle(known) + own) * self.memory.unit_blocks
        beside = any(map(len, self.batches))
        return self.memory.available - idle - (self.watermark if beside else 0)

    def _shared(self, live: Live) -> int:
        return len(live.units) * self.memory.unit_blocks

    def own(self, live: Live) -> int:
        """Blocks of its own that a request occupies here."""
        if self.fixed or live.index not in live.group.members:
            return live.held
        computed = live.computed + live.group.progress(live)
        paid = self._paid is None or live.index in self._paid
        return self.blocks(computed + paid) - self._shared(live)

    def _preempt(self, batch: MicroBatch, live: Live, needy: Live) -> None:
        """A running request gives way: to the queue, or to host memory."""
        now, own = self.kernel.now, self.own(live)
        swap = False
        if live.index in batch.members:
            batch.leave(live)
            self.end_decode(live)
            blocks = self.blocks(live.computed)
            swap = self.limits.preemption == "swap" and blocks <= self.host and not self.fixed
        else:
            batch.prefilling.remove(live)
            live.group = None
            if live.done:
                self.end_prefill(live)
            self._retract(live)
        self._free(live, own, live.index)
        live.preemptions += 1
        live.killed = now
        self._count_vain()
        how = f"{'swap' if swap else 'recompute'} {live.generated}"
        self.timeline.point("preempt", self.name, live.id, how, now, f"memory for {needy.id}")
        if swap:
            self.host -= blocks
            self.extra += self._moving(blocks)
            self.killed += 1
            insort(self.swapped, (live.arrival, live.index, live))
        else:
            live.computed = 0
            self.push(live)

    def _count_vain(self) -> None:
        """Notice when requests push one another out for ever. Raises Deadlock."""
        self._vain += 1
        if self._vain > VAIN:
            raise Deadlock(
                f"{self.world.policy}: on {self.name} {VAIN:,} requests in a row gave way, and not "
                f"one token came: {self.memory.total} blocks are too few for what is let in"
            )

    def _free(self, live: Live, own: int, owner: int = -1) -> None:
        """Give back what a request that has left its batch occupied.

        `owner` is the request if it may come back for what it computed, else -1.
        """
        row = self._own_units(live)
        self.memory.give(own - row * self.memory.unit_blocks)
        self.memory.lay(owner, row)
        self.memory.drop(live.units)
        self.sharing -= len(live.units)
        live.hold(Holding(0))
        self.urgent -= live.priority < 0
        self.ask_again()

    def ask_again(self) -> None:
        """Memory was freed: what was refused may come in now."""
        self.blocked, self._refused = False, None

    def push(self, live: Live) -> None:
        """Put a request into the queue."""
        live.enqueued, live.why = self.kernel.now, ""
        self.entered += 1
        self.killed += live.killed != NEVER
        rank = self.batcher.rank(self.request(live))
        heappush(self.queue, (rank, self.entered, live))
        if self.queue[0][2] is live:
            self.blocked = False

    def withdraw(self, live: Live) -> bool:
        """Take a request that waits out of the queue or host memory; False if it does not wait."""
        if any(entry[2] is live for entry in self.swapped):
            self.swapped = [entry for entry in self.swapped if entry[2] is not live]
            self.host += self.blocks(live.computed)
        elif any(entry[2] is live for entry in self.queue):
            self.queue = [entry for entry in self.queue if entry[2] is not live]
            heapify(self.queue)
        else:
            return False
        self.killed -= live.killed != NEVER
        self.ask_again()
        return True

    def depart(self, live: Live) -> None:
        """A running request whose client has gone leaves, at a boundary."""
        batch, own = live.group, self.own(live)
        if live.index in batch.members:
            batch.leave(live)
            self.end_decode(live)
        else:
            batch.prefilling.remove(live)
            live.group = None
            if live.done:
                self.end_prefill(live)
        self._free(live, own)
        self.world.cancelled(live, self.replica)

    def _moving(self, blocks: int) -> int:
        """Ticks that blocks need to or from host memory."""
        link = self.pool.host_link
        seconds = blocks * capacity.block_bytes(self.pool) / (link.bandwidth * 1e9)
        return round(seconds * self.world.ticks_per_second) + link.latency

    def begin_decode(self, batch: MicroBatch, live: Live) -> None:
        """A request whose memory is here joins the decodes."""
        live.started, live.done = self.kernel.now, live.generated
        batch.join(live)

    def end_decode(self, live: Live) -> None:
        """Record the span of a request that has left the decodes."""
        tokens = live.generated - live.done
        if tokens:
            self._span(f"decode {tokens}", live)

    def end_prefill(self, live: Live) -> None:
        """Record the span of a prompt that is complete or interrupted."""
        self._span(f"prefill {live.done}", live)

    def _span(self, name: str, live: Live) -> None:
        why = live.why if name[0] == "p" else ""
        self.timeline.span("run", self.name, live.id, name, live.started, self.kernel.now, why)

    def land(self, batch: MicroBatch, chunks: list[Chunk]) -> None:
        """An iteration has ended: prompts that are complete, and requests that are finished."""
        settled = batch.finished()
        if len(chunks) == 0:
            self._vain = 0
        whole = []
        for live, tokens, _ in chunks:
            live.computed += tokens
            live.done += tokens
            if live.computed == live.total:
                batch.prefilling.remove(live)
                whole.append(live)
        if whole:
            settled = sorted(settled + whole, key=by_admission)
        for live in settled:
            if live.group is batch:
                self._complete(batch, live)
            else:
                self.end_decode(live)
                self._finish(live, self._own_after(live))

    def _own_after(self, live: Live) -> int:
        """Blocks of its own of a request that has just left the decodes."""
        return live.held if self.fixed else self.blocks(live.computed) - self._shared(live)

    def _complete(self, batch: MicroBatch, live: Live) -> None:
        """The prompt of a request is computed: it has its next token."""
        now, self._vain = self.kernel.now, 0
        self.end_prefill(live)
        live.generated += 1
        if live.last_token != NEVER:
            gap = now - live.last_token
            live.longest_gap = max(live.longest_gap, gap)
            kept = binned(gap)
            self.gaps[kept] = self.gaps.get(kept, 0) + 1
        else:
            live.first_token = now
        if live.killed != NEVER:
            self.timeline.tally("loss", live.id, now - live.killed)
            live.killed = NEVER
        live.last_token = now
        live.group = None
        if live.generated == live.target:
            self._finish(live, live.held)
        elif self.pool.role == "prefill":
            self.urgent -= live.priority < 0
            self._hand_over(live)
        else:
            if not self.fixed:
                live.held = 0
            self.begin_decode(batch, live)

    def _hand_over(self, live: Live) -> None:
        """Keep the memory of a request that others decode, until they have it."""
        live.source = (self, self.holding(live, live.held))
        self.held += 1
        self.world.first_token(live, self.replica)

    def holding(self, live: Live, own: int) -> Holding:
        """The memory of a request that leaves with `own` blocks of its own; it stays taken."""
        holding = Holding(own, live.units, self._own_units(live), live.index)
        self.sharing -= len(live.units)
        live.hold(Holding(0))
        return holding

    def _own_units(self, live: Live) -> int:
        """Units of its own blocks with content that only it can use again."""
        if not (self.caching and live.keeps):
            return 0
        return max(0, live.computed // self.unit - len(live.hashes))

    def _publish(self, live: Live, tokens: int) -> None:
        """Tell the content of the units of a prompt that are full with so many tokens computed."""
        if not self.caching:
            return
        for unit in live.hashes[len(live.units) : tokens // self.unit]:
            live.units += (self.memory.publish(unit),)
            live.held -= self.memory.unit_blocks
            self.sharing += 1
            self.blocked = False

    def _retract(self, live: Live) -> None:
        """What would have been computed in this iteration, but is not, has no content."""
        kept = live.computed // self.unit
        extra = live.units[kept:]
        if extra:
            self.memory.retract(extra)
            self.sharing -= len(extra)
            live.units = live.units[:kept]

    def _keep(self, live: Live) -> None:
        """Find out whether all full units have content, of a request that comes with memory."""
        live.keeps = len(live.units) + live.own_units == live.computed // self.unit

    def _finish(self, live: Live, own: int) -> None:
        """A request has all its tokens."""
        self.timeline.point("finish", self.name, live.id, "", self.kernel.now)
        if live.longest_gap:
            self.timeline.tally("longest gap", live.id, live.longest_gap)
        self._free(live, own)
        self.batcher.finished(live.request(0, live.generated))
        self.world.finished(live, self.replica)

    def request(self, live: Live) -> Request:
        """What the policy may know of a request, at a boundary."""
        batch = live.group
        if batch is not None and live in batch.coming:
            return live.request(0, live.generated)
        if batch is not None and live.index in batch.members:
            steps = batch.progress(live)
            return live.request(live.computed + steps, live.generated + steps)
        if batch is None and self.caching:
            return live.request(live.computed, live.generated, self._spared(self._cached(live)))
        return live.request(live.computed, live.generated)

    def running(self) -> list[Live]:
        """The admitted requests, in order of admission."""
        found = [live for b in self.batches for live in (*b.present, *b.coming)]
        return sorted(found, key=by_admission)

    def waiting(self) -> list[Live]:
        """The requests that wait, in order of the queue; those swapped out come first."""
        return [entry[2] for entry in self.swapped] + [entry[2] for entry in sorted(self.queue)]

    def view(self, batch: MicroBatch | None = None, last: int = MOST) -> Snapshot:
        """The replica now; with a micro-batch, running are those of it that can give way."""

        def running() -> list[Request]:
            lives = self.running() if batch is None else sorted(batch.present, key=by_admission)
            return [self.request(live) for live in lives if live.order <= last]

        return Snapshot(
            self.kernel.now,
            self.iterations,
            self.block_size,
            self.memory.total,
            self.memory.available,
            running,
            lambda: [self.request(live) for live in self.waiting()],
        )


def by_admission(live: Live) -> int:
    """The key of the order in which requests were admitted."""
    return live.order
