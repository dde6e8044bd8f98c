"""Random task graphs for round trips, with what their formats can hold."""

from __future__ import annotations

import string

import hypothesis.strategies as st

from hocket.taskgraph.model.jobs import Edge, JobType, Task
from hocket.taskgraph.model.processors import (
    Communication,
    Function,
    Link,
    OperatingPoint,
    Processor,
)
from hocket.taskgraph.model.scenario import TaskGraphs

WORDS = st.text(string.ascii_letters + string.digits + "_.-", min_size=1, max_size=6).filter(
    lambda word: word not in ("opp", "HEAD", "TAIL", "MEM")
)
"""Names that stand for themselves in every format."""


@st.composite
def job_types(draw: st.DrawFn, name: str, functions: list[str]) -> JobType:
    """A graph of up to six tasks that run these functions."""
    names = draw(st.lists(WORDS, min_size=1, max_size=6, unique=True))
    runs = [draw(st.sampled_from(functions)) for _ in names]
    pairs = [(a, b) for b in range(len(names)) for a in range(b)]
    chosen = [pair for pair in pairs if draw(st.booleans())]
    return JobType(
        name=name,
        tasks=tuple(Task(name=n, function=f) for n, f in zip(names, runs, strict=True)),
        edges=tuple(
            Edge(source=names[a], target=names[b], volume=float(draw(st.integers(0, 99))))
            for a, b in chosen
        ),
    )


@st.composite
def socs(draw: st.DrawFn) -> TaskGraphs:
    """Processors with operating points, governors, capacities and bandwidths, and some graphs."""
    functions = draw(st.lists(WORDS, min_size=1, max_size=4, unique=True))
    names = draw(st.lists(WORDS, min_size=1, max_size=4, unique=True))
    processors = []
    for i, name in enumerate(names):
        able = functions if i == 0 else draw(st.lists(st.sampled_from(functions), min_size=1))
        points = draw(st.dictionaries(st.integers(1, 3000), st.integers(1, 2000), max_size=3))
        governors = ["performance", *(["powersave", "ondemand", "constant"] if points else [])]
        governor = draw(st.sampled_from(governors))
        processors.append(
            Processor(
                name=name,
                type=draw(st.sampled_from(["CPU", "BIG", "ACC"])),
                capacity=draw(st.integers(1, 4)),
                functions={
                    f: Function(
                        duration=draw(st.integers(0, 999)),
                        power=draw(st.floats(0, 100, allow_nan=False)),
                    )
                    for f in dict.fromkeys(able)
                },
                points=tuple(
                    OperatingPoint(frequency=f, voltage=v) for f, v in sorted(points.items())
                ),
                governor=governor,
                frequency=float(min(points)) if governor == "constant" else None,
            )
        )
    links = [
        Link(between=(a, b), bandwidth=float(draw(st.integers(1, 50))))
        for i, a in enumerate(names)
        for b in names[i:]
        if draw(st.booleans())
    ]
    kinds = draw(st.lists(WORDS, min_size=1, max_size=3, unique=True))
    return TaskGraphs(
        name="soc",
        processors=tuple(processors),
        communication=Communication(
            mode=draw(st.sampled_from(["direct", "shared-memory"])),
            links=tuple(links),
            default=float(draw(st.integers(1, 9))),
            memory={name: float(draw(st.integers(1, 9))) for name in names[:2]},
        ),
        types=tuple(draw(job_types(name, functions)) for name in kinds),
    )


@st.composite
def workflows(draw: st.DrawFn) -> TaskGraphs:
    """One graph on equal machines."""
    names = draw(st.lists(WORDS, min_size=1, max_size=4, unique=True))
    functions = {
        name: Function(duration=draw(st.integers(0, 10**6)))
        for name in draw(st.lists(WORDS, min_size=1, max_size=4, unique=True))
    }
    return TaskGraphs(
        name="flow",
        time_unit=draw(st.sampled_from(["us", "ms", "s"])),
        processors=tuple(
            Processor(name=name, capacity=draw(st.integers(1, 4)), functions=functions)
            for name in names
        ),
        communication=Communication(default=1.0),
        types=(draw(job_types("graph", list(functions))),),
    )
