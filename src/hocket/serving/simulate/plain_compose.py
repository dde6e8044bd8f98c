"""How the plain replica composes an iteration: the rules of the package, step by step."""

from __future__ import annotations

import math
from bisect import insort
from collections import Counter
from collections.abc import Hashable
from typing import TYPE_CHECKING, Any, cast

from hocket.core.errors import IllegalDecision
from hocket.serving import memory
from hocket.serving.roles.batching import Batcher, Request
from hocket.serving.simulate.blocks import Memory, Unit
from hocket.serving.simulate.live import Live
from hocket.serving.simulate.plain_parts import Batch, PlainView, Step
from hocket.serving.simulate.world import Replica, World

if TYPE_CHECKING:
    from hocket.serving.model.cluster import Pool


class Composer:
    """The state that composing reads and changes: memory, queue, micro-batches, host memory."""

    def __init__(self, name: str, pool: Pool, batcher: Batcher, world: World) -> None:
        self.name, self.pool, self.batcher, self.world = name, pool, batcher, world
        self.limits = batcher.limits
        self.iterations = 0
        self._most = math.ceil(self.limits.seqs / pool.pp)
        self._ranks: dict[int, tuple[Any, int]] = {}
        self._entered = self._admitted = 0
        self.empty_all()

    def empty_all(self) -> None:
        """Begin with nothing in memory and nobody here."""
        unit = (self.pool.prefix_cache and self.world.prefix_block) or self.pool.block_size
        self.memory = Memory(memory.blocks(self.pool), unit // self.pool.block_size)
        self.batches = [Batch(number) for number in range(self.pool.pp)]
        self.decodes: set[int] = set()  # indices of the requests whose prompt is complete
        self.coming: set[int] = set()  # indices of those that run here but whose memory is to come
        self.apart = 0  # blocks of those that have left, or are to come
        self.apart_units: Counter[Unit] = Counter()  # and the units that those share
        self.swap_ticks = 0  # moves since the latest iteration began
        self._queue: list[Live] = []
        self._swapped: list[Live] = []
        self._host_free = self.pool.host_blocks
        self._refused: Live | None = None

    @property
    def now(self) -> int:
        """The time in ticks."""
        return self.world.kernel.now

    @property
    def unit_tokens(self) -> int:
        """Tokens of one unit of the prefix cache."""
        return self.memory.unit_blocks * self.pool.block_size

    def blocks(self, tokens: int) -> int:
        """Blocks that so many tokens fill."""
        return -(-tokens // self.pool.block_size)

    # Composing.

    def compose(self, batch: Batch) -> Step:
        """The next iteration of a micro-batch; without tokens if there is nothing to do."""
        while True:
            step = Step()
            self._swap_in(batch)
            style = self.limits.style
            if style == "mixed" or (style == "alternate" and batch.prompted):
                self._decode(batch, step)
            if style == "mixed" or not step.decodes:
                self._continue_prompts(batch, step)
                if style != "static" or not batch.running:
                    self._admit(batch, step)
            if not step.tokens and not step.over:
                self._decode(batch, step)
            if step.tokens or step.ousted or not step.preempted:
                return step

    def _swap_in(self, batch: Batch) -> None:
        """Before all else: who was swapped out comes back, in order of arrival, and decodes."""
        while self._swapped and len(batch.running) < self._most:
            live = self._swapped[0]
            blocks = self.blocks(live.computed)
            grow = [one for one in batch.running if one.index in self.decodes]
            more = sum(self._lack(one, one.computed + 1) > 0 for one in grow)
            more += self.blocks(live.computed + 1) - blocks
            if not self._fits(blocks, more):
                return
            self._swapped.pop(0)
            self._host_free += blocks
            self.memory.take(blocks)
            live.held = blocks
            self._move(blocks)
            self.world.timeline.point("swap-in", self.name, live.id, "", self.now)
            self.join(batch, live)
            self.begin_decoding(live)

    def _decode(self, batch: Batch, step: Step) -> None:
        """Step 1: one token for each request whose prompt is complete."""
        for live in list(batch.running):
            if live.group is not batch or live.index not in self.decodes:
                continue
            if not self._obtain(batch, step, live, live.computed + 1):
                return
            step.decodes.append(live)

    def _continue_prompts(self, batch: Batch, step: Step) -> None:
        """Step 2: chunks of the prompts under way."""
        for live in list(batch.running):
            if step.over:
                return
            if live.group is not batch or live.index in self.decodes | self.coming:
                continue
            tokens = min(live.total - live.computed, self._left(step))
            if tokens > 0 and self._obtain(batch, step, live, live.computed + tokens):
                step.chunks.append((live, tokens))

    def _admit(self, batch: Batch, step: Step) -> None:
        """Step 3: from the head of the queue, as long as it comes in."""
        if step.preempted or self._swapped:
            return
        if self.limits.every > 1:
            if batch.running and batch.since < self.limits.every:
                return
            batch.since = 0
        first, admitted = self._admitted, 0
        while self._queue and not step.preempted:
            if admitted == self.limits.batch:
                return
            if not self._comes_in(batch, step, self._queue[0], first):
                return
            admitted += 1

    def _comes_in(self, batch: Batch, step: Step, live: Live, first: int) -> bool:
        """Let the head of the queue in, if everything allows it; the step began with `first`."""
        if len(batch.running) >= self._most:
            return self._no(live, "batch full")
        chunk = 0
        if live.source is None:
            chunk = self._first_chunk(step, live)
            if chunk <= 0:
                return False
        if self._refused is not live:
            self._refused = None
        if self._refused and self.limits.stubborn:
            return False
        whole = self.limits.whole
        room = self._fits(*self._needed(live, chunk, whole))
        if not room and not self.limits.urgent:
            return self._no(live, "no memory")
        if why := self.batcher.admits(self.view(), self._waiting_request(live)):
            self._refused = live
            return self._no(live, why)
        while not self._fits(*self._needed(live, chunk, whole)):
            victim = self._asked(batch, live, first)
            if victim is None:
                return self._no(live, "no memory")
            self._preempt(step, victim, live)
            step.ousted = True
        self._queue.remove(live)
        units = self.matched(live)
        blocks, _ = self._needed(live, chunk)
        self.memory.acquire(units)
        self.memory.take(blocks)
        live.units, live.held = units, blocks
        self.join(batch, live)
        if live.source is not None:
            self.coming.add(live.index)
            self.world.pull(live, cast(Replica, self))
        else:
            live.computed = len(units) * self.unit_tokens
            self._publish(live, live.computed + chunk)
            step.chunks.append((live, chunk))
        return True

    def _first_chunk(self, step: Step, live: Live) -> int:
        """Tokens of its prompt that a request gets if it comes in now; 0 if the budget forbids."""
        rest = live.total - len(self.matched(live)) * self.unit_tokens
        left = self._left(step)
        if left <= 0:
            return 0
        if self.limits.chunked:
            return min(rest, int(left))
        alone = not step.tokens and self.limits.tokens is not None and rest > self.limits.tokens
        return rest if rest <= left or alone else 0

    def _left(self, step: Step) -> int:
        """Tokens that the budget still allows."""
        if self.limits.tokens is None:
            return 2**62
        return self.limits.tokens - step.tokens

    def _no(self, live: Live, why: str) -> bool:
        live.why = live.why or why
        return False

    # Memory.

    def _needed(self, live: Live, chunk: int, whole: bool = False) -> tuple[int, int]:
        """Blocks that an admission takes, and blocks of unused prefixes that it makes used.

        With `whole` those that its whole prompt will take.
        """
        matched = self.matched(live)
        cached = len(matched) * self.unit_tokens
        if self.limits.allocate == "longest":
            longest = min(live.limit, memory.max_context(self.pool) - live.prompt)
            tokens = live.prompt + longest
        elif live.source is not None:
            tokens = live.computed
        elif self.limits.allocate == "prompt" or whole:
            tokens = live.total
        else:
            tokens = cached + chunk
        blocks = max(0, self.blocks(tokens) - len(matched) * self.memory.unit_blocks)
        return blocks, self.memory.idle(matched) * self.memory.unit_blocks

    def matched(self, live: Live) -> tuple[Unit, ...]:
        """Units of a waiting prompt that are in memory; one token at least is left to compute."""
        if live.source is not None or not self.pool.prefix_cache:
            return ()
        most = (live.total - 1) // self.unit_tokens
        return self.memory.match((_content(live, k) for k in range(most)), most)

    def _fits(self, blocks: int, more: int) -> bool:
        """Whether an admission leaves the watermark free, which counts only beside others."""
        beside = any(batch.running for batch in self.batches)
        kept = int(self.limits.watermark * self.memory.total) if beside else 0
        return self.memory.available - more - blocks >= kept

    def _obtain(self, batch: Batch, step: Step, live: Live, tokens: int) -> bool:
        """Take what `tokens` tokens need; False if the request had to give way itself."""
        needed = self._lack(live, tokens)
        while needed > self.memory.available:
            victim = self._asked(batch, live)
            if victim is None:
                self._illegal(live, "nobody", "a running request that lacks memory must get it")
            else:
                self._preempt(step, victim, live)
            if victim is live:
                step.over = True
                return False
        self.memory.take(needed)
        live.held += needed
        self._publish(live, tokens)
        return True

    def _lack(self, live: Live, tokens: int) -> int:
        """Blocks that a request needs beyond those it has for `tokens` tokens."""
        has = live.held + len(live.units) * self.memory.unit_blocks
        return max(0, self.blocks(tokens) - has)

    def free(self, live: Live) -> None:
        """Free all that a request occupies."""
        self.memory.give(live.held)
        self.memory.drop(live.units)
        live.held, live.units, live.computed = 0, (), 0
        self.ask_again()

    def _publish(self, live: Live, tokens: int) -> None:
        """Tell the content of the units that are full when so many tokens are computed.

        Not of a request whose earlier ones have none, because they came from elsewhere.
        """
        if not self.pool.prefix_cache or len(live.units) != live.computed // self.unit_tokens:
            return
        for k in range(len(live.units), tokens // self.unit_tokens):
            live.units += (self.memory.publish(_content(live, k)),)
            live.held -= self.memory.unit_blocks

    def _retract(self, live: Live) -> None:
        """What would have been computed in this iteration, but is not, has no content."""
        kept = live.computed // self.unit_tokens
        self.memory.retract(live.units[kept:])
        live.units = live.units[:kept]

    # Giving way.

    def _asked(self, batch: Batch, needy: Live, before: int | None = None) -> Live | None:
        """Who gives way to `needy`, by the policy; None for nobody.

        Who was admitted as number `before` or later cannot: it came in in this very iteration.
        """
        waiting = needy.group is None
        request = self._waiting_request(needy) if waiting else self._running_request(needy)
        shown = [one for one in batch.running if one.index not in self.coming]
        if before is not None:
            shown = [one for one in shown if one.order < before]
        if not shown:
            return None
        name = self.batcher.victim(self.view(shown), request)
        if not name:
            return None
        for live in shown:
            if live.id == name:
                return live
        self._illegal(needy, repr(name), "it is not running")
        return None

    def _illegal(self, needy: Live, victim: str, why: str) -> None:
        decision = f"that {victim} gives way to {needy.id}"
        raise IllegalDecision(self.world.policy, self.now, decision, why)

    def _preempt(self, step: Step, live: Live, needy: Live) -> None:
        """A running request gives way: to the host if there is room, else back to the queue."""
        computed = live.computed
        blocks = self.blocks(computed)
        swap = self.limits.preemption == "swap" and live.index in self.decodes
        swap = swap and blocks <= self._host_free and self.limits.allocate != "longest"
        step.withdraw(live)
        self._retract(live)
        step.preempted = True
        self.close_span(live)
        how, why = "swap" if swap else "recompute", f"memory for {needy.id}"
        how = f"{how} {live.generated}"
        self.world.timeline.point("preempt", self.name, live.id, how, self.now, why)
        self.remove(live)
        self.free(live)
        live.preemptions += 1
        live.killed = self.now
        if swap:
            live.computed = computed
            self._host_free -= blocks
            self._move(blocks)
            insort(self._swapped, live, key=lambda one: (one.arrival, one.index))
        else:
            self.queue(live)

    def _move(self, blocks: int) -> None:
        """Count the time of moving blocks between the GPU and its host."""
        link = self.pool.host_link
        seconds = blocks * memory.block_bytes(self.pool) / (link.bandwidth * 1e9)
        self.swap_ticks += round(seconds * self.world.ticks_per_second) + link.latency

    # Coming and going.

    def queue(self, live: Live) -> None:
        """Enter the queue: behind all whose rank is no larger."""
        live.enqueued, live.why, live.group = self.now, "", None
        self._ranks[live.index] = (self.batcher.rank(self._waiting_request(live)), self._entered)
        self._entered += 1
        insort(self._queue, live, key=lambda one: self._ranks[one.index])

    def join(self, batch: Batch, live: Live) -> None:
        """Become the last of those that run."""
        live.group, live.order, live.done = batch, self._admitted, 0
        self._admitted += 1
        batch.running.append(live)

    def begin_decoding(self, live: Live) -> None:
        """From now on a request gets a token from every iteration of its micro-batch."""
        self.decodes.add(live.index)
        live.started, live.done = self.now, 0

    def withdraw(self, live: Live) -> bool:
        """Take a request that waits out of the queue or host memory; False if it does not wait."""
        if live in self._swapped:
            self._swapped.remove(live)
            self._host_free += self.blocks(live.computed)
        elif live in self._queue:
            self._queue.remove(live)
        else:
            return False
        self.ask_again()
        return True

    def remove(self, live: Live) -> None:
        """Leave the micro-batch; memory stays as it is."""
        live.group.running.remove(live)
        self.decodes.discard(live.index)
        self.coming.discard(live.index)
        live.group = None

    def ask_again(self) -> None:
        """Memory was freed: what the policy refused may come in now."""
        self._refused = None

    def close_span(self, live: Live) -> None:
        """Record the work that ends now, if any was done."""
        if live.done:
            decoding = live.index in self.decodes
            name, why = ("decode", "") if decoding else ("prefill", live.why)
            name = f"{name} {live.done}"
            self.world.timeline.span("run", self.name, live.id, name, live.started, self.now, why)
            live.done = 0

    # What the policy sees.

    def running(self) -> list[Live]:
        """Who runs, in order of admission."""
        running = [live for batch in self.batches for live in batch.running]
        return sorted(running, key=lambda live: live.order)

    def waiting(self) -> list[Live]:
        """Who waits, those swapped out before the queue."""
        return self._swapped + self._queue

    def view(self, running: list[Live] | None = None, queue: list[Live] | None = None) -> PlainView:
        """The replica now, with all that run and wait or those to be shown."""
        running = self.running() if running is None else running
        queue = self.waiting() if queue is None else queue
        return PlainView(
            now=self.now,
            iteration=self.iterations,
            block_size=self.pool.block_size,
            blocks=self.memory.total,
            free=self.memory.available,
            running=tuple(self._running_request(live) for live in running),
            waiting=tuple(self._waiting_request(live) for live in queue),
        )

    def _running_request(self, live: Live) -> Request:
        computed = 0 if live.index in self.coming else live.computed
        return live.request(computed, live.generated)

    def _waiting_request(self, live: Live) -> Request:
        cached = len(self.matched(live)) * self.unit_tokens
        return live.request(live.computed, live.generated, cached)


def _content(live: Live, unit: int) -> Hashable:
    """What lies in a full unit of a request: what the workload says, else what only it has."""
    return live.hashes[unit] if unit < len(live.hashes) else (live.index, unit)
