"""What a process that drives an engine is asked, and what it answers."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from hocket.core.scenario import TimeUnit
from hocket.serving.workload.trace import Trace


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A workload to be sent to an engine, and how that is to be made.

    - `trace`: the requests, with names; `unit`: of its ticks
    - `record`: where to write
    - `policy`: a name or a mapping with fields; empty for vLLM's own scheduler, only watched
    - `model`: a folder, or ``tiny``; `engine`: arguments of vLLM's ``EngineArgs``
    - `seed`: of prompts and of the policy
    - `time_limit`: seconds after which the record ends, None for no limit
    - `clock`: by which requests come and iterations last: on the wall, or the engine's own
      processor time (`processor`)
    """

    trace: Trace
    unit: TimeUnit = "us"
    record: str
    policy: str | dict[str, Any] = ""
    model: str = "tiny"
    engine: dict[str, Any] = {}
    seed: int = 0
    time_limit: float | None = None
    clock: Literal["wall", "processor"] = "wall"


class News(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How far a run is: `done` of `count` requests after `seconds`; `over` once it has ended well.

    `refused`: why it cannot be done at all.
    """

    done: int = 0
    count: int = 0
    seconds: float = 0.0
    over: bool = False
    refused: str = ""
