"""The process that drives an engine: reads a Job from standard input, does it, and ends."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import msgspec

from hocket.core.errors import HocketError, UserError
from hocket.core.scenario import LONGEST
from hocket.core.streams import Streams
from hocket.serving.live.vllm.contents import prompts
from hocket.serving.live.vllm.job import Job, News
from hocket.serving.live.vllm.processor import processor_clock
from hocket.serving.live.vllm.tiny import offline, tiny_model
from hocket.serving.live.vllm.wallclock import Run
from hocket.serving.model.requests import Requests
from hocket.serving.workload.clock import ticks_per_second

SCHEDULER, WATCHED = "hocket.serving.live.vllm.Scheduler", "hocket.serving.live.vllm.Watched"


def main(news: int) -> int:
    """Do the job on standard input; `news` is where to report. The exit code."""
    asked = _Asked()
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)

    def tell(what: News) -> None:
        os.write(news, msgspec.json.encode(what) + b"\n")

    try:
        with tempfile.TemporaryDirectory() as scratch:
            done = _carry_out(job, Path(scratch), tell, lambda: asked.already)
    except HocketError as error:
        tell(News(refused=str(error)))
        return error.exit_code
    tell(done)
    return 0


class _Asked:
    """Whether SIGINT or SIGTERM has come: the run ends after this iteration."""

    def __init__(self) -> None:
        self.already = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.already = True


def _carry_out(
    job: Job, scratch: Path, tell: Callable[[News], None], stop: Callable[[], bool]
) -> News:
    engine = _engine(job, scratch)
    asked = job.trace.draw(Streams(job.seed), job.unit)
    tick = 1 / ticks_per_second(job.unit)
    serving = Serving(engine, asked, job.seed)
    time_of: dict[str, Any] = {}
    if job.clock == "processor":
        own = processor_clock()
        engine.engine_core.engine_core.scheduler.clock = own
        serving.begun = own.unix
        time_of = {"clock": own.seconds, "sleep": own.sleep}
    run = Run(serving, asked, tick, limit=job.time_limit, tell=tell, stop=stop, **time_of)
    run.go()
    done = msgspec.structs.replace(run.news, over=True)
    engine.engine_core.shutdown()
    return done


def _engine(job: Job, scratch: Path) -> Any:
    """A vLLM engine within this process, with the scheduler that records."""
    from vllm.engine.arg_utils import EngineArgs
    from vllm.v1.engine.llm_engine import LLMEngine

    arguments: dict[str, Any] = {"skip_tokenizer_init": True, "disable_log_stats": True}
    model = job.model
    if model == "tiny":
        context = _context(job)
        model = str(tiny_model(scratch / "tiny", max_context=context, tokenizer=False))
        arguments = offline(max_model_len=context)
    hocket = {"policy": job.policy, "record": job.record, "seed": job.seed}
    if not job.policy:
        del hocket["policy"]
    arguments |= {
        "model": model,
        "scheduler_cls": SCHEDULER if job.policy else WATCHED,
        "additional_config": {"hocket": hocket},
        **job.engine,
    }
    try:
        return LLMEngine.from_engine_args(EngineArgs(**arguments))
    except (TypeError, ValueError) as error:
        raise UserError(f"vLLM cannot start like this: {_brief(error)}") from error


def _context(job: Job) -> int:
    """Tokens of prompt and answer that the tiny model takes, if nobody says how many.

    Enough for the workload, and for 1024, as far as there is memory.
    """
    if "max_model_len" in job.engine:
        return int(job.engine["max_model_len"])
    wanted = max(1024, *map(sum, zip(job.trace.prompt, job.trace.output, strict=True)))
    blocks = job.engine.get("num_gpu_blocks_override")
    room = (
        LONGEST
        if blocks is None
        else (blocks - 1) * job.engine.get("block_size", offline()["block_size"])
    )
    return int(min(wanted, room))


def _brief(error: Exception) -> str:
    """What vLLM says, without the frames around it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:4])


class Serving:
    """A vLLM engine as `wallclock` drives it; the run has `begun` when this is made."""

    def __init__(self, engine: Any, asked: Requests, seed: int) -> None:
        self._engine, self._asked = engine, asked
        self._prompts = prompts(asked, engine.model_config.get_vocab_size(), seed)
        self._rows = {name: row for row, name in enumerate(asked.names)}
        self.begun = time.time()

    @property
    def busy(self) -> bool:
        """See wallclock.Engine."""
        return bool(self._engine.has_unfinished_requests())

    def send(self, row: int, arrival: float) -> None:
        """See wallclock.Engine. Raises UserError for a request that vLLM refuses."""
        from vllm.exceptions import VLLMClientError

        name = self._asked.names[row]
        try:
            self._engine.add_request(
                name,
                {"prompt_token_ids": self._prompts(row)},
                self._parameters(row),
                arrival_time=self.begun + arrival,
                priority=int(self._asked.priority[row]),
            )
        except (ValueError, VLLMClientError) as error:
            raise UserError(f"vLLM refuses request {name}: {_brief(error)}") from error

    def abort(self, row: int) -> None:
        """See wallclock.Engine."""
        self._engine.abort_request([self._asked.names[row]])

    def iterate(self) -> Sequence[int]:
        """See wallclock.Engine."""
        outputs = self._engine.step()
        return [self._rows[output.request_id] for output in outputs if output.finished]

    def _parameters(self, row: int) -> Any:
        """An answer of so many tokens; what only the policy is to know goes beside it."""
        from vllm import SamplingParams

        asked = self._asked
        room = self._engine.model_config.max_model_len - int(asked.prompt[row])
        limit = min(int(asked.limit[row]), room)
        hints = {
            "tenant": asked.tenants[int(asked.tenant[row])],
            "expected_tokens": int(asked.expected[row]),
            "limit": limit,
        }
        output = max(1, min(int(asked.output[row]), limit))
        return SamplingParams(
            temperature=0.0,
            max_tokens=output,
            min_tokens=output,
            ignore_eos=True,
            detokenize=False,
            extra_args={name: value for name, value in hints.items() if value},
        )


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
