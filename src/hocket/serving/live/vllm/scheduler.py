"""The scheduler class that vLLM loads."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import vllm
from vllm.v1.core.sched.async_scheduler import AsyncScheduler as VllmAsync
from vllm.v1.core.sched.interface import PauseState
from vllm.v1.core.sched.scheduler import Scheduler as VllmScheduler
from vllm.v1.request import RequestStatus

from hocket.serving.live.record import Began
from hocket.serving.live.vllm import checks, settings, versions
from hocket.serving.live.vllm.compose import Composer
from hocket.serving.live.vllm.deciding import LOG, Deciding
from hocket.serving.live.vllm.gate import Gate
from hocket.serving.live.vllm.queue import Queue
from hocket.serving.live.vllm.recorder import Recorder
from hocket.serving.live.vllm.state import State, Step
from hocket.serving.roles.facts import Engine

_COMPLETE = (
    RequestStatus.FINISHED_STOPPED,
    RequestStatus.FINISHED_LENGTH_CAPPED,
    RequestStatus.FINISHED_REPETITION,
)


class Scheduler(VllmScheduler):  # type: ignore[misc]  # vLLM is not installed where types are checked
    """vLLM's scheduler with a policy of hocket's; see the package for what it does and how.

    Where the engine overlaps iterations (``--async-scheduling``, vLLM's default where it can), an
    object of it is of the class `Overlapped`.
    """

    running: list[Any]
    max_num_active_reqs: int
    max_num_scheduled_tokens: int

    def __new__(cls, vllm_config: Any, *args: Any, **kwargs: Any) -> Scheduler:
        """The kind that suits the engine."""
        overlapped = vllm_config.scheduler_config.async_scheduling and cls is Scheduler
        made: Scheduler = object.__new__(Overlapped if overlapped else cls)
        return made

    def __init__(self, vllm_config: Any, *args: Any, **kwargs: Any) -> None:
        """See vLLM's class. Raises UserError for what cannot be done as asked."""
        told = settings.read(vllm_config.additional_config, os.environ)
        versions.require(vllm.__version__, unverified=told.unverified, log=LOG)
        super().__init__(vllm_config, *args, **kwargs)
        versions.require_seams(self, vllm.__version__)
        self.hocket = settings.prepare(told, engine_facts(self, told.name))
        policy, limits = self.hocket.policy, self.hocket.batcher.limits
        checks.require(self, policy, limits)
        checks.tell_bounds(self, policy, limits, LOG)
        LOG.info("%s composes the iterations", policy)
        self._deciding = Deciding(self.hocket.batcher, policy.name)
        self._state = State(self)
        self._queue = Queue(lambda one: self._deciding.rank(self._state.waiting(one)))
        self.waiting = self._queue
        self._gate = Gate(self, self._state, self._queue, self._deciding)
        self._queue.popped = self._gate.popped
        self._composer = Composer(self, self._state, self._gate, self._deciding)
        self._most_active = self.max_num_active_reqs
        self._left: list[Any] = []
        self._victims: list[str] = []  # since the last iteration that was written down
        self._recorder: Recorder | None = None
        if told.record:
            described = settings.described(self.hocket)
            self._recorder = recorder(self, self._state, told, self.hocket.engine, described)
        # The gate looks after memory and the watermark by the policy's rules.
        self.scheduler_reserve_full_isl = False
        self.kv_cache_manager.watermark_blocks = 0

    @property
    def clock(self) -> Any:
        """Where the time comes from; tests put their own in its place."""
        return self._state.clock

    @clock.setter
    def clock(self, clock: Any) -> None:
        self._state.clock = clock

    def add_request(self, request: Any) -> None:
        """See vLLM's class."""
        if request.request_id not in self.requests:
            self._state.requests.enter(request)
            if self._recorder:
                self._recorder.asked(request)
        super().add_request(request)

    def schedule(self, throttle_prefills: bool = False) -> Any:
        """See vLLM's class."""
        if self._pause_state == PauseState.PAUSED_ALL:
            return super().schedule(throttle_prefills)
        self._state.begin()
        self._queue.begin()
        throttled = throttle_prefills and not self.prefill_capacity_bound
        closed = self._pause_state == PauseState.PAUSED_NEW
        step = self._composer.compose(closed=closed, throttled=throttled)
        output = self._scheduled(step, throttle_prefills)
        self._composer.composed(step, output.total_num_scheduled_tokens)
        if output.total_num_scheduled_tokens:
            step.victims, self._victims = self._victims, []
            if self._recorder:
                self._recorder.composed(step, output, self.requests)
            self._state.iterations += 1
        return output

    def _preempt_request(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        """See vLLM's class, which also has requests give way of itself, as in a reset."""
        self._victims.append(self._state.requests.name(request))
        return super()._preempt_request(request, *args, **kwargs)

    def _scheduled(self, step: Step, throttle_prefills: bool) -> Any:
        """What vLLM makes of the step: it is shown only who is to be in it."""
        older = self._state.older
        shown = [*step.decodes, *step.prompts]
        self.running = list(shown)
        self._state.shown = len(shown)
        most = self.max_num_scheduled_tokens
        self.max_num_scheduled_tokens = self._gate.budget
        self.max_num_active_reqs = self._gate.seqs - len(older) + len(shown)
        self._queue.gate = self._gate
        try:
            return super().schedule(throttle_prefills)
        finally:
            self._queue.gate = None
            self.max_num_scheduled_tokens = most
            self.max_num_active_reqs = self._most_active
            newcomers = self.running[len(shown) :]
            if self.running[: len(shown)] != shown:
                newcomers = self._unforeseen(shown)
            self.running = [*self._state.older, *newcomers]
            self._state.older, self._state.shown = self.running, len(self.running)

    def _unforeseen(self, shown: list[Any]) -> list[Any]:
        """vLLM had somebody give way of whom the rules knew nothing: tell, and go on with it."""
        left = [one for one in shown if one.status != RequestStatus.RUNNING]
        names = ", ".join(self._state.requests.name(one) for one in left)
        LOG.warning("vLLM itself preempted %s: it needed more memory than was foreseen", names)
        self._state.older = [one for one in self._state.older if one not in left]
        return [one for one in self.running if one not in shown]

    def update_from_output(self, scheduler_output: Any, model_runner_output: Any) -> Any:
        """See vLLM's class."""
        if self._recorder:
            self._recorder.ended(scheduler_output)
        ran = list(self.running)
        outputs = super().update_from_output(scheduler_output, model_runner_output)
        left, self._left = self._left, []
        if len(left) > 1:
            order = {request: place for place, request in enumerate(ran)}
            left.sort(key=lambda one: order.get(one, len(order)))
        for request in left:
            self._gone(request)
        return outputs

    def finish_requests(self, request_ids: Any, finished_status: Any) -> Any:
        """See vLLM's class."""
        found = super().finish_requests(request_ids, finished_status)
        left, self._left = self._left, []
        for request in left:
            self._gone(request)
        return found

    def _free_request(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        """See vLLM's class."""
        self._left.append(request)
        return super()._free_request(request, *args, **kwargs)

    def _free_request_blocks(self, request: Any) -> None:
        """See vLLM's class."""
        super()._free_request_blocks(request)
        self._gate.ask_again()

    def _gone(self, request: Any) -> None:
        """A request has left; the policy hears of those that are complete."""
        if request.status in _COMPLETE:
            seen = self._state.requests.seen(request)
            length = request.num_output_tokens
            self._deciding.finished(seen._replace(computed=0, generated=length))
        if self._recorder:
            self._recorder.finished(request)
        self._state.requests.leave(request)

    def shutdown(self) -> None:
        """See vLLM's class."""
        super().shutdown()
        if self._recorder:
            self._recorder.close()


class Overlapped(Scheduler, VllmAsync):  # type: ignore[misc]
    """The same where the next iteration is composed while one is under way."""


def engine_facts(scheduler: Any, name: str) -> Engine:
    """What a policy may know of the engine of a scheduler; `name` if it was given one."""
    parallel = scheduler.parallel_config
    return Engine(
        name=_named(name, parallel),
        block_size=scheduler.block_size,
        blocks=scheduler.kv_cache_manager.block_pool.num_gpu_blocks - 1,
        max_context=scheduler.max_model_len,
        stages=parallel.pipeline_parallel_size,
    )


def _named(name: str, parallel: Any) -> str:
    """The engine's name, which no other has that shares its settings."""
    if not name:
        return f"replica-{parallel.data_parallel_index}"
    several = parallel.data_parallel_size > 1
    return f"{name}-{parallel.data_parallel_index}" if several else name


def recorder(
    scheduler: Any, state: State, told: settings.Settings, engine: Engine, policy: dict[str, Any]
) -> Recorder:
    """Begins the record of an engine; `policy` as `hocket` reads it, empty for vLLM's own rules.

    Raises UserError if it cannot be written.
    """
    config, path = scheduler.vllm_config, Path(told.record)
    if config.parallel_config.data_parallel_size > 1:
        path = path.with_name(f"{path.stem}-{engine.name}{path.suffix}")
    began = Began(
        policy=policy,
        engine=f"vllm {vllm.__version__}",
        model=str(config.model_config.model),
        block_size=engine.block_size,
        blocks=engine.blocks,
        max_context=engine.max_context,
        tokens=scheduler.max_num_scheduled_tokens,
        seqs=scheduler.max_num_active_reqs,
        prefix_cache=bool(config.cache_config.enable_prefix_caching),
        overlapped=bool(config.scheduler_config.async_scheduling),
        seed=told.seed,
        unix=state.clock.unix,
    )
    per = max(1, engine.block_size // scheduler.hash_block_size)
    return Recorder(path, began, state, LOG, per=per)
