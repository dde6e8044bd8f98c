"""Admission by the memory that a batch will need, not by what it uses now.

The gate is the part that schedulers with such a look ahead have in common; they differ in how they
come by the lengths of answers. It counts what a request holds once the prompts of this moment are
computed: a decoding request its tokens but the latest, whose keys and values the next decode
writes, any other its whole prompt, which then yields a token.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hocket.serving.peak import Futures
from hocket.serving.roles.batching import (
    FirstComeFirstServed,
    Limits,
    ReplicaView,
    Request,
)

Ints = npt.NDArray[np.int64]

_PROMPT, _COMPUTED, _GENERATED, _LIMIT = (
    Request._fields.index(field) for field in ("prompt", "computed", "generated", "limit")
)


class Batch(NamedTuple):
    """The running requests of a replica in columns of shape (n,), in tokens.

    - `held`: what each holds once the prompts of this moment are computed
    - `spent`: what of its answer it has by then
    - `generated`: what of its answer it has now; `limit`: the most it may have
    - `ids`: their names
    """

    held: Ints
    spent: Ints
    generated: Ints
    limit: Ints
    ids: tuple[str, ...]


def batch_of(view: ReplicaView) -> Batch:
    """The running requests of a view that has some."""
    columns = tuple(zip(*view.running, strict=True))
    prompt, computed, generated, limit = (
        np.array(columns[i], np.int64) for i in (_PROMPT, _COMPUTED, _GENERATED, _LIMIT)
    )
    total = prompt + generated
    prefilling = (computed < total - 1) | (generated == 0)
    return Batch(total - ~prefilling, generated + prefilling, generated, limit, columns[0])


def capacity(view: ReplicaView) -> int:
    """Tokens that the replica's memory holds."""
    return view.blocks * view.block_size


def allowed(limit: int, most: int, room: int) -> int:
    """Tokens that an answer may have: its limit, or `most` where memory has no room for that."""
    return limit if limit < room else min(most, room)


def prefill_first(tokens: int, seqs: int, every: int, batch: int | None, stubborn: bool) -> Limits:
    """How LightLLM composes: every `every` decode steps a pass of whole prompts, by themselves."""
    return Limits(
        tokens=tokens,
        seqs=seqs,
        style="prefill-first",
        chunked=False,
        allocate="prompt",
        every=every,
        batch=batch,
        stubborn=stubborn,
    )


class PeakGate(FirstComeFirstServed):
    """Admits while the peak of every guessed future stays below memory less a reserve.

    A round of admission begins with one guess of the batch's future, or several; each request that
    comes in is added to all of them. A replica on which nothing runs takes whatever fits, since
    waiting would free nothing.

    With blocks of more than one token, `spare` tokens are added to what a request holds, and memory
    that no running request accounts for, such as what a migration has reserved, is not counted on.
    """

    def __init__(self, limits: Limits, reserve: float) -> None:
        super().__init__(limits)
        self._share = 1 - reserve
        self._futures = Futures([], np.empty((1, 0)))
        self._round = -1
        self._bound = 0.0

    def futures(self, batch: Batch, room: int) -> Ints:
        """Guesses of how long each answer of the batch will be, shape (K, n)."""
        raise NotImplementedError(f"{type(self).__name__} has no futures(batch, room)")

    def newcomer(self, request: Request, count: int, room: int) -> Ints:
        """How long the answer of a waiting request will be in each of `count` futures."""
        raise NotImplementedError(f"{type(self).__name__} has no newcomer(request, count, room)")

    def spare(self, block_size: int) -> int:
        """Tokens of a request's last block to count as held though they are not."""
        return block_size // 2

    def admits(self, view: ReplicaView, request: Request) -> str:
        """See Batcher.admits."""
        if view.iteration != self._round or self._futures.size != len(view.running):
            self._begin(view)
        spent = request.generated + 1
        held = request.prompt + request.generated + self.spare(view.block_size)
        length = self.newcomer(request, len(self._futures), capacity(view))
        left = np.maximum(length - spent, 0)
        peak = int(self._futures.peaks_with(held, left).max())
        if view.running and peak >= self._bound:
            return f"peak of {peak} tokens, must stay below {self._bound:.0f}"
        self._futures.add(held, left)
        return ""

    def _begin(self, view: ReplicaView) -> None:
        """Start a round with the batch as it is now."""
        size, room = view.block_size, capacity(view)
        self._round = view.iteration
        used = (view.blocks - view.free) * size
        if view.running:
            batch = batch_of(view)
            left = np.maximum(self.futures(batch, room) - batch.spent, 0)
            self._futures = Futures(batch.held + self.spare(size), left)
            used -= int((-(-batch.held // size)).sum()) * size
        else:
            self._futures = Futures([], np.empty((1, 0)))
        self._bound = self._share * room - max(0, used)
