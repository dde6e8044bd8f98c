"""Batching policies inside vLLM, as it is released.

    vllm serve MODEL --scheduler-cls hocket.serving.live.vllm.Scheduler \\
        --additional-config '{"hocket": {"policy": "serving/past-future", "record": "run.jsonl"}}'

or, instead of ``--additional-config``, with the environment variable ``HOCKET_VLLM``, which holds
the same settings or names a YAML or JSON file of them. `settings.Settings` lists them. vLLM counts
``additional_config`` among what compiled models depend on and compiles anew when it changes; of the
variable it knows nothing. Its warning about custom schedulers at the start does not concern this
one: iterations overlap where they would without it.

vLLM's own scheduler composes every iteration; in four places it does as the policy says. Before it
begins, `compose` finds out who has to give way, by the rules of `hocket.serving.simulate`, and
which running requests stand back (where prompts run alone). While it admits, `gate` decides for the
head of the queue, which `queue` keeps in the policy's order. Everything else - prefix cache,
structured output, sampling, adapters, aborts, metrics - is vLLM's.

``Watched`` in place of ``Scheduler`` leaves everything to vLLM and only writes the record.

A policy that raises, or that decides what the rules forbid, ends the engine with its message: an
engine that went on by other rules would not be the one that was asked for.

Nothing here imports vLLM before `Scheduler` is asked for.
"""

from __future__ import annotations

from typing import Any

__all__ = ["Scheduler", "Watched"]


def __getattr__(name: str) -> Any:
    """The scheduler classes, imported with vLLM when they are first asked for."""
    if name == "Scheduler":
        from hocket.serving.live.vllm.scheduler import Scheduler

        return Scheduler
    if name == "Watched":
        from hocket.serving.live.vllm.watched import Watched

        return Watched
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
