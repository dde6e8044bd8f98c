"""Fair queues: which tenant's request goes next, by the service that each has had.

The virtual token counter of Y. Sheng, S. Cao, D. Li, B. Zhu, Z. Li, D. Zhuo, J. E. Gonzalez,
I. Stoica, Fairness in Serving Large Language Models, OSDI 2024, algorithm 2: a tenant's counter
grows with the tokens that it is served, those of answers as they come, and the tenant with the
least counter goes next. A tenant that comes back after a pause is lifted to the least counter of
those that wait, so that nobody saves up a claim. Counters grow by the inverse of the tenant's
weight.

Between tenants that both wait all the time, the service that they have had differs by at most
``2 max(w_p L, w_q M)``, as the paper's section 4 proves: L is the longest prompt, M the most tokens
of prompts and answers that requests under way at one time come to, and w_p, w_q are what a token of
either counts.

Above this stand classes of priority, the smaller the sooner, without any mercy: each class has
counters of its own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from itertools import count
from typing import Generic, TypeVar

T = TypeVar("T")

PROMPT, ANSWER = 1.0, 2.0
"""What a token of a prompt and of an answer counts, as in the paper's section 5."""
_MANY = 1024


class Entry(Generic[T]):
    """A request in a queue, and later under way. `lane`: what it needs, such as a model."""

    __slots__ = ("item", "lane", "place", "priority", "prompt", "tenant", "weight")

    def __init__(
        self,
        item: T,
        tenant: str,
        prompt: int,
        *,
        priority: int = 0,
        lane: str = "",
        weight: float = 1.0,
    ) -> None:
        """Its tenant gets `weight` times the service of one whose weight is 1."""
        self.item, self.tenant, self.prompt = item, tenant, prompt
        self.priority, self.lane, self.weight = priority, lane, weight
        self.place = 0  # in the order in which all have come


class _Class(Generic[T]):
    """The tenants of one priority: their counters, and what waits of them, by lane."""

    def __init__(self) -> None:
        self.counters: dict[str, float] = {}
        self.waiting: dict[str, dict[str, deque[Entry[T]]]] = {}  # no empty ones
        self.size = 0
        self.last = ""  # the tenant of whom the last request that waited has left
        self._many = _MANY

    def add(self, entry: Entry[T], *, first: bool) -> None:
        lanes = self.waiting.get(entry.tenant)
        if lanes is None:
            self._lift(entry.tenant)
            lanes = self.waiting[entry.tenant] = {}
        queue = lanes.setdefault(entry.lane, deque())
        if first:
            queue.appendleft(entry)
        else:
            queue.append(entry)
        self.size += 1

    def _lift(self, tenant: str) -> None:
        counters = self.counters
        if self.waiting:
            floor = min(counters[name] for name in self.waiting)
        else:
            floor = counters.get(self.last, 0.0)
        counters[tenant] = max(counters.get(tenant, 0.0), floor)
        if len(counters) > self._many:  # idle tenants below the floor would be lifted to it anyway
            self.counters = {
                name: value
                for name, value in counters.items()
                if value > floor or name in self.waiting or name in (tenant, self.last)
            }
            self._many = max(_MANY, 2 * len(self.counters))

    def next(self, fits: Callable[[T], bool], closed: set[str]) -> Entry[T] | None:
        """The first request of the tenant that has had least, of those in a lane that is open."""
        waiting, counters = self.waiting, self.counters
        tenants = sorted(waiting, key=counters.__getitem__) if len(waiting) > 1 else waiting
        for tenant in tenants:
            heads = [queue[0] for lane, queue in waiting[tenant].items() if lane not in closed]
            for head in sorted(heads, key=lambda entry: entry.place):
                if head.lane not in closed and fits(head.item):
                    return head
                closed.add(head.lane)
        return None

    def remove(self, entry: Entry[T]) -> None:
        lanes = self.waiting[entry.tenant]
        queue = lanes[entry.lane]
        if queue[0] is entry:
            queue.popleft()
        else:
            queue.remove(entry)
        self.size -= 1
        if not queue:
            del lanes[entry.lane]
        if not lanes:
            del self.waiting[entry.tenant]
            self.last = entry.tenant

    def ends(self) -> Iterator[Entry[T]]:
        """The last request of every tenant and lane."""
        return (queue[-1] for lanes in self.waiting.values() for queue in lanes.values())


class FairQueue(Generic[T]):
    """Requests that wait, of all tenants and priorities."""

    def __init__(self, prompt: float = PROMPT, answer: float = ANSWER) -> None:
        """What a token of a prompt and of an answer counts."""
        self._prompt, self._answer = prompt, answer
        self._classes: dict[int, _Class[T]] = {}  # in order of urgency
        self._places = count(1)

    def add(self, entry: Entry[T], *, first: bool = False) -> None:
        """A request waits from now on; with `first` before all others of its tenant and lane."""
        entry.place = next(self._places) * (-1 if first else 1)
        if entry.priority not in self._classes:
            self._classes = dict(sorted([*self._classes.items(), (entry.priority, _Class())]))
        self._classes[entry.priority].add(entry, first=first)

    def pop(
        self, fits: Callable[[T], bool] = lambda item: True, closed: set[str] | None = None
    ) -> Entry[T] | None:
        """The request that goes next, charged for its prompt; None if there is none.

        A lane in which `fits` refuses a request is closed for the others in it: they stay, and
        those of other lanes go before them. What is closed is added to `closed`, so that it need
        not be asked again.
        """
        closed = set() if closed is None else closed
        for found in self._classes.values():
            if found.size and (entry := found.next(fits, closed)) is not None:
                found.remove(entry)
                self._charge(entry, self._prompt * entry.prompt)
                return entry
        return None

    def remove(self, entry: Entry[T]) -> None:
        """A request waits no longer, and was not served."""
        self._classes[entry.priority].remove(entry)

    def last(self) -> Entry[T]:
        """Of the least urgent that wait the one that came last. Raises ValueError if none waits."""
        least = [found for found in self._classes.values() if found.size][-1:]
        return max((end for found in least for end in found.ends()), key=lambda end: end.place)

    def answered(self, entry: Entry[T], tokens: int) -> None:
        """A request under way has been given tokens."""
        self._charge(entry, self._answer * tokens)

    def _charge(self, entry: Entry[T], service: float) -> None:
        counters = self._classes[entry.priority].counters
        counters[entry.tenant] = counters.get(entry.tenant, 0.0) + service / entry.weight

    def counter(self, tenant: str, priority: int = 0) -> float:
        """The service that a tenant has been counted with in a class of priority."""
        found = self._classes.get(priority)
        return found.counters.get(tenant, 0.0) if found else 0.0

    def ahead(self, priority: int) -> int:
        """How many wait that are at least as urgent."""
        return sum(found.size for level, found in self._classes.items() if level <= priority)

    def __len__(self) -> int:
        return sum(found.size for found in self._classes.values())
