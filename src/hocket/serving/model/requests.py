"""The requests of one run, in columns."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from hocket.core.scenario import LONGEST

Ints = npt.NDArray[np.int64]


class Requests(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """`n` requests as a run meets them: what a workload's ``draw(streams, unit)`` returns.

    - `arrival`: ticks, shape (n,), not decreasing; -1 for a request that another one releases
    - `prompt`, `output`: tokens, shape (n,); the engine knows `output` only by getting there
    - `limit`: most tokens of each answer that the client allows, shape (n,)
    - `priority`: shape (n,), the smaller the more urgent, 0 is normal
    - `tenant`: index into `tenants`, shape (n,)
    - `follows`: the request after whose end this one is sent, -1 for none, shape (n,); `delay`:
      ticks between
    - `clients`: with a number above 0, so many requests are under way at a time: the first ones
      arrive at their `arrival`, and each end of any request releases the next in order after its
      `delay`
    - `expected`: tokens that senders expect the answers to have, 0 if unknown, shape (n,)
    - `cancel`: ticks after the arrival at which the client goes away, -1 for never, shape (n,); the
      end by it releases others as any end does
    - `prefix`: for each request the hash ids of its prompt's blocks of `prefix_block` tokens, in
      order; equal ids mean equal tokens from the start of the prompt up to there. Empty if unknown
    - `names`: ids of the requests; by default r0, r1, ...
    """

    arrival: Ints
    prompt: Ints
    output: Ints
    limit: Ints
    priority: Ints
    tenant: Ints
    tenants: tuple[str, ...] = ("",)
    follows: Ints
    delay: Ints
    expected: Ints
    cancel: Ints
    clients: int = 0
    prefix: tuple[tuple[int, ...], ...] = ()
    prefix_block: int = 16
    names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.prompt)

    def name(self, index: int) -> str:
        """What a request is called in the timeline."""
        return self.names[index] if self.names else f"r{index}"


def requests(
    arrival: npt.ArrayLike,
    prompt: npt.ArrayLike,
    output: npt.ArrayLike,
    *,
    limit: npt.ArrayLike | None = None,
    priority: npt.ArrayLike | None = None,
    tenant: npt.ArrayLike | None = None,
    follows: npt.ArrayLike | None = None,
    delay: npt.ArrayLike | None = None,
    expected: npt.ArrayLike | None = None,
    cancel: npt.ArrayLike | None = None,
    **others: Any,
) -> Requests:
    """Requests with defaults for what is not given: no limit, normal priority, patient clients."""
    n = len(np.asarray(prompt))

    def column(given: npt.ArrayLike | None, default: int) -> Ints:
        found = np.full(n, default) if given is None else np.asarray(given)
        return np.ascontiguousarray(found, dtype=np.int64)

    return Requests(
        arrival=column(arrival, 0),
        prompt=column(prompt, 0),
        output=column(output, 0),
        limit=column(limit, LONGEST),
        priority=column(priority, 0),
        tenant=column(tenant, 0),
        follows=column(follows, -1),
        delay=column(delay, 0),
        expected=column(expected, 0),
        cancel=column(cancel, -1),
        **others,
    )
