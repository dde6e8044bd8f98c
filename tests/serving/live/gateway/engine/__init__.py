"""An inference engine for tests: OpenAI's interface, tokens that follow from the prompt, faults.

    async with Engine(gap=0.001) as engine:
        engine.fault(Reset(after=3))
        ...

`python -m tests.serving.live.gateway.engine --port 8001` runs one in its own process.
"""

from tests.serving.live.gateway.engine.faults import (
    Broken,
    Cut,
    Fault,
    Garbage,
    Hang,
    Length,
    Raw,
    Reset,
    Said,
    Shape,
    Slow,
    Status,
)
from tests.serving.live.gateway.engine.server import Engine, Served

__all__ = [
    "Broken",
    "Cut",
    "Engine",
    "Fault",
    "Garbage",
    "Hang",
    "Length",
    "Raw",
    "Reset",
    "Said",
    "Served",
    "Shape",
    "Slow",
    "Status",
]
