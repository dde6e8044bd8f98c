"""vLLM in this process, composing one iteration at a time: with its model, or only its scheduler.

`Bare` has vLLM's real scheduler and key-value cache manager, but no model: its answers are what
`prompts.Ask` says. It plays thousands of small runs. `Modelled` is the whole engine, with a model
on the CPU or GPU; a logits processor sees to the answers. In both, every run gets a scheduler of
its own, so that nothing of an earlier one is left.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from vllm import SamplingParams
from vllm.v1.core.sched.output import SchedulerOutput
from vllm.v1.engine.llm_engine import LLMEngine
from vllm.v1.outputs import ModelRunnerOutput
from vllm.v1.request import Request, RequestStatus

from hocket.core.errors import UserError
from hocket.serving.live.vllm.drive import Composed
from hocket.serving.live.vllm.fresh import (
    Settings,
    bare_blocks,
    configuration,
    hasher,
    make_scheduler,
)
from hocket.serving.live.vllm.prompts import STOP, Ask


class _Watched:
    """What both engines share: a scheduler, what it composes, and who decodes."""

    def __init__(self, scheduler: Any, settings: Settings) -> None:
        self.scheduler, self.settings = scheduler, settings
        self.now = 0
        self.asked: dict[str, Ask] = {}
        self._decoding: set[str] = set()
        self._victims: list[str] = []
        self._preempt = scheduler._preempt_request
        scheduler._preempt_request = self._preempted
        if settings.hocket is not None:
            scheduler.clock = _Virtual(self)

    @property
    def busy(self) -> bool:
        """Whether any request is unfinished."""
        return bool(self.scheduler.get_num_unfinished_requests())

    def _preempted(self, request: Request, *others: Any, **named: Any) -> None:
        self._victims.append(self.name(request))
        self._decoding.discard(request.request_id)
        self._preempt(request, *others, **named)

    def name(self, request: Request) -> str:
        """What the workload calls a request."""
        return str(request.request_id)

    def _composed(self, output: SchedulerOutput) -> Composed:
        """How things stand after scheduling, when `num_computed_tokens` has been advanced."""
        scheduler = self.scheduler
        prefill, decodes, context = [], 0, 0
        tokens, seen = {}, []
        for request_id, count in output.num_scheduled_tokens.items():
            request = scheduler.requests[request_id]
            tokens[self.name(request)] = count
            before = request.num_computed_tokens - count
            if request_id in self._decoding:
                decodes, context = decodes + 1, context + before
            else:
                prefill.append((count, before))
            if request.num_computed_tokens >= request.num_tokens:
                self._decoding.add(request_id)
        for request in scheduler.running:
            before = request.num_computed_tokens - output.num_scheduled_tokens.get(
                request.request_id, 0
            )
            seen.append((self.name(request), before, request.num_output_tokens))
        victims, self._victims = tuple(self._victims), []
        return Composed(
            tokens=tokens,
            preempted=victims,
            free=scheduler.kv_cache_manager.block_pool.get_num_free_blocks(),
            running=tuple(map(self.name, scheduler.running)),
            waiting=tuple(map(self.name, scheduler.waiting)),
            seen=seen,
            prefill=prefill,
            decodes=decodes,
            context=context,
        )

    def parameters(self, ask: Ask) -> SamplingParams:
        """How the engine is asked for an answer of `ask.output` tokens."""
        extra: dict[str, Any] = {"tenant": ask.tenant, "answer": [ask.token, ask.output]}
        if ask.expected:
            extra["expected_tokens"] = ask.expected
        room = self.settings.max_context - len(ask.prompt)
        return SamplingParams(
            temperature=0.0,
            max_tokens=room if ask.limit is None else ask.limit,
            stop_token_ids=[STOP],
            ignore_eos=True,
            detokenize=False,
            extra_args=extra,
        )

    def arrival(self, ask: Ask) -> float:
        """Its arrival in seconds of the virtual clock."""
        return ask.arrival / self.settings.second

    def takes(self, ask: Ask) -> bool:
        """Whether its prompt leaves room for an answer; the engine would refuse it otherwise."""
        return len(ask.prompt) < self.settings.max_context


class _Virtual:
    """The clock of hocket's scheduler, in microseconds, as the driver goes on."""

    def __init__(self, engine: _Watched) -> None:
        self._engine = engine

    def now(self) -> int:
        """The tick at which an iteration is composed."""
        return self._engine.now

    def at(self, seconds: float) -> int:
        """The tick of an arrival."""
        return round(seconds * self._engine.settings.second)


class Bare(_Watched):
    """vLLM's scheduler and key-value cache manager, without a model."""

    def __init__(self, settings: Settings) -> None:
        scheduler = make_scheduler(configuration(), bare_blocks(settings), settings)
        super().__init__(scheduler, settings)
        self._output: Any = None
        self._hasher = hasher(settings.block_size) if settings.prefix_cache else None

    def add(self, ask: Ask) -> None:
        """See drive.Engine."""
        if not self.takes(ask):
            return
        self.asked[ask.id] = ask
        self.scheduler.add_request(
            Request(
                request_id=ask.id,
                prompt_token_ids=list(ask.prompt),
                sampling_params=self.parameters(ask),
                pooling_params=None,
                arrival_time=self.arrival(ask),
                priority=ask.priority,
                block_hasher=self._hasher,
            )
        )

    def compose(self, now: int) -> Composed:
        """See drive.Engine."""
        self.now = now
        self._output = self.scheduler.schedule()
        return self._composed(self._output)

    def complete(self) -> None:
        """See drive.Engine."""
        names = list(self._output.num_scheduled_tokens)
        sampled = [self._sampled(self.scheduler.requests.get(name)) for name in names]
        result = ModelRunnerOutput(
            req_ids=names,
            req_id_to_index={name: i for i, name in enumerate(names)},
            sampled_token_ids=sampled,
        )
        self.scheduler.update_from_output(self._output, result)

    def _sampled(self, request: Request | None) -> list[int]:
        if request is None or request.num_computed_tokens < request.num_tokens:
            return []
        return [self.asked[request.request_id].answer(request.num_output_tokens)]

    def abort(self, name: str) -> None:
        """See drive.Engine."""
        self.scheduler.finish_requests(name, RequestStatus.FINISHED_ABORTED)


class Modelled(_Watched):
    """The whole engine in this process, such as `started` gives; its scheduler is replaced."""

    def __init__(self, engine: LLMEngine, settings: Settings) -> None:
        core = engine.engine_core.engine_core
        own = core.scheduler.kv_cache_config
        cache = core.vllm_config.cache_config
        config = core.vllm_config.model_config
        self._vocabulary, most = config.get_vocab_size(), config.max_model_len
        same = settings.block_size == cache.block_size and settings.blocks < cache.num_gpu_blocks
        if not same or settings.max_context > most:
            raise UserError(
                f"the engine has {cache.num_gpu_blocks - 1} blocks of {cache.block_size} tokens, "
                f"{most} of them at most for a request; a run with {settings.blocks} blocks of "
                f"{settings.block_size}, {settings.max_context} at most, cannot use it"
            )
        blocks = dataclasses.replace(own, num_blocks=settings.blocks + 1)
        scheduler = make_scheduler(core.vllm_config, blocks, settings)
        super().__init__(scheduler, settings)
        core.scheduler = scheduler
        self._engine = engine
        self._schedule = scheduler.schedule
        self._output: Any = None
        scheduler.schedule = lambda *_: self._output  # composed by `compose`, run by `complete`

    def name(self, request: Request) -> str:
        """The engine appends something random to the ids that it is given."""
        return str(request.request_id).rpartition("-")[0]

    def add(self, ask: Ask) -> None:
        """See drive.Engine."""
        if not self.takes(ask):
            return
        if max(*ask.prompt, ask.token) >= self._vocabulary:
            raise UserError(
                f"the model knows {self._vocabulary} tokens, too few to tell the requests of this "
                "run and their beginnings apart; compare fewer"
            )
        self._engine.add_request(
            ask.id,
            {"prompt_token_ids": list(ask.prompt)},
            self.parameters(ask),
            arrival_time=self.arrival(ask),
            priority=ask.priority,
        )

    def compose(self, now: int) -> Composed:
        """See drive.Engine."""
        self.now = now
        self._output = self._schedule()
        return self._composed(self._output)

    def complete(self) -> None:
        """See drive.Engine."""
        self._engine.step()
        if not self.busy:
            self._forget()

    def abort(self, name: str) -> None:
        """See drive.Engine."""
        self._engine.abort_request([name])
        if not self.busy:
            self._forget()

    def _forget(self) -> None:
        """Let the model hear who has left, which it otherwise does with the next iteration."""
        self._output = self._schedule()
        self._engine.step()
