"""What the rules of batching read of vLLM's scheduler, and what is being composed."""

from __future__ import annotations

import time
from typing import Any

from hocket.serving.live.vllm.clock import Clock
from hocket.serving.live.vllm.memory import Hit, Memory
from hocket.serving.live.vllm.view import Requests
from hocket.serving.roles.batching import Request
from hocket.serving.views import Snapshot


class Step:
    """One iteration while it is composed.

    - `decodes`, `prompts`: running requests that are in it
    - `tokens`: what each gets, newcomers too; `used`: their sum
    - `taken`: blocks that those will take that vLLM has not handed out yet
    - `gone`: who gave way; `victims`: their names, in order, those included who did when nothing
      was left and the step was composed anew
    - `reasons`: why they did, and why the head of the queue waits
    - `cached`: tokens that the prefix cache spares newcomers
    - `ousted`: whether somebody gave way to one that waited; `over`: or to itself, whereupon nobody
      behind it gets anything; `stale`: whether output of a victim is still under way
    """

    def __init__(self) -> None:
        self.decodes: list[Any] = []
        self.prompts: list[Any] = []
        self.tokens: dict[Any, int] = {}
        self.used = 0
        self.taken = 0
        self._blocks: dict[Any, int] = {}
        self.victims: list[str] = []
        self.reasons: dict[str, str] = {}
        self.cached: dict[Any, int] = {}
        self.gone: set[Any] = set()
        self.ousted = self.over = self.stale = False

    def put(self, request: Any, tokens: int, blocks: int = 0) -> None:
        """Let a request have tokens, for which it will take so many blocks."""
        self.tokens[request] = tokens
        self.used += tokens
        self.taken += blocks
        self._blocks[request] = blocks

    def withdraw(self, request: Any) -> None:
        """Take a request out again."""
        tokens = self.tokens.pop(request, None)
        if tokens is not None:
            self.used -= tokens
            self.taken -= self._blocks[request]
            for some in (self.decodes, self.prompts):
                if request in some:
                    some.remove(request)


class State:
    """Requests, memory and time of one engine, in the words of the roles."""

    def __init__(self, scheduler: Any) -> None:
        self._scheduler = scheduler
        self.clock = Clock()
        self.memory = Memory(scheduler)
        self.requests = Requests(lambda: self.clock)
        self.now = 0
        self.iterations = 0
        self.older: list[Any] = []  # who runs since before this iteration, in order of admission
        self.shown = 0  # how many of them vLLM is shown while it composes

    def begin(self) -> None:
        """A new iteration is composed now."""
        self.now = self.clock.now()
        self.older = list(self._scheduler.running)
        self.shown = len(self.older)

    @property
    def running(self) -> list[Any]:
        """Who runs, in order of admission, those included that vLLM is not shown."""
        newer: list[Any] = self._scheduler.running[self.shown :]
        return self.older + newer

    @property
    def crowd(self) -> int:
        """How many run; sessions between two inputs count, whose place is kept."""
        running: int = len(self.older) + len(self._scheduler.running) - self.shown
        return running + int(self._scheduler.num_waiting_for_streaming_input)

    @property
    def crowd_waiting(self) -> int:
        """How many wait, those included that bring their memory along."""
        _, waiting = self._scheduler.get_request_counts()
        return int(waiting)

    def pending(self, request: Any) -> int:
        """Tokens that a running request still needs computed, all of its prompt or the next one.

        0 if its last token is under way, or if a pipeline is not ready for it.
        """
        placeholders, computed = request.num_output_placeholders, request.num_computed_tokens
        if placeholders:
            end = request.num_prompt_tokens + request.max_tokens
            if computed - (placeholders - 1) + 1 >= end:
                return 0
        scheduler = self._scheduler
        if scheduler.current_step + 1 < request.next_decode_eligible_step:
            return 0
        room = scheduler.max_model_len - computed - scheduler.num_sampled_tokens_per_step
        needed = request.num_tokens_with_spec + placeholders - computed
        return max(0, int(min(needed, room)))

    def view(
        self,
        step: Step | None = None,
        newcomers: tuple[Request, ...] = (),
        without: frozenset[Any] = frozenset(),
    ) -> Snapshot:
        """The replica now, or as it will be: with what `step` will have taken, and `newcomers`."""
        memory, seen = self.memory, self.requests.seen
        running, queue = self.running, self._scheduler.waiting
        return Snapshot(
            self.now,
            self.iterations,
            memory.block_size,
            memory.total,
            memory.free - (step.taken if step else 0),
            lambda: tuple([seen(request) for request in running]) + newcomers,
            lambda: tuple([self.waiting(one) for one in queue if one not in without]),
        )

    def waiting(self, request: Any, hit: Hit | None = None) -> Request:
        """What a policy may know of a waiting request; `hit` if it is known."""
        return self.requests.seen(request, (hit or self.memory.hit(request)).tokens)

    def preempt(self, request: Any) -> None:
        """Have vLLM take a running request's memory and put it back into the queue."""
        scheduler = self._scheduler
        scheduler.running.remove(request)
        self.older.remove(request)
        self.shown = len(self.older)
        drop = scheduler.requires_kv_delivery
        scheduler._preempt_request(request, time.monotonic(), drop_stale_output=drop)
        # It may come in again in this very iteration; the workers then need all of its tokens.
        scheduler.prev_step_scheduled_req_ids.discard(request.request_id)
