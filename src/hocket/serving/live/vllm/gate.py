"""Step 3 of the rules: whether the head of the queue comes in, asked while vLLM admits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hocket.serving.live.vllm.deciding import Deciding
from hocket.serving.live.vllm.memory import Hit
from hocket.serving.live.vllm.queue import Queue
from hocket.serving.live.vllm.state import State, Step
from hocket.serving.roles.batching import Request
from hocket.serving.views import Snapshot


class Gate:
    """The truth value of the queue. It asks the policy once about each head in each iteration.

    vLLM looks before every admission, when the memory of everybody in the iteration is handed out.
    Some answers are needed before vLLM begins: about the first, where it decides what the iteration
    is (`ahead`), and about all where one that runs may have to give way for one that waits
    (`ahead_of_all`). They are remembered.
    """

    def __init__(self, scheduler: Any, state: State, queue: Queue, batcher: Deciding) -> None:
        self._scheduler, self._state, self._queue = scheduler, state, queue
        self._batcher, self.limits = batcher, batcher.limits
        self._memory = state.memory
        self.most = scheduler.max_num_scheduled_tokens  # the engine's own bounds
        self.tokens = min(self.limits.tokens or self.most, self.most)
        self.seqs = min(self.limits.seqs, scheduler.max_num_active_reqs)
        self._kept = int(self.limits.watermark * self._memory.total)
        self._refused: Any = None
        self.begin(Step())

    def begin(self, step: Step) -> None:
        """A new iteration, into which nobody comes until `opened`."""
        self._step = step
        self._open = False
        self._coming: dict[Any, tuple[int, Hit]] = {}  # found good, with their chunks
        self._answers: dict[Any, str] = {}  # of the policy
        self._decided = False  # whether nobody but those may come in
        self._spare = 0  # tokens by which the chunk of one for whom others gave way may grow
        self._admitted = 0
        self._newcomers: list[Any] = []  # those of them that count as running, for later heads

    def opened(self) -> None:
        """From now on the head may come in."""
        self._open = True

    def ask_again(self) -> None:
        """Memory was freed: what the policy refused may come in now."""
        self._refused = None

    @property
    def sure(self) -> bool:
        """Whether somebody is known to come in."""
        return bool(self._coming)

    @property
    def budget(self) -> int:
        """Tokens of the iteration as vLLM is to count them: a lone prompt may exceed the policy's.

        Decodes are never left out for the budget.
        """
        if self._step.gone:  # what those had who gave way is not given to others
            return int(self._step.used + self._spare)
        coming = max((chunk for chunk, _ in self._coming.values()), default=0)
        return int(min(self.most, max(self.tokens, self._step.used, coming)))

    def __call__(self) -> bool:
        """Whether the head may come in now."""
        if not self._open or not len(self._queue):
            return False
        head = self._queue.peek_request()
        if head in self._coming:
            return True
        if self._decided and not self._coming:
            return False
        return self._passes_over(head) or (not self._decided and self._comes_in(head))

    def ahead(self) -> None:
        """Ask about the head before vLLM begins, nobody being in the iteration so far."""
        if len(self._queue):
            head = self._queue.peek_request()
            if not self._passes_over(head):
                self._open = self._comes_in(head)

    def ahead_of_all(self, oust: Callable[[Any], bool]) -> None:
        """Ask about all heads before vLLM begins; `oust` has somebody give way to one, if it can.

        The prefix cache is as it is now: what this iteration computes spares newcomers nothing yet,
        and what it takes has not pushed anything out. So one that shares a prefix with another of
        the same iteration may have somebody give way who would not have had to. If nobody gives
        way, only the policy's answers are kept.
        """
        self._decided = True
        for head in list(self._queue):
            if self._passes_over(head):
                continue
            left = self._left()
            if not self._comes_in(head, oust):
                break
            chunk, hit = self._coming[head]
            self._step.put(head, chunk, self.needed(head, hit, chunk))
            self._newcomers.append(head)
            if self._step.gone:
                self._spare = max(0, left - chunk)
                break
        if not self._step.gone:
            for head in self._newcomers:
                self._step.withdraw(head)
            self._decided, self._coming, self._newcomers = False, {}, []
            if not self._step.tokens:
                self.ahead()

    def popped(self, request: Any) -> None:
        """vLLM has taken the head: it runs now, or vLLM looks at it again in the next iteration."""
        chunk, hit = self._coming.pop(request, (0, None))
        if hit is None or not self._memory.holds(request):
            return
        if not self._decided:
            self._step.put(request, chunk)
        self._step.cached[request] = hit.tokens
        self._step.reasons.pop(self._state.requests.name(request), None)
        self._admitted += 1
        if self.limits.allocate != "chunk":
            self._memory.take(request, self._promised(request))

    # The rules.

    def _comes_in(self, head: Any, oust: Callable[[Any], bool] | None = None) -> bool:
        """Whether everything allows it."""
        if self._admitted + len(self._newcomers) == self.limits.batch:
            return False
        if self._state.crowd + len(self._newcomers) >= self.seqs:
            return self._no(head, "batch full")
        if self._refused is head and self.limits.stubborn:
            return False
        hit = self._memory.hit(head)
        chunk = self.chunk(head, hit)
        if chunk <= 0:
            return False
        self._refused = None
        if oust is None and not self._fits(head, hit, chunk):
            return self._no(head, "no memory")
        why = self._answers.get(head)
        if why is None:
            why = self._batcher.admits(self.view(), self._state.waiting(head, hit))
            self._answers[head] = why
        if why:
            self._refused = head
            return self._no(head, why)
        while oust is not None and not self._fits(head, hit, chunk):
            if not oust(head):
                return self._no(head, "no memory")
            hit = self._memory.hit(head)
        self._coming[head] = chunk, hit
        return True

    def view(self, *, older: bool = False) -> Snapshot:
        """What a policy is shown: who comes in runs already, unless only `older` ones are to be."""
        state = self._state
        if not self._decided:
            return state.view()
        seen = () if older else tuple(map(self._newcomer, self._newcomers))
        return state.view(self._step, seen, frozenset(self._newcomers))

    def _newcomer(self, request: Any) -> Request:
        spared = self._coming[request][1].tokens
        return self._state.requests.seen(request)._replace(computed=spared)

    def chunk(self, head: Any, hit: Hit) -> int:
        """Tokens of its prompt that a request gets if it comes in now; 0 if the budget forbids."""
        rest: int = head.num_tokens - head.num_computed_tokens - hit.tokens
        left = self._left()
        if left <= 0:
            return 0
        if self.limits.chunked:
            return min(rest, left)
        alone = not self._step.tokens and rest > self.tokens
        return rest if rest <= left or alone else 0

    def _left(self) -> int:
        """Tokens that the budget still allows."""
        step, state = self._step, self._state
        newcomers = self._scheduler.running[state.shown :]
        if len(newcomers) > self._admitted:  # also those that brought their memory along
            for request in newcomers:
                if request not in step.tokens:
                    rest = request.num_tokens - request.num_computed_tokens
                    step.put(request, max(0, min(rest, self.tokens - step.used)))
        return int(self.tokens) - step.used

    def needed(self, head: Any, hit: Hit, chunk: int) -> int:
        """Blocks that fewer would be free; with `whole` as many as its whole prompt will take."""
        asked = self._memory.asked
        if self.limits.allocate != "chunk":
            return asked(head, hit, self._promised(head), ahead=True)
        computed = head.num_computed_tokens + hit.tokens
        blocks = asked(head, hit, computed + chunk, ahead=True)
        if self.limits.whole:
            blocks = max(blocks, asked(head, hit, head.num_tokens, ahead=False, cap=True))
        return blocks

    def _promised(self, request: Any) -> int:
        """Tokens for which memory is taken at admission, where that is more than the chunk."""
        if self.limits.allocate == "prompt":
            return int(request.num_tokens)
        longest = request.num_prompt_tokens + self._state.requests.limit(request)
        room = self._memory.total * self._memory.block_size
        return int(min(longest, self._scheduler.max_model_len, room))

    def _fits(self, head: Any, hit: Hit, chunk: int) -> bool:
        """Whether an admission leaves the watermark free, which counts only beside others."""
        kept = self._kept if self._state.crowd + len(self._newcomers) else 0
        taken = self._step.taken if self._decided else 0
        return self._memory.free - taken - self.needed(head, hit, chunk) >= kept

    def _no(self, head: Any, why: str) -> bool:
        self._step.reasons[self._state.requests.name(head)] = why
        return False

    # What vLLM would pass over.

    def _passes_over(self, head: Any) -> bool:
        """Whether vLLM will set the head aside, so that the next is asked about instead."""
        scheduler = self._scheduler
        blocked = scheduler._is_blocked_waiting_status(head.status)
        if blocked and not scheduler._handle_blocked_waiting_request(head):
            return True
        if head.num_stale_output_tokens and not head.drop_stale_output:
            return True
        lora = scheduler.lora_config
        if not lora or not head.lora_request:
            return False
        here = {r.lora_request.lora_int_id for r in self._step.tokens if r.lora_request}
        return len(here) >= lora.max_loras and head.lora_request.lora_int_id not in here
