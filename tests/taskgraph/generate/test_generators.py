"""The generators: sound and reproducible, and the graphs that their papers describe."""

import statistics
from typing import Any

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import given, settings

from hocket.core.domain import Generator
from hocket.core.errors import InputError
from hocket.core.registry import generator_class
from hocket.taskgraph.generate import GENERATORS
from hocket.taskgraph.generate.kernels import ForkJoin, Fourier, GaussianElimination
from hocket.taskgraph.generate.layered import Layered, RandomStream
from hocket.taskgraph.generate.pressure import Pressure
from hocket.taskgraph.generate.streams import Top, Wifi
from hocket.taskgraph.model.graph import Graph, graphs
from hocket.taskgraph.model.jobs import Listed, Stream

SEEDS = st.integers(0, 2**64)
DRAWN = [kind for kind in GENERATORS if kind not in (Top, Wifi)]


def depth(graph: Graph) -> list[int]:
    """The level of each task: one more than the deepest before it."""
    found = [0] * len(graph.tasks)
    for task in graph.order:
        found[task] = max((found[a] + 1 for a, _ in graph.inputs[task]), default=0)
    return found


def the_graph(generator: Generator, seed: int = 0) -> Graph:
    """The only graph of a generator's scenario."""
    (graph,) = graphs(generator.make(seed))  # type: ignore[arg-type]
    return graph


@pytest.mark.parametrize("kind", GENERATORS, ids=lambda kind: kind.name)
def test_conventions(kind: type[Generator]) -> None:
    first = kind().make(7)
    assert kind.name and kind.source and first.name
    assert generator_class(f"taskgraph/{kind.name}") is kind
    assert not list(first.problems())
    assert kind().make(7) == first
    assert msgspec.json.decode(msgspec.json.encode(first), type=type(first)) == first


@pytest.mark.parametrize("kind", DRAWN, ids=lambda kind: kind.name)
def test_seeds_draw_different_scenarios(kind: type[Generator]) -> None:
    first = kind().make(7)
    assert msgspec.structs.replace(kind().make(8), name=first.name) != first


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, data=st.data())
def test_every_combination_is_sound(seed: int, data: st.DataObject) -> None:
    shares = st.floats(0.01, 1)
    costs: dict[str, Any] = {
        "processors": data.draw(st.integers(1, 5)),
        "work": data.draw(st.integers(1, 200)),
        "ccr": data.draw(st.floats(0, 10)),
        "beta": data.draw(st.floats(0, 2)),
        "consistent": data.draw(st.booleans()),
        "able": data.draw(shares),
    }
    shape: dict[str, Any] = {
        "tasks": data.draw(st.integers(1, 30)),
        "alpha": data.draw(st.floats(0.1, 5)),
        "degree": data.draw(st.integers(1, 8)),
    }
    switches = ("shared", "clusters", "picky", "scaled", "listed", "waiting", "prefill", "noise")
    made = [
        Layered(**costs, **shape),
        RandomStream(
            **costs,
            **shape,
            graphs=data.draw(st.integers(1, 4)),
            load=data.draw(shares),
            prefill=data.draw(st.booleans()),
            capacity=data.draw(st.none() | st.integers(1, 5)),
        ),
        GaussianElimination(**costs, size=data.draw(st.integers(2, 7))),
        Fourier(**costs, points=2 ** data.draw(st.integers(1, 4))),
        ForkJoin(**costs, width=data.draw(st.integers(1, 5)), stages=data.draw(st.integers(1, 4))),
        Pressure(
            tasks=data.draw(st.integers(1, 8)),
            processors=data.draw(st.integers(1, 5)),
            **{name: data.draw(st.booleans()) for name in switches},
        ),
    ]
    for generator in made:
        scenario = generator.make(seed)
        assert not list(scenario.problems()), list(scenario.problems())


@pytest.mark.parametrize("size", [2, 3, 5, 15])
def test_gaussian_elimination(size: int) -> None:
    """Pivots wait for one update and feed all of their step; updates wait for two tasks."""
    graph = the_graph(GaussianElimination(size=size))
    assert len(graph.tasks) == (size**2 + size - 2) // 2
    assert max(depth(graph)) + 1 == 2 * (size - 1)  # a pivot and its updates in each step
    waits = [len(pairs) for pairs in graph.inputs]
    pivot = 0
    for step in range(size - 1):
        columns = size - 1 - step
        assert waits[pivot] == (1 if step else 0)
        assert [b for b, _ in graph.outputs[pivot]] == list(range(pivot + 1, pivot + 1 + columns))
        assert waits[pivot + 1 : pivot + 1 + columns] == [2 if step else 1] * columns
        pivot += 1 + columns
    assert pivot == len(graph.tasks)


@pytest.mark.parametrize("points", [2, 4, 16])
def test_the_fast_fourier_transform(points: int) -> None:
    """Every path from the entry to an exit is critical: equal levels of a butterfly."""
    graph = the_graph(Fourier(points=points, beta=0), 3)
    stages = points.bit_length() - 1
    assert len(graph.tasks) == 2 * points - 1 + points * stages
    level = depth(graph)
    assert [level.count(k) for k in range(2 * stages + 1)] == (
        [2**k for k in range(stages + 1)] + [points] * stages
    )
    for k in range(2 * stages + 1):
        tasks = [t for t in range(len(graph.tasks)) if level[t] == k]
        assert len({graph.durations[t] for t in tasks}) == 1
        assert len({volume for t in tasks for _, volume in graph.inputs[t]}) <= 1
        assert {len(graph.inputs[t]) for t in tasks} == (
            {0} if not k else {1 if k <= stages else 2}
        )
    reached = {0: {0}}
    for task in graph.order[1:]:
        before = [reached.get(a, set()) for a, _ in graph.inputs[task]]
        reached[task] = set.union(*before) | {task}
    leaves = {t for t in range(len(graph.tasks)) if level[t] == stages}
    last = [t for t in range(len(graph.tasks)) if level[t] == 2 * stages]
    assert all(leaves <= reached[t] for t in last)  # every output depends on every input


def test_fork_and_join() -> None:
    graph = the_graph(ForkJoin(width=3, stages=2))
    assert len(graph.tasks) == 9
    assert [len(pairs) for pairs in graph.inputs] == [0, 1, 1, 1, 3, 1, 1, 1, 3]
    assert [b for b, _ in graph.outputs[4]] == [5, 6, 7]


def test_layers_have_the_shape_asked_for() -> None:
    """Means over many graphs: sqrt(v)/alpha layers; tasks follow the layer above theirs."""
    for alpha in (0.5, 1.0, 2.0):
        made = [the_graph(Layered(tasks=64, alpha=alpha, degree=3), seed) for seed in range(60)]
        assert all(len(graph.tasks) == 64 for graph in made)
        layers = [max(depth(graph)) + 1 for graph in made]
        assert statistics.mean(layers) == pytest.approx(8 / alpha, rel=0.25)
        for graph in made:
            level = depth(graph)
            for task, pairs in enumerate(graph.inputs):
                assert all(level[a] == level[task] - 1 for a, _ in pairs)
                assert pairs or level[task] == 0


def test_out_degrees_are_at_least_what_the_next_layer_allows() -> None:
    graph = the_graph(Layered(tasks=80, degree=2), 4)
    level = depth(graph)
    below = [level.count(k) for k in range(max(level) + 2)]
    for task, pairs in enumerate(graph.outputs):
        assert len(pairs) >= min(2, below[level[task] + 1])


def test_costs_have_the_means_and_bounds_asked_for() -> None:
    generator = Layered(tasks=400, work=100, ccr=2.0, beta=0.5, processors=3)
    scenario, graph = generator.make(1), the_graph(generator, 1)
    assert statistics.mean(graph.mean(t) for t in range(400)) == pytest.approx(100, rel=0.1)
    volumes = [volume for pairs in graph.inputs for _, volume in pairs]
    assert statistics.mean(volumes) == pytest.approx(200, rel=0.1)
    for row in graph.durations:
        assert max(row) <= (min(row) + 1) * 1.25 / 0.75 + 1
    assert len({p.functions["t0"].duration for p in scenario.processors}) > 1


def test_consistent_processors_are_fast_for_all() -> None:
    graph = the_graph(Layered(tasks=50, work=10_000, consistent=True), 2)
    order = sorted(range(4), key=lambda p: graph.durations[0][p])
    assert all(sorted(range(4), key=row.__getitem__) == order for row in graph.durations)
    other = the_graph(Layered(tasks=50, work=10_000), 2)
    assert len({tuple(sorted(range(4), key=row.__getitem__)) for row in other.durations}) > 5


def test_few_processors_are_able() -> None:
    graph = the_graph(Layered(tasks=300, able=0.3, processors=4), 5)
    count = [len(able) for able in graph.able]
    assert min(count) == 1 and statistics.mean(count) == pytest.approx(1 + 3 * 0.3, rel=0.1)


def test_load_sets_the_gap() -> None:
    """At load 1 the fastest processors for each task would be busy all the time."""
    scenario = RandomStream(load=0.5, graphs=3, processors=2).make(0)
    assert isinstance(scenario.arrivals, Stream)
    best = sum(min(row) for graph in graphs(scenario) for row in graph.durations) / 3
    assert scenario.arrivals.gap == pytest.approx(best / 2 / 0.5)
    given_gap = RandomStream(gap=12.5).make(0)
    assert isinstance(given_gap.arrivals, Stream) and given_gap.arrivals.gap == 12.5


def test_pressure_switches_say_what_they_do() -> None:
    plain, listed = Pressure().make(0), Pressure(listed=True).make(0)
    assert isinstance(plain.arrivals, Stream) and isinstance(listed.arrivals, Listed)
    times = [release.time for release in listed.arrivals.jobs]
    assert times == sorted(times) and len({*times}) < len(times)
    assert Pressure(shared=True).make(0).communication.mode == "shared-memory"
    assert {p.capacity for p in Pressure(clusters=True).make(0).processors} == {1, 2}
    assert {p.governor for p in Pressure(scaled=True).make(0).processors} == {
        "ondemand",
        "powersave",
        "constant",
    }
    picky = graphs(Pressure(picky=True, tasks=30).make(0))
    assert {len(able) for graph in picky for able in graph.able} == {1, 3}
    assert any(0 in row for graph in graphs(plain) for row in graph.durations)


def test_options_of_the_profiles() -> None:
    shared = Top(profiles=4, gap=50, mode="shared-memory", noise=0.3, jobs=9).make()
    assert (shared.communication.mode, shared.noise, len(shared.types)) == ("shared-memory", 0.3, 4)
    wifi = Wifi(rate=2, lag=1, wifi_rx=0, grouped=True).make()
    assert [kind.name for kind in wifi.types] == ["wifi_tx", "lag"]
    assert [p.capacity for p in wifi.processors] == [4, 4, 2, 4, 2]
    assert isinstance(wifi.arrivals, Stream) and wifi.arrivals.gap == 500


def test_wrong_fields_are_all_named() -> None:
    with pytest.raises(InputError, match=r"profiles.*\n.*gap") as caught:
        Top(profiles=11, gap=0)
    assert len(caught.value.problems) == 2
    with pytest.raises(InputError, match="all shares are 0"):
        Wifi(wifi_tx=0, wifi_rx=0)
    with pytest.raises(InputError, match="points: 6 is no power of two"):
        Fourier(points=6)
    with pytest.raises(InputError, match="able"):
        Layered(able=0)
    with pytest.raises(InputError, match="noise"):
        RandomStream(noise=float("nan"))
    with pytest.raises(msgspec.ValidationError, match="size"):
        msgspec.convert({"size": 1}, GaussianElimination)
