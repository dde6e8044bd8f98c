"""What one iteration consists of: admission, budget, memory, and who gives way."""

from __future__ import annotations

from bisect import insort
from heapq import heapify, heappop, heappush
from typing import Any, NamedTuple, cast

from hocket.core.errors import Deadlock, IllegalDecision
from hocket.core.tally import binned
from hocket.serving import memory as capacity
from hocket.serving.model.cluster import Pool
from hocket.serving.roles.batching import Batcher, Request
from hocket.serving.simulate.batch import MicroBatch
from hocket.serving.simulate.blocks import Memory
from hocket.serving.simulate.live import NEVER, Holding, Live
from hocket.serving.simulate.view import Snapshot
from hocket.serving.simulate.world import Replica, World

MOST = 1 << 60
VAIN = 10_000


class Chunk(NamedTuple):
    """So many tokens of a prompt, of which `before` have been computed before."""

    live: Live
    tokens: int
    before: int


class Engine:
    """The queue, the memory and the micro-batches of one replica, at a boundary.

    Blocks that decoding requests own follow from their tokens; `Live.held` counts those of all
    others, and of everyone where the longest answer is reserved.
    """

    def __init__(self, name: str, pool: Pool, batcher: Batcher, world: World) -> None:
        self.name, self.pool, self.batcher, self.world = name, pool, batcher, world
        self.kernel, self.timeline = world.kernel, world.timeline
        self.limits = limits = batcher.limits
        self.block_size = size = pool.block_size
        self.unit = world.prefix_block if pool.prefix_cache else size
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
        self.sharing = 0  # prefix units in use, counted for each of their users here
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
        self._paid: set[int] | None = set()  # who has its block for this decode; None: everyone

    @property
    def replica(self) -> Replica:
        """The replica that this is a part of; only replicas derive from it."""
        return cast(Replica, self)

    def compose(self, batch: MicroBatch) -> tuple[list[Chunk], bool] | None:
        """The chunks of the next iteration of a micro-batch, and whether its decodes run in it.

        None when there is nothing to do. Memory for the iteration is taken.
        """
        found, steady = self._attempt(batch)
        while found is None and not steady:  # everybody gave way: the queue has a chance again
            found, steady = self._attempt(batch)
        self._paid = set()
        self.iterations += found is not None
        return found

    def _attempt(self, batch: MicroBatch) -> tuple[tuple[list[Chunk], bool] | None, bool]:
        """What an iteration would be, and whether nobody had to give way for it."""
        self._paid, self.wait = set(), 1
        chunks: list[Chunk] = []
        style = self.limits.style
        if self.swapped:
            self._swap_in(batch)
        if style == "mixed":
            steady = self._grow(batch)
            left = self.budget - batch.n
            if batch.prefilling:
                left, fine = self._go_on(batch, chunks, left)
                steady = steady and fine
            if steady:
                self._admit(batch, chunks, left)
            decodes = batch.n > 0
        else:
            steady, left = True, self.budget
            turn = style == "alternate" and batch.latest and batch.n > 0
            if turn:
                steady = self._grow(batch)
            if not turn or not batch.n:
                if batch.prefilling:
                    left, fine = self._go_on(batch, chunks, left)
                    steady = steady and fine
                if steady and not (style == "static" and len(batch)):
                    self._admit(batch, chunks, left)
            decodes = not chunks and batch.n > 0
            if decodes and not turn:
                steady = self._grow(batch) and steady
                decodes = batch.n > 0
        return ((chunks, decodes) if chunks or decodes else None), steady

    def _grow(self, batch: MicroBatch) -> bool:
        """Take what the decodes need; False if somebody had to give way."""
        needed = batch.growth(1)
        if needed <= self.memory.available:
            self.memory.take(needed)
            self._paid = None
            return True
        for live in sorted(batch.members.values(), key=_order):
            if (
                live.group is batch
                and (live.computed + batch.progress(live)) % self.block_size == 0
            ):
                self._make_room(batch, live, 1)
                if live.group is batch:
                    self.memory.take(1)
                    assert self._paid is not None
                    self._paid.add(live.index)
        return False

    def _make_room(self, batch: MicroBatch, needy: Live, blocks: int) -> bool:
        """Preempt until so many blocks are available, or `needy` has given way itself.

        False if anybody had to.
        """
        steady = True
        while self.memory.available < blocks and needy.group is batch:
            name = self.batcher.victim(self.view(batch), self.request(needy))
            self._preempt(batch, self._named(batch, name), needy)
            steady = False
        return steady

    def _named(self, batch: MicroBatch, name: str, last: int = MOST) -> Live:
        """The running request of this id, admitted as number `last` or before.

        Raises IllegalDecision.
        """
        for live in batch.present:
            if live.id == name and live.order <= last:
                return live
        why = "it is not running here, or not in the micro-batch that lacks memory"
        raise IllegalDecision(self.world.policy, self.kernel.now, f"on the victim {name!r}", why)

    def _go_on(self, batch: MicroBatch, chunks: list[Chunk], left: int) -> tuple[int, bool]:
        """Chunks of the prompts under way; what is left of the budget, and if nobody gave way."""
        steady = True
        for live in list(batch.prefilling):
            tokens = min(live.total - live.computed, left)
            if live.group is not batch or tokens <= 0:
                continue
            needed = self.blocks(live.computed + tokens) - self._shared(live) - live.held
            if needed > 0:
                if not self._make_room(batch, live, needed):
                    steady = False
                    chunks[:] = [chunk for chunk in chunks if chunk.live.group is batch]
                    decodes = batch.n if self.limits.style == "mixed" else 0
                    left = self.budget - decodes - sum(chunk.tokens for chunk in chunks)
                if live.group is not batch:
                    continue
                self.memory.take(needed)
                live.held += needed
            chunks.append(Chunk(live, tokens, live.computed))
            left -= tokens
        return left, steady

    def _admit(self, batch: MicroBatch, chunks: list[Chunk], left: int) -> None:
        """Let requests in from the queue, until one does not come in."""
        limits = self.limits
        if self.swapped:
            return
        self.wait = 0
        if limits.every > 1 and batch.since < limits.every and len(batch):
            self.wait = 0 if self.blocked else limits.every - batch.since
            return
        batch.since = 0
        first, came, self._ousted = self.admitted, 0, False
        while self.queue and not self._ousted and (limits.batch is None or came < limits.batch):
            live = self.queue[0][2]
            if self.blocked or not self._fits(batch, live, chunks, left, first):
                return
            left -= self._enter(batch, live, chunks, left)
            came += 1
        if self.queue:
            self.wait = limits.every

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

    def _cached(self, live: Live) -> int:
        """Units of its prompt that are in memory and spare computing; one token never is spared."""
        if not live.hashes or not self.pool.prefix_cache or live.source is not None:
            return 0
        return min(self.memory.match(live.hashes), (live.total - 1) // self.unit)

    def _spared(self, units: int) -> int:
        return units * self.unit

    def blocks(self, tokens: int) -> int:
        """Blocks that so many tokens fill."""
        return -(-tokens // self.block_size)

    def _fits(
        self, batch: MicroBatch, live: Live, chunks: list[Chunk], left: int, first: int
    ) -> bool:
        """Whether the head of the queue comes in now; notes why not, and for how long."""
        units = self._cached(live)
        if len(batch) >= self.seqs:
            return self._refuse(live, "batch full")
        if live.source is None:
            rest = live.total - self._spared(units)
            alone = not chunks and left == self.budget
            if left <= 0 or (rest > left and not self.limits.chunked and not alone):
                # With as many decodes, and no prompts, the budget stays what it is.
                self.blocked = not chunks and len(self.batches) == 1
                return False
        if self._refused is not live:
            self._refused = None
        elif self.limits.stubborn:
            self.blocked = True
            return False
        needed = self._needs(live, units, left)
        if self.limits.whole and live.source is None:
            whole = self.blocks(live.total) - units * self.memory.unit_blocks
            needed = max(needed, whole)
        room = self._room(live, units) >= needed
        if not room and not self.limits.urgent:
            return self._refuse(live, "no memory")
        why = self.batcher.admits(self.view(), self.request(live))
        if why:
            self.wait = 0 if self.limits.stubborn else self.limits.every
            live.why = live.why or why
            self._refused = live
            self.blocked = self.limits.stubborn
            return False
        if room or self._oust(batch, live, chunks, needed, first):
            return True
        live.why = live.why or "no memory"
        self.wait = self.limits.every  # another time the policy may name somebody
        return False

    def _room(self, live: Live, units: int) -> int:
        """Blocks that an admission may take, if it shares so many units."""
        idle = self.memory.idle(live.hashes[:units]) * self.memory.unit_blocks
        beside = any(map(len, self.batches))
        return self.memory.available - idle - (self.watermark if beside else 0)

    def _refuse(self, live: Live, why: str) -> bool:
        live.why = live.why or why
        # In a pipeline another micro-batch may have room where this one has none.
        self.blocked = len(self.batches) == 1
        self.wait = 0 if self.blocked else self.limits.every
        return False

    def _oust(
        self, batch: MicroBatch, live: Live, chunks: list[Chunk], needed: int, first: int
    ) -> bool:
        """Make room for an urgent head of the queue, as far as the policy names victims.

        Who was admitted as number `first` or earlier can give way: not those of this iteration.
        """
        while self._room(live, self._cached(live)) < needed:
            view = self.view(batch, first)
            name = self.batcher.victim(view, self.request(live)) if view.running else ""
            if not name:
                return False
            self._preempt(batch, self._named(batch, name, first), live)
            self._ousted = True
            chunks[:] = [chunk for chunk in chunks if chunk.live.group is batch]
        return True

    def _enter(self, batch: MicroBatch, live: Live, chunks: list[Chunk], left: int) -> int:
        """Admit the head of the queue; how many tokens of the budget it takes."""
        if self.queue[0][2] is live:
            heappop(self.queue)
        else:  # who gave way for it has become the head
            self.queue = [entry for entry in self.queue if entry[2] is not live]
            heapify(self.queue)
        self.killed -= live.killed != NEVER
        self.admitted += 1
        live.order = self.admitted
        self.urgent += live.priority < 0
        units = self._cached(live)
        blocks = self._needs(live, units, left)
        if live.source is not None:
            self.memory.take(blocks)
            live.held, live.group = blocks, batch
            batch.coming.append(live)
            self.world.pull(live, self.replica)
            return 0
        self.memory.acquire(live.hashes[:units])
        self.sharing += units
        self.memory.take(blocks)
        live.units, live.held, live.group = live.hashes[:units], blocks, batch
        live.computed = self._spared(units)
        live.done, live.started = 0, self.kernel.now
        tokens = min(live.total - live.computed, max(left, 0))
        if not self.limits.chunked:
            tokens = live.total - live.computed
        batch.prefilling.append(live)
        chunks.append(Chunk(live, tokens, live.computed))
        return tokens

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
        self._free(live, own)
        live.preemptions += 1
        live.killed = now
        self._count_vain()
        how = "swap" if swap else "recompute"
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

    def _free(self, live: Live, own: int) -> None:
        """Give back what a request that has left its batch occupied."""
        self.memory.give(own)
        self.memory.drop(live.units)
        self.sharing -= len(live.units)
        live.units, live.held = (), 0
        self.urgent -= live.priority < 0
        self.ask_again()

    def ask_again(self) -> None:
        """Memory was freed or shared: what was refused may come in now."""
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

    def _swap_in(self, batch: MicroBatch) -> None:
        """Bring back requests from host memory while their blocks and this decode's fit."""
        while self.swapped and len(batch) < self.seqs:
            live = self.swapped[0][2]
            blocks = self.blocks(live.computed)
            spare = self.watermark if any(map(len, self.batches)) else 0
            growth = batch.growth(1) + (live.computed % self.block_size == 0)
            if blocks + growth > self.memory.available - spare:
                return
            del self.swapped[0]
            self.killed -= 1
            self.memory.take(blocks)
            self.host += blocks
            self.extra += self._moving(blocks)
            self.admitted += 1
            live.order = self.admitted
            self.urgent += live.priority < 0
            self.timeline.point("swap-in", self.name, live.id, "", self.kernel.now)
            self.begin_decode(batch, live)

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
            settled = sorted(settled + whole, key=_order)
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
        if self.pool.prefix_cache:
            self._publish(live)
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
        live.source = (self, Holding(live.held, live.units))
        self.sharing -= len(live.units)
        live.held, live.units = 0, ()
        self.held += 1
        self.world.first_token(live, self.replica)

    def _publish(self, live: Live) -> None:
        for unit in live.hashes[len(live.units) :]:
            if self.memory.publish(unit):
                live.units += (unit,)
                live.held -= self.memory.unit_blocks
                self.sharing += 1
                self.ask_again()

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
        if batch is None and live.source is None and live.hashes:
            return live.request(live.computed, live.generated, self._spared(self._cached(live)))
        return live.request(live.computed, live.generated)

    def running(self) -> list[Live]:
        """The admitted requests, in order of admission."""
        found = [live for b in self.batches for live in (*b.present, *b.coming)]
        return sorted(found, key=_order)

    def waiting(self) -> list[Live]:
        """The requests that wait, in order of the queue; those swapped out come first."""
        return [entry[2] for entry in self.swapped] + [entry[2] for entry in sorted(self.queue)]

    def view(self, batch: MicroBatch | None = None, last: int = MOST) -> Snapshot:
        """The replica now; with a micro-batch, running are those of it that can give way."""

        def running() -> list[Request]:
            lives = self.running() if batch is None else sorted(batch.present, key=_order)
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


def _order(live: Live) -> int:
    return live.order
