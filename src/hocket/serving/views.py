"""What policies see of replicas, simulated and real; gathered when it is first looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import overload

from hocket.serving.roles.batching import Request


class Snapshot:
    """A ReplicaView; its lists are made when they are first asked for."""

    __slots__ = ("_running", "_waiting", "block_size", "blocks", "free", "iteration", "now")

    def __init__(
        self,
        now: int,
        iteration: int,
        block_size: int,
        blocks: int,
        free: int,
        running: Callable[[], Sequence[Request]],
        waiting: Callable[[], Sequence[Request]],
    ) -> None:
        self.now, self.iteration = now, iteration
        self.block_size, self.blocks, self.free = block_size, blocks, free
        self._running: Callable[[], Sequence[Request]] | tuple[Request, ...] = running
        self._waiting: Callable[[], Sequence[Request]] | tuple[Request, ...] = waiting

    @property
    def running(self) -> tuple[Request, ...]:
        """See ReplicaView."""
        if callable(self._running):
            self._running = tuple(self._running())
        return self._running

    @property
    def waiting(self) -> tuple[Request, ...]:
        """See ReplicaView."""
        if callable(self._waiting):
            self._waiting = tuple(self._waiting())
        return self._waiting


class Listed(Sequence[Request]):
    """Requests of a report: their number at once, themselves when asked for."""

    __slots__ = ("_count", "_made", "_make")

    def __init__(self, count: int, make: Callable[[], list[Request]]) -> None:
        self._count, self._make = count, make
        self._made: list[Request] | None = None

    def _all(self) -> list[Request]:
        if self._made is None:
            self._made = self._make()
        return self._made

    @overload
    def __getitem__(self, index: int) -> Request: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Request]: ...

    def __getitem__(self, index: int | slice) -> Request | Sequence[Request]:
        return self._all()[index]

    def __iter__(self) -> Iterator[Request]:
        return iter(self._all())

    def __len__(self) -> int:
        return self._count
