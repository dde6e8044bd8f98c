"""vLLM's own scheduler, which decides everything itself; its iterations are written down."""

from __future__ import annotations

import os
from typing import Any

import vllm
from vllm.v1.core.sched.async_scheduler import AsyncScheduler as VllmAsync
from vllm.v1.core.sched.scheduler import Scheduler as VllmScheduler

from hocket.core.errors import UserError
from hocket.serving.live.vllm import settings, versions
from hocket.serving.live.vllm.deciding import LOG
from hocket.serving.live.vllm.scheduler import engine_facts, recorder
from hocket.serving.live.vllm.state import State, Step


class Watched(VllmScheduler):  # type: ignore[misc]  # vLLM is not installed where types are checked
    """To be compared with policies: its records are like those of `scheduler.Scheduler`.

    Settings are the same, of which only `record`, `name` and `unverified` count.
    """

    def __new__(cls, vllm_config: Any, *args: Any, **kwargs: Any) -> Watched:
        """The kind that suits the engine."""
        overlapped = vllm_config.scheduler_config.async_scheduling and cls is Watched
        made: Watched = object.__new__(OverlappedWatched if overlapped else cls)
        return made

    def __init__(self, vllm_config: Any, *args: Any, **kwargs: Any) -> None:
        """See vLLM's class. Raises UserError where there is no place for the record."""
        told = settings.read(vllm_config.additional_config, os.environ)
        versions.require(vllm.__version__, unverified=told.unverified, log=LOG)
        super().__init__(vllm_config, *args, **kwargs)
        if not told.record:
            raise UserError("nothing is watched without a record: set record to a file's name")
        self._state = State(self)
        self._victims: list[str] = []
        self._recorder = recorder(self, self._state, told, engine_facts(self, told.name), {})

    @property
    def clock(self) -> Any:
        """Where the time comes from; another may be put in its place."""
        return self._state.clock

    @clock.setter
    def clock(self, clock: Any) -> None:
        self._state.clock = clock

    def add_request(self, request: Any) -> None:
        """See vLLM's class."""
        if request.request_id not in self.requests:
            self._state.requests.enter(request)
            self._recorder.asked(request)
        super().add_request(request)

    def schedule(self, throttle_prefills: bool = False) -> Any:
        """See vLLM's class."""
        self._state.begin()
        output = super().schedule(throttle_prefills)
        self._state.older, self._state.shown = list(self.running), len(self.running)
        if output.total_num_scheduled_tokens:
            step = Step()
            step.victims, self._victims = self._victims, []
            step.cached = {self.requests[own]: n for own, n in _came_in(output).items()}
            self._recorder.composed(step, output, self.requests)
            self._state.iterations += 1
        return output

    def _preempt_request(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        """See vLLM's class."""
        self._victims.append(self._state.requests.name(request))
        return super()._preempt_request(request, *args, **kwargs)

    def update_from_output(self, scheduler_output: Any, model_runner_output: Any) -> Any:
        """See vLLM's class."""
        self._recorder.ended(scheduler_output)
        return super().update_from_output(scheduler_output, model_runner_output)

    def _free_request(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        """See vLLM's class."""
        found = super()._free_request(request, *args, **kwargs)
        self._recorder.finished(request)
        self._state.requests.leave(request)
        return found

    def shutdown(self) -> None:
        """See vLLM's class."""
        super().shutdown()
        self._recorder.close()


class OverlappedWatched(Watched, VllmAsync):  # type: ignore[misc]
    """The same where the next iteration is composed while one is under way."""


def _came_in(output: Any) -> dict[str, int]:
    """Who came in with this iteration, and how many of its tokens were in the prefix cache."""
    others = output.scheduled_cached_reqs
    again = zip(others.req_ids, others.num_computed_tokens, strict=True)
    return {one.req_id: one.num_computed_tokens for one in output.scheduled_new_reqs} | {
        own: computed for own, computed in again if own in others.resumed_req_ids
    }
