"""What one iteration consists of: budget, admission, memory, and who gives way."""

from __future__ import annotations

from heapq import heapify, heappop

from hocket.core.errors import IllegalDecision
from hocket.serving.simulate.batch import MicroBatch
from hocket.serving.simulate.live import NEVER, Live
from hocket.serving.simulate.roster import MOST, Chunk, Roster, by_admission


class Engine(Roster):
    """Composes iterations by the rules of the package; asks the policy where it may choose."""

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
        self._paid, self.wait, self._over = set(), 1, False
        batch.resume()
        chunks: list[Chunk] = []
        style = self.limits.style
        if self.swapped:
            self._swap_in(batch)
        if style == "mixed":
            steady = self._grow(batch)
            left = self.budget - batch.n
            if batch.prefilling and not self._over:
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
            if not turn or not (batch.n or self._over):
                if batch.prefilling:
                    left, fine = self._go_on(batch, chunks, left)
                    steady = steady and fine
                if steady and not (style == "static" and len(batch)):
                    self._admit(batch, chunks, left)
            decodes = not chunks and batch.n > 0 and (turn or not self._over)
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
        for live in sorted(batch.members.values(), key=by_admission):
            if live.group is not batch:
                continue
            if self._over:
                batch.pause(live, self.own(live))
            elif (live.computed + batch.progress(live)) % self.block_size == 0:
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
            victim = self._named(batch, name)
            self._preempt(batch, victim, needy)
            steady, self._over = False, victim is needy
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
            if self._over:
                break
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
            self._publish(live, live.computed + tokens)
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

    def _fits(
        self, batch: MicroBatch, live: Live, chunks: list[Chunk], left: int, first: int
    ) -> bool:
        """Whether the head of the queue comes in now; notes why not, and for how long."""
        if len(batch) >= self.seqs:
            return self._refuse(live, "batch full")
        hits = self._hits(live)
        units = len(hits[0]) + hits[1]
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
        room = self._room(hits) >= needed
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
        while self._room(self._hits(live)) < needed:
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
        known, own = self._hits(live)
        units = len(known) + own
        blocks = self._needs(live, units, left)
        if live.source is not None:
            self.memory.take(blocks)
            live.held, live.group, live.keeps = blocks, batch, False
            batch.coming.append(live)
            self.world.pull(live, self.replica)
            return 0
        self.memory.acquire(known)
        self.memory.reclaim(live.index)
        self.sharing += len(known)
        self.memory.take(blocks)
        live.units, live.held, live.group = known, blocks + own * self.memory.unit_blocks, batch
        live.computed, live.keeps = self._spared(units), True
        live.done, live.started = 0, self.kernel.now
        tokens = min(live.total - live.computed, max(left, 0))
        if not self.limits.chunked:
            tokens = live.total - live.computed
        self._publish(live, live.computed + tokens)
        batch.prefilling.append(live)
        chunks.append(Chunk(live, tokens, live.computed))
        return tokens

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
            self._keep(live)
            self.timeline.point("swap-in", self.name, live.id, "", self.kernel.now)
            self.begin_decode(batch, live)
