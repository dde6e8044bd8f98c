"""Random task-graph scenarios for Hypothesis: small, so that queues and ties are common."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from hocket.taskgraph.model.jobs import Edge, JobType, Listed, Release, Stream, Task
from hocket.taskgraph.model.processors import (
    Communication,
    Function,
    Link,
    OperatingPoint,
    Processor,
    Sampling,
)
from hocket.taskgraph.model.scenario import TaskGraphs

BANDWIDTHS = st.sampled_from([0.3, 0.5, 1.0, 1.0, 2.0, 3.7, 10.0])
VOLUMES = st.sampled_from([0.0, 0.0, 1.0, 2.5, 5.0, 9.0, 20.0])
FREQUENCIES = (333.3, 500.0, 1000.0, 1400.0, 2000.0)


@st.composite
def scenarios(
    draw: st.DrawFn, *, static: bool = False, most_tasks: int = 6, most_types: int = 3
) -> TaskGraphs:
    """Any scenario; with `static`, all jobs are there at time 0 and nothing is left to chance."""
    functions = [f"f{i}" for i in range(draw(st.integers(1, 4)))]
    processors = draw(platforms(functions, governed=not static))
    names = [processor.name for processor in processors]
    types = tuple(
        draw(job_types(f"G{i}", functions, most_tasks))
        for i in range(draw(st.integers(1, most_types)))
    )
    rest: dict[str, Any] = {}
    if not static:
        rest["noise"] = draw(st.sampled_from([0.0, 0.0, 0.2, 0.5, 3.0]))
        rest["warm_up"] = draw(st.sampled_from([0, 0, 20]))
        rest["sampling"] = Sampling(
            period=draw(st.integers(1, 7)),
            high=draw(st.sampled_from([0.8, 0.5, 1.5])),
            low=draw(st.sampled_from([0.3, 0.5, 0.0])),
        )
        rest["horizon"] = draw(st.none() | st.integers(0, 120))
        rest["arrivals"] = draw(listed(types) | streams(endless=rest["horizon"] is not None))
    scenario = TaskGraphs(
        name="drawn",
        processors=processors,
        communication=draw(communications(names)),
        types=types,
        **rest,
    )
    assert not list(scenario.problems())
    return scenario


@st.composite
def platforms(
    draw: st.DrawFn, functions: list[str], *, governed: bool = True
) -> tuple[Processor, ...]:
    """Processors, the first of which runs what no other can."""
    count = draw(st.integers(1, 4))
    durations = st.none() | st.sampled_from([0, 1, 1, 2, 3, 5, 8, 13])
    table = [[draw(durations) for _ in functions] for _ in range(count)]
    for f in range(len(functions)):
        if all(row[f] is None for row in table):
            table[0][f] = draw(st.integers(0, 8))
    found = []
    for p, row in enumerate(table):
        able = {
            name: Function(duration=ticks, power=1.0 + ticks / 8)
            for name, ticks in zip(functions, row, strict=True)
            if ticks is not None
        }
        if not able:  # a processor runs something
            able = {"idle": Function(duration=1)}
        found.append(
            Processor(
                name=f"P{p}",
                type=draw(st.sampled_from(["CPU", "ACC"])),
                capacity=draw(st.sampled_from([1, 1, 1, 2, 3])),
                functions=able,
                **(draw(governors()) if governed else {}),
            )
        )
    return tuple(found)


@st.composite
def governors(draw: st.DrawFn) -> dict[str, Any]:
    """Operating points and who chooses among them; none at all in half of all cases."""
    if draw(st.booleans()):
        return {}
    chosen = draw(st.lists(st.sampled_from(FREQUENCIES), min_size=1, max_size=3, unique=True))
    points = tuple(OperatingPoint(frequency=f, voltage=800 + f / 5) for f in chosen)
    governor = draw(st.sampled_from(["performance", "powersave", "constant", "ondemand"]))
    found: dict[str, Any] = {"points": points, "governor": governor}
    if governor == "constant":
        found["frequency"] = draw(st.sampled_from(chosen))
    return found


@st.composite
def communications(draw: st.DrawFn, names: list[str]) -> Communication:
    """Either mode; some pairs are listed, a processor with itself among them."""
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i:] if draw(st.booleans())]
    return Communication(
        mode=draw(st.sampled_from(["direct", "shared-memory"])),
        links=tuple(Link(between=pair, bandwidth=draw(BANDWIDTHS)) for pair in pairs),
        default=draw(BANDWIDTHS),
        memory={name: draw(BANDWIDTHS) for name in names if draw(st.booleans())},
    )


@st.composite
def job_types(draw: st.DrawFn, name: str, functions: list[str], most: int = 6) -> JobType:
    """A graph whose edges go from lower to higher tasks, listed in any order."""
    count = draw(st.integers(1, most))
    tasks = [Task(name=f"t{i}", function=draw(st.sampled_from(functions))) for i in range(count)]
    pairs = [(i, j) for i in range(count) for j in range(i + 1, count)]
    drawn = draw(st.lists(st.sampled_from(pairs), max_size=2 * count, unique=True)) if pairs else []
    edges = tuple(Edge(source=f"t{i}", target=f"t{j}", volume=draw(VOLUMES)) for i, j in drawn)
    order = draw(st.permutations(tasks))
    weight = draw(st.sampled_from([1.0, 0.25, 3.0]))
    return JobType(name=name, tasks=tuple(order), edges=edges, weight=weight)


@st.composite
def listed(draw: st.DrawFn, types: tuple[JobType, ...]) -> Listed:
    """Up to six known arrivals, many at one instant."""
    times = draw(st.lists(st.sampled_from([0, 0, 3, 7, 7, 40]), max_size=6))
    names = [kind.name for kind in types]
    return Listed(jobs=tuple(Release(type=draw(st.sampled_from(names)), time=t) for t in times))


@st.composite
def streams(draw: st.DrawFn, *, endless: bool) -> Stream:
    """Random arrivals; without end only if `endless`."""
    capacity = draw(st.none() | st.integers(1, 4))
    return Stream(
        gap=draw(st.sampled_from([1.0, 2.5, 7.0, 20.0])),
        gaps=draw(st.sampled_from(["exponential", "constant"])),
        capacity=capacity,
        when_full=draw(st.sampled_from(["retry", "wait"])),
        prefill=capacity is not None and draw(st.booleans()),
        jobs=draw(st.none() | st.integers(1, 8)) if endless else draw(st.integers(1, 8)),
    )
