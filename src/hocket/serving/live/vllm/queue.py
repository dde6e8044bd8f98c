"""The queue of a policy in vLLM's scheduler, whose truth value is the gate.

vLLM admits while its queue is true. Here it is true while an iteration is composed only if the head
may come in at this very moment; at any other time if somebody waits.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterable, Iterator
from operator import itemgetter
from typing import Any

Entry = tuple[Any, int, Any]
_PLACE = itemgetter(0, 1)


class Queue:
    """Requests in order of their ranks; equal ranks in order of entering.

    It stands in for vLLM's RequestQueue, whose methods it has.
    """

    def __init__(self, rank: Callable[[Any], Any]) -> None:
        """`rank` is asked once for every request that enters."""
        self._rank = rank
        self._entries: list[Entry] = []  # rank, number, request
        self._entered = 0
        self._taken: dict[Any, Entry] = {}  # of this iteration: they may be put back
        self.gate: Callable[[], bool] | None = None
        self.popped: Callable[[Any], None] | None = None

    def begin(self) -> None:
        """A new iteration: who was taken in the last one has left for good."""
        self._taken.clear()

    def add_request(self, request: Any) -> None:
        """Enter a request."""
        self._entered += 1
        self._insert((self._rank(request), self._entered, request))

    def prepend_request(self, request: Any) -> None:
        """Enter a request that gave way."""
        self.add_request(request)

    def prepend_requests(self, requests: Iterable[Any]) -> None:
        """Put requests back, where they were if they left in this iteration."""
        for request in requests:
            entry = self._taken.pop(request, None)
            if entry is None:
                self.add_request(request)
            else:
                self._insert(entry)

    def _insert(self, entry: Entry) -> None:
        insort(self._entries, entry, key=_PLACE)

    def peek_request(self) -> Any:
        """The head. Raises IndexError if nobody waits."""
        return self._entries[0][2]

    def pop_request(self) -> Any:
        """Take the head out. Raises IndexError if nobody waits."""
        entry = self._entries.pop(0)
        request = entry[2]
        self._taken[request] = entry
        if self.popped is not None:
            self.popped(request)
        return request

    def remove_request(self, request: Any) -> None:
        """Take a request out, wherever it stands."""
        self.remove_requests((request,))

    def remove_requests(self, requests: Iterable[Any]) -> None:
        """Take requests out; those that are not here are passed over."""
        gone = set(requests)
        self._entries = [entry for entry in self._entries if entry[2] not in gone]

    def __bool__(self) -> bool:
        """Whether the head may come in now; outside of composing, whether somebody waits."""
        return bool(self._entries) if self.gate is None else self.gate()

    def __len__(self) -> int:
        """How many wait."""
        return len(self._entries)

    def __iter__(self) -> Iterator[Any]:
        """Who waits, in order."""
        return (entry[2] for entry in self._entries)
