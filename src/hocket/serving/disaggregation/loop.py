"""The event loop of the ring simulator; its rules stand in `ring`.

Requests that decode together are one `_Group`, of which only the count and the sum of contexts
change from iteration to iteration, so that an iteration costs no work per request.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from heapq import heappop, heappush

from hocket.serving.disaggregation.instance import Instance


class _Group:
    """Requests that decode together: `members` in order of the queue.

    `age` counts the group's iterations; a member ends when the age reaches its entry in `ends`.
    """

    __slots__ = ("age", "context", "members", "next_end", "size")

    def __init__(self, members: list[int], context: int, age: int, next_end: int) -> None:
        self.members = members
        self.size = len(members)
        self.context = context
        self.age = age
        self.next_end = next_end


class _Rank:
    """One rank of one ring: its queues, and what it is computing."""

    __slots__ = ("batch", "busy", "first", "formed", "groups", "last", "load", "next", "prompts")

    def __init__(self, first: bool, last: bool) -> None:
        self.first, self.last = first, last
        self.next = self
        self.prompts: deque[int] = deque()  # of the first rank, which forms batches of them
        self.formed: deque[list[int]] = deque()  # of later ranks
        self.groups: deque[_Group] = deque()  # to decode
        self.load = 0  # prompts waiting or under way
        self.batch: list[int] | _Group | None = None
        self.busy = False


def _ring(pp: int) -> _Rank:
    """The first of `pp` ranks, each of which hands on to the next and the last to the first."""
    ranks = [_Rank(i == 0, i == pp - 1) for i in range(pp)]
    for i, rank in enumerate(ranks):
        rank.next = ranks[(i + 1) % pp]
    return ranks[0]


class Rings:
    """The event loop over all rings of one kind of instance."""

    def __init__(
        self, instance: Instance, prompt: Sequence[int], output: Sequence[int], phase: str
    ) -> None:
        self._instance, self._phase = instance, phase
        self._prompt, self._output = prompt, output
        self._ends = list(output)
        self._heads = [_ring(instance.pp) for _ in range(instance.instances)]
        self._heap: list[tuple[float, int, _Rank]] = []
        self._sequence = 0
        self.first = [0.0] * len(prompt)  # when the prefill of each request ended
        self.finish = [0.0] * len(prompt)  # when the last token of each came
        self.order: list[int] = []  # in which prefills ended

    def run(self, arrival: Sequence[float], requests: Sequence[int]) -> None:
        """Let `requests` arrive at these times, and go on until all are done."""
        heap, upcoming, n = self._heap, 0, len(requests)
        alone = self._instance.pp == 1
        while upcoming < n or heap:
            if upcoming < n and (not heap or arrival[upcoming] <= heap[0][0]):
                self._arrive(requests[upcoming], arrival[upcoming])
                upcoming += 1
                continue
            now, _, rank = heappop(heap)
            until = arrival[upcoming] if upcoming < n else float("inf")
            while True:
                if rank.batch is not None:
                    self._end(rank, now)
                if not (rank.groups or rank.prompts or rank.formed):
                    rank.busy = False
                    break
                horizon = min(until, heap[0][0]) if heap else until
                if alone and len(rank.groups) == 1 and not rank.prompts:
                    now = self._leap(rank.groups[0], now, horizon)
                end = now + self._begin(rank)
                if end >= horizon:
                    self._push(end, rank)
                    break
                now = end  # nothing else happens before: it need not go through the queue

    def _push(self, time: float, rank: _Rank) -> None:
        self._sequence += 1
        heappush(self._heap, (time, self._sequence, rank))

    def _wake(self, rank: _Rank, now: float) -> None:
        """Have a sleeping rank look at its queues once the present event is over."""
        if not rank.busy:
            rank.busy = True
            self._push(now, rank)

    def _arrive(self, request: int, now: float) -> None:
        if self._phase == "decode":
            head = min(self._heads, key=lambda rank: sum(group.size for group in rank.groups))
            head.groups.append(self._alone(request))
        else:
            head = min(self._heads, key=lambda rank: rank.load)
            head.prompts.append(request)
            head.load += 1
        self._wake(head, now)

    def _alone(self, request: int) -> _Group:
        return _Group([request], self._prompt[request], 0, self._output[request])

    def _begin(self, rank: _Rank) -> float:
        """Compose the next iteration of a rank; returns how long it takes."""
        if rank.prompts or rank.formed:
            rank.batch = batch = rank.formed.popleft() if rank.formed else self._form(rank)
            return self._prefill_time(batch, rank.first)
        rank.batch = group = self._decodes(rank.groups)
        costs = self._instance.costs
        a, b, c = costs.small if group.size < costs.threshold else costs.large
        delay = a + b * (group.context + group.size) + c * group.size
        delay = delay * (1 / self._instance.pp)
        if rank.first:
            delay += costs.first + group.context * costs.first_per_token
        return delay

    def _prefill_time(self, batch: list[int], first: bool) -> float:
        lengths = [self._prompt[r] for r in batch]
        tokens, costs, pp = sum(lengths), self._instance.costs, self._instance.pp
        a, b, c = costs.prefill
        delay = a + b * tokens + c * sum([x * x for x in lengths])
        delay = delay * (1 / pp) + costs.stage * pp
        if first:
            delay += costs.first + tokens * costs.first_per_token
        return delay

    def _form(self, rank: _Rank) -> list[int]:
        """The prompts at the head of the queue that fit one iteration together."""
        instance, prompts = self._instance, rank.prompts
        batch = [prompts.popleft()]
        room = instance.tokens if instance.pack is None else min(instance.pack, instance.tokens)
        room -= self._prompt[batch[0]]
        while prompts and self._prompt[prompts[0]] <= room:
            room -= self._prompt[prompts[0]]
            batch.append(prompts.popleft())
        return batch

    def _decodes(self, groups: deque[_Group]) -> _Group:
        """The requests at the head of the queue that one iteration may decode, as one group."""
        taken, room = [], self._instance.context
        while groups and groups[0].context + groups[0].size <= room:
            room -= groups[0].context + groups[0].size
            taken.append(groups.popleft())
        if groups and (part := self._split(groups[0], room)).size:
            taken.append(part)
        return taken[0] if len(taken) == 1 else self._merged(taken)

    def _merged(self, groups: list[_Group]) -> _Group:
        """One group of several, at the age of the largest."""
        base = max(groups, key=lambda group: group.size)
        members: list[int] = []
        for group in groups:
            if later := base.age - group.age:
                for request in group.members:
                    self._ends[request] += later
            members += group.members
        next_end = min(group.next_end + base.age - group.age for group in groups)
        return _Group(members, sum(group.context for group in groups), base.age, next_end)

    def _split(self, group: _Group, room: int) -> _Group:
        """Take the first members whose contexts, and one token each, fit in `room`."""
        ends, members, context = self._ends, group.members, 0
        for count, request in enumerate(members):
            tokens = self._prompt[request] + self._output[request] - ends[request] + group.age
            if context + count + tokens + 1 > room:
                break
            context += tokens
        part, rest = members[:count], members[count:]
        group.members, group.size = rest, len(rest)
        group.context -= context
        group.next_end = min(ends[r] for r in rest)
        return _Group(part, context, group.age, min([ends[r] for r in part], default=0))

    def _leap(self, group: _Group, now: float, horizon: float) -> float:
        """Decode on a single rank while nothing can change: exactly as iteration by iteration.

        It stops before the iteration that ends at the `horizon` or later, completes a request, or
        does not fit the cap; returns when that one begins.
        """
        instance, size, context = self._instance, group.size, group.context
        costs = instance.costs
        a, b, c = costs.small if size < costs.threshold else costs.large
        first, per_token = costs.first, costs.first_per_token
        steps = group.next_end - 1 - group.age
        steps = min(steps, (instance.context - context) // size)  # each fits the cap
        while steps > 0:
            end = now + ((a + b * (context + size) + c * size) + (first + context * per_token))
            if end >= horizon:
                break
            now, context, steps = end, context + size, steps - 1
        group.age += (context - group.context) // size
        group.context = context
        return now

    def _end(self, rank: _Rank, now: float) -> None:
        """Hand on what a rank has computed."""
        batch, rank.batch = rank.batch, None
        if isinstance(batch, _Group):
            if rank.last:
                self._token(batch, now)
            if batch.size:
                rank.next.groups.append(batch)
                self._wake(rank.next, now)
        elif batch is not None:
            if rank.first:
                rank.load -= len(batch)
            if rank.last:
                self._prefilled(rank, batch, now)
            else:
                rank.next.formed.append(batch)
                self._wake(rank.next, now)

    def _prefilled(self, rank: _Rank, batch: list[int], now: float) -> None:
        self.order += batch
        for request in batch:
            self.first[request] = self.finish[request] = now
            if self._phase == "both" and self._output[request]:
                rank.next.groups.append(self._alone(request))
                self._wake(rank.next, now)

    def _token(self, group: _Group, now: float) -> None:
        """Every member has one more token; those that have all leave."""
        group.age += 1
        group.context += group.size
        if group.age < group.next_end:
            return
        ends, stay = self._ends, []
        for request in group.members:
            if ends[request] > group.age:
                stay.append(request)
            else:
                self.finish[request] = now
                group.context -= self._prompt[request] + self._output[request]
        group.members, group.size = stay, len(stay)
        group.next_end = min([ends[r] for r in stay], default=0)
