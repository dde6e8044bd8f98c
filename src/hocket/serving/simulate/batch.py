"""A micro-batch: the decoding requests of a replica in aggregates, and the prompts under way."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from heapq import heappop, heappush

from hocket.core.tally import binned
from hocket.serving.simulate.live import NEVER, Live


class MicroBatch:
    """Requests that are computed together.

    - `prefilling`: those whose prompt is under way, in order of admission
    - `members`: those that decode, by index, `n` of them; `context`: tokens they have in memory
    - `clock`: decodes so far; whoever joined at clock c has had ``clock - c`` of them
    - `due`: heap of ``(clock at which it has all its tokens, order, epoch, request)``
    - `edges`: at clock c, ``edges[c % block_size]`` of them fill their last block; where blocks are
      reserved in advance (`fixed`) nobody ever does
    - `last`: tick at which the latest decode ended; `fresh`: members whose latest token came at
      another time, being new
    - `coming`: admitted requests whose memory is still on its way here
    - `paused`: requests that decode, but not in the iteration under way; they are in `prefilling`
      as well, like prompts of which one token is left
    """

    __slots__ = (
        "_peak_at",
        "_peak_gap",
        "block_size",
        "clock",
        "coming",
        "context",
        "due",
        "edges",
        "fixed",
        "fresh",
        "home",
        "last",
        "latest",
        "members",
        "n",
        "paused",
        "prefilling",
        "since",
    )

    def __init__(self, block_size: int, fixed: bool) -> None:
        self.block_size, self.fixed = block_size, fixed
        self.prefilling: list[Live] = []
        self.coming: list[Live] = []
        self.paused: list[Live] = []
        self.members: dict[int, Live] = {}
        self.n = self.context = self.clock = 0
        self.due: list[tuple[int, int, int, Live]] = []
        self.edges = [0] * block_size
        self.last = 0
        self.fresh: list[Live] = []
        self.latest = False  # whether its latest iteration had prompt tokens
        self.home = 0  # when its latest iteration left the last stage
        self.since = 0  # decodes since the queue was last looked at
        # Gaps between decodes that no later one has exceeded, with the clock after them: the
        # longest gap since any clock is the first one kept from there on.
        self._peak_at: list[int] = []
        self._peak_gap: list[int] = []

    @property
    def present(self) -> tuple[Live, ...]:
        """The requests whose memory is here."""
        return (*self.members.values(), *self.prefilling)

    def __len__(self) -> int:
        return self.n + len(self.prefilling) + len(self.coming)

    def join(self, live: Live) -> None:
        """A request begins to decode."""
        if not self.n:
            self.last = live.last_token
            self._peak_at.clear()
            self._peak_gap.clear()
        live.group, live.joined = self, self.clock
        live.epoch += 1
        if live.last_token != self.last or live.killed != NEVER:
            self.fresh.append(live)
        self.n += 1
        self.context += live.computed
        self.members[live.index] = live
        if not self.fixed:
            self.edges[(self.clock - live.computed) % self.block_size] += 1
        heappush(
            self.due, (self.clock + live.target - live.generated, live.order, live.epoch, live)
        )

    def leave(self, live: Live) -> None:
        """A request stops decoding; its own counts are brought up to date."""
        steps = self.clock - live.joined
        if live in self.fresh:
            self.fresh.remove(live)
        elif steps:
            # Whoever was fresh noted its own first gap, from its own first token.
            first = live.joined + (2 if live.first_gap else 1)
            at = bisect_left(self._peak_at, first)
            if at < len(self._peak_at):
                live.longest_gap = max(live.longest_gap, self._peak_gap[at])
        live.first_gap = False
        live.computed += steps
        live.generated += steps
        live.epoch += 1
        live.group = None
        if steps:
            live.last_token = self.last
        self.n -= 1
        self.context -= live.computed
        del self.members[live.index]
        if not self.fixed:
            self.edges[(self.clock - live.computed) % self.block_size] -= 1

    def pause(self, live: Live, held: int) -> None:
        """A member has no part in the next decode, and `held` blocks of its own."""
        self.leave(live)
        live.group, live.held = self, held
        self.prefilling.append(live)
        self.paused.append(live)

    def resume(self) -> None:
        """After that decode, or if there was none, all members have part again."""
        for live in self.paused:
            self.prefilling.remove(live)
            live.held = 0
            self.join(live)
        self.paused.clear()

    def progress(self, live: Live, steps: int = 0) -> int:
        """Decodes that a member has had, `steps` of those now under way included."""
        return self.clock + steps - live.joined

    def growth(self, steps: int, done: int = 0) -> int:
        """Blocks that decodes number ``done + 1`` to `steps` from now take."""
        size, edges, clock = self.block_size, self.edges, self.clock
        if steps - done == 1:
            return edges[(clock + done) % size]
        rounds, rest = divmod(steps - done, size)
        found = rounds * self.n if rounds and not self.fixed else 0
        return found + sum(edges[(clock + done + i) % size] for i in range(rest))

    def affordable(self, steps: int, blocks: int) -> int:
        """How many of `steps` decodes `blocks` suffice for, the first one having been paid."""
        if self.fixed or ((steps - 2) // self.block_size + 1) * self.n <= blocks:
            return steps
        for done in range(1, steps):
            blocks -= self.edges[(self.clock + done) % self.block_size]
            if blocks < 0:
                return done
        return steps

    def until_done(self) -> int:
        """Decodes until the first member has all its tokens."""
        due = self.due
        while due[0][2] != due[0][3].epoch:
            heappop(due)
        return due[0][0] - self.clock

    def finished(self) -> list[Live]:
        """The members that have all their tokens, in order of admission; they leave."""
        due, clock = self.due, self.clock
        found = []
        while due and (due[0][0] <= clock or due[0][2] != due[0][3].epoch):
            _, _, epoch, live = heappop(due)
            if epoch == live.epoch:
                found.append(live)
        for live in found:
            self.leave(live)
        return found

    def advance(self, ends: Sequence[int], gaps: dict[int, int]) -> list[tuple[str, int]]:
        """Decodes that ended at the ticks `ends`; counts their gaps in bins.

        Returns who had its first token since it gave way, and how many ticks after.
        """
        n, end, losses = self.n, ends[0], []
        own = len(self.fresh)
        for live in self.fresh:
            gap = end - live.last_token
            live.first_gap = True
            live.longest_gap = max(live.longest_gap, gap)
            kept = binned(gap)
            gaps[kept] = gaps.get(kept, 0) + 1
            if live.killed != NEVER:
                losses.append((live.id, end - live.killed))
                live.killed = NEVER
        self.fresh.clear()
        if own < n:
            gap = end - self.last
            self._peak(self.clock + 1, gap)
            kept = binned(gap)
            gaps[kept] = gaps.get(kept, 0) + n - own
        for i in range(1, len(ends)):
            gap = ends[i] - ends[i - 1]
            self._peak(self.clock + 1 + i, gap)
            kept = binned(gap)
            gaps[kept] = gaps.get(kept, 0) + n
        self.clock += len(ends)
        self.context += n * len(ends)
        self.last = ends[-1]
        return losses

    def _peak(self, clock: int, gap: int) -> None:
        at, gaps = self._peak_at, self._peak_gap
        while gaps and gaps[-1] <= gap:
            gaps.pop()
            at.pop()
        at.append(clock)
        gaps.append(gap)
