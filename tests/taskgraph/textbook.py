"""The worked examples of two papers, typed in, and scenarios of one graph."""

from __future__ import annotations

from hocket.taskgraph.model.graph import Graph, Platform, graphs, platform
from hocket.taskgraph.model.jobs import Edge, JobType, Task
from hocket.taskgraph.model.processors import Communication, Function, Processor
from hocket.taskgraph.model.scenario import TaskGraphs

Row = tuple[int | None, ...]


def one_graph(
    durations: list[Row],
    edges: dict[tuple[int, int], float],
    talk: Communication | None = None,
    capacity: int = 1,
) -> TaskGraphs:
    """One job: ``durations[t][p]``, None where p cannot run t; the volumes of edges."""
    names = [f"t{i}" for i in range(len(durations))]
    processors = tuple(
        Processor(
            name=f"P{p + 1}",
            capacity=capacity,
            functions={
                name: Function(duration=ticks)
                for name, row in zip(names, durations, strict=True)
                if (ticks := row[p]) is not None
            },
        )
        for p in range(len(durations[0]))
    )
    kind = JobType(
        name="G",
        tasks=tuple(Task(name=name) for name in names),
        edges=tuple(
            Edge(source=names[a], target=names[b], volume=v) for (a, b), v in edges.items()
        ),
    )
    talk = Communication(default=1) if talk is None else talk
    return TaskGraphs(processors=processors, communication=talk, types=(kind,))


def compiled(scenario: TaskGraphs) -> tuple[Graph, Platform]:
    """The first graph of a scenario, and its platform."""
    return graphs(scenario)[0], platform(scenario)


TOPCUOGLU = one_graph(
    [
        (14, 16, 9),
        (13, 19, 18),
        (11, 13, 19),
        (13, 8, 17),
        (12, 13, 10),
        (13, 16, 9),
        (7, 15, 11),
        (5, 11, 14),
        (18, 12, 20),
        (21, 7, 16),
    ],
    {
        (0, 1): 18,
        (0, 2): 12,
        (0, 3): 9,
        (0, 4): 11,
        (0, 5): 14,
        (1, 7): 19,
        (1, 8): 16,
        (2, 6): 23,
        (3, 7): 27,
        (3, 8): 23,
        (4, 8): 13,
        (5, 7): 15,
        (6, 9): 17,
        (7, 9): 11,
        (8, 9): 13,
    },
)
"""Topcuoglu, Hariri, Wu, IEEE TPDS 13 (2002), figure 2 and its table of durations."""

ARABNEJAD = one_graph(
    [
        (22, 21, 36),
        (22, 18, 18),
        (32, 27, 43),
        (7, 10, 4),
        (29, 27, 35),
        (26, 17, 24),
        (14, 25, 30),
        (29, 23, 36),
        (15, 21, 8),
        (13, 16, 33),
    ],
    {
        (0, 1): 17,
        (0, 2): 31,
        (0, 3): 29,
        (0, 4): 13,
        (0, 5): 7,
        (1, 7): 3,
        (1, 8): 30,
        (2, 6): 16,
        (3, 7): 11,
        (3, 8): 7,
        (4, 8): 57,
        (5, 7): 5,
        (6, 9): 9,
        (7, 9): 42,
        (8, 9): 7,
    },
)
"""Arabnejad, Barbosa, IEEE TPDS 25 (2014), the example of the paper."""
