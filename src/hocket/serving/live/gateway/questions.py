"""What a dispatcher was asked, as lines of a record: what it looked at, and no more.

A view notes what is read of it, so that a policy that counts requests costs a line of a few counts,
and only one that goes through the requests of all engines a long one. Read back, a line is a view
again that gives the same answers, and none to what was not asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast, overload

import msgspec

from hocket.core.errors import InputError, Problem, RunError, UserError
from hocket.serving.live.gateway.limits import SECOND
from hocket.serving.roles.batching import Request
from hocket.serving.roles.cluster import ClusterView, Load, Role, Send

_Report = tuple[str, str, Role, int, int, int, int, int, int, bool, bool, int, int, int, int]
"""The fields of a Load, in place of its lists of requests how many there are."""
_PLACES = Load._fields.index("running"), Load._fields.index("waiting")
_FEW = 8
_WRITTEN_BY = "records are written by `hocket gateway`"


class Began(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="began"):
    """The first line: the policy as plain data, its seed, and the facts that it was told."""

    policy: dict[str, Any]
    seed: int
    second: float = SECOND
    models: dict[str, str] = {}


class Dispatched(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="dispatch", omit_defaults=True
):
    """One decision at tick `at`: `request` went to `replica`, or was to, if that was `illegal`.

    What the policy looked at:

    - `names`: the replicas that it could choose from
    - `loads`: their reports; in place of a list of requests stands how many there are
    - `running`, `waiting`: of those lists, by replica, the first requests, up to the last that was
      read; all of them if those were more than a few
    - `outstanding`, `tokens`, `cached`: the front end's own counts by replica
    """

    at: int
    request: Request
    names: tuple[str, ...]
    loads: tuple[_Report, ...] | None = None
    running: dict[str, list[Request]] = {}
    waiting: dict[str, list[Request]] = {}
    outstanding: dict[str, int] = {}
    tokens: dict[str, int] = {}
    cached: dict[str, int] = {}
    replica: str = ""
    reason: str = ""
    illegal: bool = False


class NotAsked(RunError):
    """The policy looks at what it did not look at when the record was written."""


class _Requests(Sequence[Request]):
    """A list of requests of which `count` is known, and each when it is read: see `read`."""

    __slots__ = ("_count", "_read")

    def __init__(self, count: int, read: Callable[[int], Sequence[Request]]) -> None:
        """`read` gives at least so many requests from the beginning of the list."""
        self._count, self._read = count, read

    @overload
    def __getitem__(self, index: int) -> Request: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Request]: ...

    def __getitem__(self, index: int | slice) -> Request | Sequence[Request]:
        if isinstance(index, slice) or index < 0:
            return self._read(self._count)[: self._count][index]
        if index >= self._count:
            raise IndexError(index)
        return self._read(index + 1)[index]

    def __iter__(self) -> Iterator[Request]:
        few = min(_FEW, self._count)
        for place in range(few):
            yield self._read(place + 1)[place]
        if few < self._count:
            yield from self._read(self._count)[few : self._count]

    def __len__(self) -> int:
        return self._count


class Seen:
    """A ClusterView that notes what of another one is looked at."""

    def __init__(self, view: ClusterView) -> None:
        self._view = view
        self._loads: tuple[Load, ...] | None = None
        self._running: dict[str, list[Request]] = {}
        self._waiting: dict[str, list[Request]] = {}
        self._counts: dict[str, int] = {}
        self._tokens: dict[str, int] = {}
        self._cached: dict[str, int] = {}

    @property
    def now(self) -> int:
        """See ClusterView."""
        return self._view.now

    @property
    def names(self) -> Sequence[str]:
        """See ClusterView."""
        return self._view.names

    @property
    def loads(self) -> Sequence[Load]:
        """See ClusterView."""
        if self._loads is None:
            self._loads = tuple(
                load._replace(
                    running=_noting(load.replica, load.running, self._running),
                    waiting=_noting(load.replica, load.waiting, self._waiting),
                )
                for load in self._view.loads
            )
        return self._loads

    def outstanding(self, replica: str) -> int:
        """See ClusterView."""
        found = self._counts[replica] = self._view.outstanding(replica)
        return found

    def outstanding_tokens(self, replica: str) -> int:
        """See ClusterView."""
        found = self._tokens[replica] = self._view.outstanding_tokens(replica)
        return found

    def cached(self, replica: str, request: Request) -> int:
        """See ClusterView."""
        found = self._cached[replica] = self._view.cached(replica, request)
        return found

    def line(self, request: Request, send: Send, *, illegal: bool = False) -> Dispatched:
        """The line of the record, after the policy has answered `send`."""
        return Dispatched(
            at=self.now,
            request=request,
            names=tuple(self.names),
            loads=None if self._loads is None else tuple(map(_counted, self._loads)),
            running=self._running,
            waiting=self._waiting,
            outstanding=self._counts,
            tokens=self._tokens,
            cached=self._cached,
            replica=send.replica,
            reason=send.reason,
            illegal=illegal,
        )


def _noting(name: str, found: Sequence[Request], into: dict[str, list[Request]]) -> _Requests:
    """The requests `found`, those that are read being copied to ``into[name]``."""

    def read(count: int) -> Sequence[Request]:
        known = into.setdefault(name, [])
        if len(known) < count:
            until = count if count <= _FEW else len(found)
            known += [found[place] for place in range(len(known), until)]
        return known

    return _Requests(len(found), read)


def _counted(load: Load) -> _Report:
    """The fields of a report, its lists of requests replaced by how many there are."""
    fields: list[Any] = list(load)
    for place in _PLACES:
        fields[place] = len(fields[place])
    return cast(_Report, tuple(fields))


class Recalled:
    """A ClusterView from a line of a record. Raises NotAsked for what it does not hold."""

    def __init__(self, line: Dispatched) -> None:
        self._line = line
        self.now, self.names = line.at, line.names
        self._loads: tuple[Load, ...] | None = None

    @property
    def loads(self) -> Sequence[Load]:
        """See ClusterView."""
        if self._line.loads is None:
            raise NotAsked("it looks at loads, which it did not")
        if self._loads is None:
            self._loads = tuple(_load(fields, self._line) for fields in self._line.loads)
        return self._loads

    def outstanding(self, replica: str) -> int:
        """See ClusterView."""
        return _noted(self._line.outstanding, replica, "outstanding requests")

    def outstanding_tokens(self, replica: str) -> int:
        """See ClusterView."""
        return _noted(self._line.tokens, replica, "outstanding tokens")

    def cached(self, replica: str, request: Request) -> int:
        """See ClusterView."""
        return _noted(self._line.cached, replica, "cached tokens")


def _load(report: _Report, line: Dispatched) -> Load:
    fields: Sequence[Any] = report
    running, waiting = (fields[place] for place in _PLACES)
    load = Load(*fields)
    return load._replace(
        running=_recalled(running, line.running.get(load.replica, [])),
        waiting=_recalled(waiting, line.waiting.get(load.replica, [])),
    )


def _recalled(count: int, known: list[Request]) -> _Requests:
    def read(wanted: int) -> Sequence[Request]:
        if wanted > len(known):
            raise NotAsked("it reads more of a list of requests than it did")
        return known

    return _Requests(count, read)


def _noted(found: Mapping[str, int], replica: str, what: str) -> int:
    if replica not in found:
        raise NotAsked(f"it looks at the {what} of {replica}, which it did not")
    return found[replica]


def lines(path: Path) -> Iterator[Began | Dispatched]:
    """The lines of a record. A last line that was cut short is left out.

    Raises UserError if the file cannot be read, InputError if a line is none of a record.
    """
    decoder = msgspec.json.Decoder(Began | Dispatched)
    try:
        with path.open("rb") as file:
            for number, text in enumerate(file, start=1):
                try:
                    line = decoder.decode(text)
                except (msgspec.DecodeError, UnicodeDecodeError) as error:
                    if not text.endswith(b"\n"):
                        return
                    message = f"{error}; {_WRITTEN_BY}"
                    raise InputError(str(path), [Problem(f"line {number}", message)]) from None
                yield line
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
