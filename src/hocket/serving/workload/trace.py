"""Recorded requests: what a log says happened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Annotated

import msgspec
import numpy as np
import numpy.typing as npt

from hocket.core.errors import Problem
from hocket.core.scenario import LONGEST, Ticks, TimeUnit
from hocket.core.streams import Streams
from hocket.serving.model.requests import Ints, Requests, requests
from hocket.serving.workload.lengths import MOST_TOKENS, Tokens

Priority = Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31)]
_COLUMNS = (
    "arrival", "output", "limit", "priority", "tenant", "expected", "cancel", "prefix", "follows",
    "delay", "names",
)  # fmt: skip
Expected = Annotated[int, msgspec.Meta(ge=0, le=MOST_TOKENS)]
Patience = Annotated[int, msgspec.Meta(ge=-1, le=LONGEST)]
Block = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class Trace(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="kind",
    tag="trace",
):
    """Requests in columns, one entry per request; an optional column is empty or complete.

    - `arrival`: ticks, not decreasing
    - `prompt`, `output`: tokens
    - `limit`: most tokens that the client allows the answer
    - `priority`: the smaller the more urgent, 0 is normal
    - `tenant`: whose request it is
    - `expected`: tokens that the sender expects the answer to have, 0 if unknown
    - `cancel`: ticks after the arrival at which the client goes away, -1 for never
    - `prefix`: the hash ids of the prompt's blocks of `prefix_block` tokens, in order
    - `follows`: the row of the request after whose end this one is sent, -1 for none; it then has
      arrival 0, and `delay` ticks lie between
    - `clients`: with a number above 0 only so many requests are under way: the rows from that one
      on have arrival 0, and each is sent `delay` ticks after the end of another, in order
    - `names`: ids of the requests
    - `notes`: what the reader of a log left out or put in order
    """

    arrival: tuple[Ticks, ...]
    prompt: tuple[Tokens, ...]
    output: tuple[Tokens, ...]
    limit: tuple[Tokens, ...] = ()
    priority: tuple[Priority, ...] = ()
    tenant: tuple[str, ...] = ()
    expected: tuple[Expected, ...] = ()
    cancel: tuple[Patience, ...] = ()
    prefix: tuple[tuple[Block, ...], ...] = ()
    prefix_block: Tokens = 16
    follows: tuple[Annotated[int, msgspec.Meta(ge=-1, le=10**9)], ...] = ()
    delay: tuple[Ticks, ...] = ()
    clients: Annotated[int, msgspec.Meta(ge=0, le=10**7)] = 0
    names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def problems(self, path: str) -> Iterator[Problem]:
        """What is wrong beyond types."""
        count = len(self.prompt)
        if not count:
            yield Problem(f"{path}.prompt", "there are no requests")
        for name in _COLUMNS:
            found = len(getattr(self, name))
            if found != count and (found or name in ("arrival", "output")):
                message = f"{found} entries, but there are {count} prompts"
                yield Problem(f"{path}.{name}", message)
        yield from self._order(path)
        yield from self._releases(path)
        yield from self._prefixes(path)
        if wrong := wrong_names(self.names):
            yield Problem(f"{path}.names", wrong)

    def released(self) -> npt.NDArray[np.bool_]:
        """Which requests another one releases, so that no time is recorded for them; shape (n,)."""
        released = np.zeros(len(self.arrival), dtype=np.bool_)
        if self.clients:
            released[self.clients :] = True
        follows = np.array(self.follows[: len(released)], dtype=np.int64)
        released[: len(follows)] |= follows >= 0
        return released

    def _order(self, path: str) -> Iterator[Problem]:
        arrival = np.array(self.arrival, dtype=np.int64)
        released = self.released()
        own = np.flatnonzero(~released)
        for i in np.flatnonzero(np.diff(arrival[own]) < 0).tolist():
            before, after = own[i], own[i + 1]
            message = f"{arrival[after]} is before {arrival[before]}, that of row {before}"
            yield Problem(f"{path}.arrival[{after}]", message)
        for row in np.flatnonzero(released & (arrival != 0)).tolist():
            yield Problem(f"{path}.arrival[{row}]", "must be 0: another request releases this one")

    def _releases(self, path: str) -> Iterator[Problem]:
        if self.clients and self.follows:
            yield Problem(
                f"{path}.follows", "a closed loop (clients above 0) cannot have it as well"
            )
        for row, before in enumerate(self.follows):
            if before >= row:
                message = f"{before} is not the row of an earlier request"
                yield Problem(f"{path}.follows[{row}]", message)

    def _prefixes(self, path: str) -> Iterator[Problem]:
        for i, (ids, prompt) in enumerate(zip(self.prefix, self.prompt, strict=False)):
            most = -(-prompt // self.prefix_block)
            if len(ids) > most:
                message = f"{len(ids)} blocks, but {prompt} tokens fill {most} at most"
                yield Problem(f"{path}.prefix[{i}]", message)

    def draw(self, streams: Streams, unit: TimeUnit) -> Requests:
        """The requests, the same in every run."""
        tenants = tuple(dict.fromkeys(self.tenant)) or ("",)
        index = {tenant: i for i, tenant in enumerate(tenants)}
        arrival = np.array(self.arrival, dtype=np.int64)
        return requests(
            np.where(self.released(), -1, arrival),
            self.prompt,
            self.output,
            limit=self.limit or None,
            priority=self.priority or None,
            tenant=[index[tenant] for tenant in self.tenant] or None,
            tenants=tenants,
            follows=self.follows or None,
            delay=self.delay or None,
            expected=self.expected or None,
            cancel=self.cancel or None,
            clients=self.clients,
            prefix=self.prefix,
            prefix_block=self.prefix_block,
            names=self.names,
        )


def recorded(drawn: Requests) -> Trace:
    """The trace that yields these requests in every run. Columns that say nothing are left out."""

    def told(column: Ints, nothing: int) -> tuple[int, ...]:
        return tuple(column.tolist()) if np.any(column != nothing) else ()

    whose = tuple(drawn.tenants[i] for i in drawn.tenant.tolist())
    return Trace(
        arrival=tuple(np.maximum(drawn.arrival, 0).tolist()),
        prompt=tuple(drawn.prompt.tolist()),
        output=tuple(drawn.output.tolist()),
        limit=told(np.minimum(drawn.limit, MOST_TOKENS), MOST_TOKENS),
        priority=told(drawn.priority, 0),
        tenant=whose if any(whose) else (),
        expected=told(drawn.expected, 0),
        cancel=told(drawn.cancel, -1),
        prefix=drawn.prefix,
        prefix_block=drawn.prefix_block,
        follows=told(drawn.follows, -1),
        delay=told(drawn.delay, 0),
        clients=drawn.clients,
        names=drawn.names,
    )


def wrong_names(names: tuple[str, ...]) -> str:
    """Why these do not tell requests apart; empty if they do."""
    if "" in names:
        return f"row {names.index('')} has no name, but others have"
    if len(set(names)) == len(names):
        return ""
    counts = Counter(names)
    return f"{next(name for name in names if counts[name] > 1)!r:.40} names two requests"
