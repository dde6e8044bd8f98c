"""Run a workload through a real vLLM on this machine, on the clock on the wall, and record it.

The engine works in a process of its own (`worker`), which ends with the run: its memory is freed,
its settings touch nobody else's, and a crash in it is an error here, not the end of the program.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

import msgspec

from hocket.core import registry
from hocket.core.errors import MissingExtra, RunError, UserError
from hocket.core.policy import Policy, spec
from hocket.core.scenario import TimeUnit
from hocket.core.streams import Streams
from hocket.core.writing import require_place
from hocket.serving.live.vllm.job import Job, News
from hocket.serving.live.vllm.view import PLAIN
from hocket.serving.model.requests import Requests
from hocket.serving.workload import Trace, Workload, faster, recorded
from hocket.serving.workload.clock import ticks_per_second

PATIENCE, MOMENT = 30.0, 3.0
"""Seconds that an engine has to end once it is done, and once somebody will not wait for it."""

Progress = Callable[[News], None]


def measure(
    workload: Workload,
    *,
    record: Path,
    policy: Policy | str | Mapping[str, Any] | None = None,
    model: str | Path = "tiny",
    kv_blocks: int | None = None,
    block_size: int | None = None,
    seqs: int | None = None,
    tokens: int | None = None,
    prefix_cache: bool = False,
    max_context: int | None = None,
    overlapped: bool = False,
    engine: Mapping[str, Any] | None = None,
    rate: float | None = None,
    requests: int | None = None,
    time_limit: float | None = None,
    unit: TimeUnit = "us",
    seed: int = 0,
    threads: int | None = None,
    clock: Literal["wall", "processor"] = "wall",
    progress: Progress | None = None,
    stop: Callable[[], bool] | None = None,
) -> Path:
    """Send the requests of `workload` to vLLM as time goes by; the path of the record made.

    - `policy`: composes the iterations; None leaves that to vLLM's own scheduler, which is watched
    - `model`: a folder with a model, or ``tiny``: one made up for the purpose
    - `kv_blocks`, `block_size`, `seqs`, `tokens`, `prefix_cache`, `max_context`: the engine's
      memory and bounds, its own defaults where None; `overlapped`: whether it composes the next
      iteration while one is under way (on CPUs vLLM never does); `engine`: other arguments of
      vLLM's ``EngineArgs``
    - `rate`: requests per second, by which the workload's own arrivals are stretched or pressed
    - `requests`: how many of the workload, all if None; `time_limit`: seconds after which the
      record ends; what is under way then is cut off
    - `unit`: of the workload's ticks; `seed`: of what it draws, of prompts, and of the policy
    - `threads`: that compute, those of PyTorch's own choice if None
    - `clock`: on the wall, or the processor time of the engine's thread (`processor`), which must
      then be the only one that computes: for machines that others use too
    - `progress`: told how far it is; `stop`: asked again and again whether to end early

    Prompts are tokens drawn at random, equal where prefix ids are; an answer has as many tokens
    as the workload says, which the policy is not told. Raises MissingExtra without vLLM, UserError
    for what the engine refuses, RunError if it fails, KeyboardInterrupt if `stop` said so before it
    was ready.
    """
    if importlib.util.find_spec("vllm") is None:
        raise MissingExtra("llm", "vllm")
    require_place(record)
    if record.is_file():
        record.unlink()  # it is replaced, as other outputs are
    sizes = {
        "kv_blocks": kv_blocks,
        "block_size": block_size,
        "seqs": seqs,
        "tokens": tokens,
        "max_context": max_context,
        "threads": threads,
    }
    for name, value in sizes.items():
        if value is not None and value < 1:
            raise UserError(f"{name} is {value}; an engine needs 1 at least")
    if time_limit is not None and not time_limit > 0:
        raise UserError(f"a run cannot last {time_limit:g} seconds")
    trace = _asked(workload.draw(Streams(seed), unit), requests, rate, unit)
    bounds = {
        "num_gpu_blocks_override": None if kv_blocks is None else kv_blocks + 1,
        "block_size": block_size,
        "max_num_seqs": seqs,
        "max_num_batched_tokens": tokens,
        "max_model_len": max_context,
    }
    job = Job(
        trace=trace,
        unit=unit,
        record=str(record.absolute()),
        policy=_plain(policy),
        model=str(model),
        engine={
            **{name: value for name, value in bounds.items() if value is not None},
            "enable_prefix_caching": prefix_cache,
            "async_scheduling": overlapped,
            **(engine or {}),
        },
        seed=seed,
        time_limit=time_limit,
        clock=clock,
    )
    _carry_out(job, threads, progress, stop)
    return record


def _asked(drawn: Requests, most: int | None, rate: float | None, unit: TimeUnit) -> Trace:
    """The first requests, each with a name, at the rate that is asked for."""
    count = len(drawn) if most is None else min(most, len(drawn))
    if count < 1:
        raise UserError(f"a run of {most} requests measures nothing; ask for one at least")
    trace = recorded(drawn)
    columns = {
        name: getattr(trace, name)[:count]
        for name in trace.__struct_fields__
        if isinstance(getattr(trace, name), tuple) and name != "notes"
    }
    names = tuple(drawn.name(i) for i in range(count))
    trace = msgspec.structs.replace(trace, **columns | {"names": names})
    if rate is None:
        return trace
    span = (trace.arrival[-1] - trace.arrival[0]) / ticks_per_second(unit)
    if span <= 0:
        raise UserError("requests that come all at once have no rate to change")
    return faster(trace, rate * span / (count - 1))


def _plain(policy: Policy | str | Mapping[str, Any] | None) -> str | dict[str, Any]:
    """A policy as another process can load it, also one from a loose file; empty for none."""
    if policy is None:
        return ""
    if not isinstance(policy, Policy):
        return policy if isinstance(policy, str) else dict(policy)
    kind, plain = type(policy), spec(policy)
    if registry.policies().get(policy.name) is not kind:
        file = getattr(sys.modules[kind.__module__], "__file__", None)
        if file is None:
            raise UserError(
                f"{policy.name} is in no file, where the engine's process could find it"
            )
        plain["policy"] = f"{Path(file).absolute()}:{kind.__name__}"
    return plain


def _carry_out(
    job: Job, threads: int | None, progress: Progress | None, stop: Callable[[], bool] | None
) -> None:
    """Let a process do the job. Raises what it says went wrong."""
    from hocket.serving.live.vllm.tiny import ENVIRONMENT

    environment = os.environ | {name: os.environ.get(name, v) for name, v in ENVIRONMENT.items()}
    environment["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"  # the engine belongs to the process
    environment[PLAIN] = "1"  # ids are the workload's
    if threads is not None:
        environment["OMP_NUM_THREADS"] = str(threads)
    with tempfile.TemporaryFile() as told, _pipe() as (reader, writer):
        command = [sys.executable, "-m", "hocket.serving.live.vllm.worker", str(writer)]
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=told,
            stderr=subprocess.STDOUT,
            env=environment,
            pass_fds=(writer,),
            start_new_session=True,  # Ctrl-C is for this process, which passes it on
        )
        os.close(writer)
        try:
            assert process.stdin is not None
            with suppress(BrokenPipeError):  # it has ended; its last words say why
                process.stdin.write(msgspec.json.encode(job))
                process.stdin.close()
            last = _listen(process, reader, progress, stop)
        except BaseException:
            process.send_signal(signal.SIGINT)
            _end(process, MOMENT)
            raise
        _end(process, PATIENCE)
        if last is None or not last.over:
            if last is None and stop is not None and stop():
                raise KeyboardInterrupt  # before anything was begun
            told.seek(0)
            raise RunError(_failure(last, told.read().decode(errors="replace")))


@contextmanager
def _pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    try:
        yield reader, writer
    finally:
        os.close(reader)


def _listen(
    process: subprocess.Popen[bytes],
    reader: int,
    progress: Progress | None,
    stop: Callable[[], bool] | None,
) -> News | None:
    """What the process says, until it says no more; its last word."""
    import select

    decoder = msgspec.json.Decoder(News)
    last: News | None = None
    rest, asked = b"", False
    while True:
        if stop is not None and not asked and stop():
            asked = True
            process.send_signal(signal.SIGINT)
        if not select.select([reader], [], [], 0.2)[0]:
            continue
        data = os.read(reader, 65536)
        if not data:
            return last
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            last = decoder.decode(line)
            if last.refused:
                raise UserError(last.refused)
            if progress is not None:
                progress(last)


def _end(process: subprocess.Popen[bytes], patience: float) -> None:
    """See to it that the process is gone after so many seconds."""
    try:
        process.wait(timeout=patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _failure(last: News | None, told: str) -> str:
    lines = [line for line in told.strip().splitlines() if line.strip()]
    when = "before its first iteration" if last is None else f"after {last.done} requests"
    said = "\n  ".join(lines[-15:])
    return f"vLLM failed {when}; the record holds what came before. Its last words:\n  {said}"
