"""The batching role: which requests run on one replica, iteration by iteration.

An engine that batches continuously composes every iteration from four answers: how much may run
(`Limits`), who is next in the queue (`rank`), whether the head of the queue may come in now
(`admits`), and who gives way when memory runs short (`victim`). The role is these four, and not a
composed batch, because a real engine composes with them too: a policy that runs in the simulator
runs in vLLM's scheduler. Nothing here knows who asks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, Protocol

import msgspec

Style = Literal["mixed", "prefill-first", "alternate", "static"]
Allocation = Literal["chunk", "prompt", "longest"]
Preemption = Literal["recompute", "swap"]


class Request(NamedTuple):
    """What a scheduler knows of a request when it decides; never how long its answer will be.

    - `arrival`: tick at which it reached the front end
    - `prompt`: tokens of the prompt; `generated`: tokens of the answer so far
    - `computed`: tokens whose keys and values lie in memory now
    - `cached`: tokens of a waiting prompt that the prefix cache would spare
    - `limit`: most tokens that its answer may have
    - `priority`: the smaller the more urgent, 0 is normal (as in vLLM)
    - `preemptions`: how often it has had to give way
    - `expected`: tokens that its answer is expected to have, by whoever sent it; 0 if nobody said
    """

    id: str
    arrival: int
    prompt: int
    computed: int = 0
    generated: int = 0
    cached: int = 0
    limit: int = 0
    priority: int = 0
    tenant: str = ""
    preemptions: int = 0
    expected: int = 0


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How the engine composes iterations for this policy. Read once, when the run begins.

    - `tokens`: the budget of one iteration, prefill and decode tokens together; None is no bound
    - `seqs`: most requests that may be admitted at a time
    - `style`: ``mixed`` puts decodes first and fills the budget with prefill tokens; in
      ``prefill-first`` prompts run alone, before any decode; ``alternate`` is the same, but lets a
      decode follow every iteration with prompts; ``static`` admits a batch when the one before is
      done
    - `chunked`: whether a prompt may be cut to fit the budget
    - `allocate`: memory taken for a prompt at a time: what the chunk needs, the whole prompt, or
      also the longest answer that the request may have
    - `whole`: whether a request comes in only if its whole prompt would fit, although memory is
      taken chunk by chunk
    - `watermark`: share of the blocks that an admission must leave free
    - `preemption`: what becomes of the memory of a request that gives way
    - `every`: the queue is looked at only when so many iterations with decodes have passed since it
      last was, unless nothing is running
    - `batch`: most requests that one admission round may take; None is no bound
    - `urgent`: whether `victim` is also asked when the head of the queue lacks memory
    - `stubborn`: a refusal by `admits` stands until a request leaves the replica or another
      becomes head of the queue; otherwise it is asked again before every iteration
    """

    tokens: int | None = 2048
    seqs: int = 256
    style: Style = "mixed"
    chunked: bool = True
    allocate: Allocation = "chunk"
    whole: bool = False
    watermark: float = 0.0
    preemption: Preemption = "recompute"
    every: int = 1
    batch: int | None = None
    urgent: bool = False
    stubborn: bool = True


class ReplicaView(Protocol):
    """One replica before an iteration. Everything is read-only.

    Memory is in blocks of `block_size` tokens; `free` counts also what the prefix cache would give
    up. `running` is in order of admission, `waiting` in order of the queue.
    """

    @property
    def now(self) -> int:
        """The time in ticks."""

    @property
    def iteration(self) -> int:
        """How many iterations the replica has begun."""

    @property
    def block_size(self) -> int:
        """Tokens per block."""

    @property
    def blocks(self) -> int:
        """Blocks of key-value memory, used or not."""

    @property
    def free(self) -> int:
        """Blocks that could be taken now."""

    @property
    def running(self) -> Sequence[Request]:
        """The requests admitted and not finished, in order of admission."""

    @property
    def waiting(self) -> Sequence[Request]:
        """The requests that wait, in order of the queue."""


class Batcher(Protocol):
    """The role. One batcher serves one replica for one run."""

    @property
    def limits(self) -> Limits:
        """How iterations are composed."""

    def rank(self, request: Request) -> Any:
        """The place in the queue, asked when the request enters it: the smallest goes first.

        All ranks must be comparable. Equal ranks keep the order of entering.
        """

    def admits(self, view: ReplicaView, request: Request) -> str:
        """Whether the head of the queue may come in now: empty for yes, else why not.

        Asked after `Limits` and memory for the next allocation have been found sufficient.
        """

    def victim(self, view: ReplicaView, needy: Request) -> str:
        """The id of the running request that gives way to `needy`, which lacks memory.

        It may be `needy` itself when that is running. For a waiting `needy` (only with
        ``limits.urgent``) an empty text leaves it waiting.
        """

    def finished(self, request: Request) -> None:
        """Hears of every request that completes on the replica, `generated` being its length."""


class Around:
    """Answers as `inner` does: a base for batchers that change one answer of another policy's."""

    def __init__(self, inner: Batcher) -> None:
        self.inner = inner
        self.limits = inner.limits

    def rank(self, request: Request) -> Any:
        """See Batcher.rank."""
        return self.inner.rank(request)

    def admits(self, view: ReplicaView, request: Request) -> str:
        """See Batcher.admits."""
        return self.inner.admits(view, request)

    def victim(self, view: ReplicaView, needy: Request) -> str:
        """See Batcher.victim."""
        return self.inner.victim(view, needy)

    def finished(self, request: Request) -> None:
        """See Batcher.finished."""
        self.inner.finished(request)


class FirstComeFirstServed:
    """What most engines do: queue by arrival, preempted ones first; the last admitted gives way.

    Who gives way goes to the very front, so of several the one that gave way last, which is the
    one that was admitted first. A base for batchers that differ in one answer.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._front = 0

    def rank(self, request: Request) -> Any:
        """See Batcher.rank."""
        if not request.preemptions:
            return (True, request.arrival)
        self._front -= 1
        return (False, self._front)

    def admits(self, view: ReplicaView, request: Request) -> str:
        """See Batcher.admits."""
        return ""

    def victim(self, view: ReplicaView, needy: Request) -> str:
        """See Batcher.victim."""
        return view.running[-1].id

    def finished(self, request: Request) -> None:
        """See Batcher.finished."""
