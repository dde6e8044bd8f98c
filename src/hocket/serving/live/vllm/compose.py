"""Steps 1 and 2 of the rules: who decodes, whose prompt goes on, and who gives way for it.

All of it is decided on the real state before vLLM composes the iteration, which then finds memory
enough for everybody that it is shown.
"""

from __future__ import annotations

from typing import Any, NoReturn

from hocket.serving.live.vllm.deciding import Deciding
from hocket.serving.live.vllm.gate import Gate
from hocket.serving.live.vllm.state import State, Step


class Composer:
    """Composes as `hocket.serving.simulate` says.

    `since` counts iterations with decodes since the queue was last looked at, for
    ``limits.every``; `prompted` is whether the latest had prompt tokens.
    """

    def __init__(self, scheduler: Any, state: State, gate: Gate, batcher: Deciding) -> None:
        self._scheduler, self._state, self._gate = scheduler, state, gate
        self._batcher, self._limits = batcher, batcher.limits
        self._memory = state.memory
        drafted = scheduler.num_spec_tokens + scheduler.num_lookahead_tokens
        self._ahead = -(-drafted // self._memory.block_size)
        self._since = 0
        self._prompted = False
        self._roomy = False
        self._closed = False
        self._barred = False  # whether vLLM did not let in whom the gate did, in the last iteration

    def compose(self, *, closed: bool, throttled: bool) -> Step:
        """The running requests of the next iteration; who comes in, the gate says meanwhile.

        A `closed` one takes nobody in (vLLM was paused), a `throttled` one nobody beside decodes
        (vLLM balances prompts over several engines).
        """
        self._closed = closed or (throttled and self._decoding())
        step = Step()
        while True:
            self._gate.begin(step)
            self._compose(step)
            if step.tokens or self._gate.sure or step.ousted or not step.gone:
                return step
            if step.stale:  # nobody is to overtake a victim that must wait for its output
                return step
            anew = Step()
            anew.victims, anew.reasons = step.victims, step.reasons
            step = anew

    def composed(self, step: Step, tokens: int) -> None:
        """What became of that iteration, of which vLLM has made so many tokens.

        It may lack something for a newcomer that the rules do not know of, such as an image's
        encoder. If an iteration was kept free for that, the next one is not.
        """
        self._barred = not tokens and self._gate.sure
        if tokens:
            self._since += bool(step.decodes)
            self._prompted = len(step.tokens) > len(step.decodes)

    def _compose(self, step: Step) -> None:
        style = self._limits.style
        self._roomy = self._has_room()
        if style == "mixed" or (style == "alternate" and self._prompted):
            self._decode(step)
        if style == "mixed" or not step.decodes:
            self._continue_prompts(step)
            if style != "static" or not self._state.running:
                self._look(step)
        if not step.tokens and not self._gate.sure and not step.over:
            self._decode(step)

    def _has_room(self) -> bool:
        """Whether memory is enough for anything that those who run may need in this iteration.

        A decode needs at most a block, a chunk one more than it fills, in each group of layers.
        """
        memory, scheduler = self._memory, self._scheduler
        if self._limits.urgent or scheduler.has_mamba_layers:
            return False
        most = len(scheduler.running) * (1 + self._ahead)
        if prompts := len(scheduler._inflight_prefills):
            most += prompts + self._gate.tokens // memory.block_size
        return bool(memory.free >= most * memory.groups)

    def _decode(self, step: Step) -> None:
        """Step 1: the next token for each request whose prompt is complete."""
        pending = self._state.pending
        for request in list(self._scheduler.running):
            if request.is_prefill_chunk or request in step.gone:
                continue
            if tokens := pending(request):
                if self._roomy:
                    step.put(request, tokens)
                elif not self._obtain(step, request, tokens):
                    return
                step.decodes.append(request)

    def _continue_prompts(self, step: Step) -> None:
        """Step 2: chunks of the prompts under way."""
        if step.over or not self._scheduler._inflight_prefills:
            return
        for request in [r for r in self._scheduler.running if r.is_prefill_chunk]:
            tokens = min(self._state.pending(request), self._gate.tokens - step.used)
            if tokens <= 0 or request in step.gone:
                continue
            if self._roomy:
                step.put(request, tokens)
            elif not self._obtain(step, request, tokens):
                return
            step.prompts.append(request)

    def _look(self, step: Step) -> None:
        """Step 3 takes place, unless somebody gave way or it is not yet time to."""
        if step.gone or self._closed:
            return
        if self._limits.every > 1:
            if self._state.running and self._since < self._limits.every:
                return
            self._since = 0
        if self._barred:
            return
        self._gate.opened()
        if self._limits.urgent:
            self._gate.ahead_of_all(lambda head: self._oust(step, head))
        elif not step.tokens:
            self._gate.ahead()

    def _decoding(self) -> bool:
        """Whether the prompt of anybody who runs is complete."""
        return any(not request.is_prefill_chunk for request in self._scheduler.running)

    def _obtain(self, step: Step, request: Any, tokens: int) -> bool:
        """Put a request into the step with the memory it needs; False if it gave way itself."""
        memory = self._memory
        needed = memory.lack(request, tokens)
        while needed > memory.free - step.taken:
            victim = self._asked(step, request)
            self._preempt(step, victim, request)
            if victim is request:
                step.over = True
                return False
        step.put(request, tokens, needed)
        return True

    def _asked(self, step: Step, needy: Any) -> Any:
        """Who gives way to the running request `needy`, by the policy."""
        state = self._state
        name = self._batcher.victim(state.view(step), state.requests.seen(needy))
        if not name:
            why = "a running request that lacks memory must get it"
            self._illegal(needy, "nobody", why)
        return self._running(needy, name)

    def _oust(self, step: Step, head: Any) -> bool:
        """Have somebody who runs give way to the head of the queue; False if nobody does."""
        state = self._state
        if not state.running:
            return False
        name = self._batcher.victim(self._gate.view(older=True), state.waiting(head))
        if not name:
            return False
        self._preempt(step, self._running(head, name), head)
        step.ousted = True
        return True

    def _running(self, needy: Any, name: str) -> Any:
        """The running request of a name that the policy gave."""
        for request in self._state.running:
            if self._state.requests.name(request) == name:
                return request
        self._illegal(needy, f"{name!r:.60}", "it is not running")

    def _illegal(self, needy: Any, victim: str, why: str) -> NoReturn:
        decision = f"that {victim} gives way to {self._state.requests.name(needy)}"
        self._batcher.illegal(self._state.now, decision, why)

    def _preempt(self, step: Step, victim: Any, needy: Any) -> None:
        taken = self._memory.next(step.taken)
        step.withdraw(victim)
        step.gone.add(victim)
        name = self._state.requests.name
        step.victims.append(name(victim))
        step.reasons[name(victim)] = f"memory for {name(needy)}"
        self._state.preempt(victim)
        self._memory.first(taken)
        step.stale = step.stale or bool(victim.num_stale_output_tokens)
