"""Published workloads of pods: what their papers say of them holds of what is drawn."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hocket.cluster.generate import EXAMPLES, named, names
from hocket.cluster.generate.dynamic import CORES, MEMORY, Churn
from hocket.cluster.generate.pareto import Pareto, mean_of_larger, rarer
from hocket.cluster.generate.replicasets import MEGABYTE, ReplicaSets
from hocket.core.errors import InputError, UnknownName


@given(
    nodes=st.integers(1, 32),
    per_node=st.integers(1, 8),
    priorities=st.integers(1, 4),
    utilisation=st.sampled_from([0.9, 0.95, 1.0, 1.05]),
    seed=st.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
def test_replicasets_are_as_published(
    nodes: int, per_node: int, priorities: int, utilisation: float, seed: int
) -> None:
    generator = ReplicaSets(
        nodes=nodes, pods_per_node=per_node, priorities=priorities, utilisation=utilisation
    )
    cluster = generator.make(seed)
    assert not any(cluster.problems())
    assert len(cluster.pods) == nodes * per_node
    assert len({str(node.allocatable) for node in cluster.nodes}) == 1
    sizes = Counter(pod.owner for pod in cluster.pods)
    assert set(sizes.values()) <= {1, 2, 3, 4}
    for pod in cluster.pods:
        assert 100 <= pod.requests["milli_cpu"] <= 1000
        assert 100 * MEGABYTE <= pod.requests["memory"] <= 1000 * MEGABYTE
        assert 1 <= pod.priority <= priorities
        number = int(pod.owner.rpartition("-")[2])
        assert (pod.arrival, pod.lifetime, pod.node) == (3000 * number, None, None)
    for owner in sizes:
        alike = {(str(pod.requests), pod.priority) for pod in cluster.pods if pod.owner == owner}
        assert len(alike) == 1
    for resource, unit in (("milli_cpu", 1), ("memory", MEGABYTE)):
        asked = [pod.requests[resource] for pod in cluster.pods]
        each = cluster.nodes[0].allocatable[resource]
        enough = Fraction(sum(asked)) / Fraction(str(utilisation)) / nodes
        assert each == max(max(asked), each)
        if each > max(asked):  # a unit for each of the two roundings up
            assert enough <= each < enough + unit + Fraction(unit, nodes)


def test_all_replicasets_at_once() -> None:
    assert ReplicaSets(at_once=True).make().static
    assert not ReplicaSets().make().static


def test_sizes_and_priorities_are_even() -> None:
    cluster = ReplicaSets(nodes=1000, pods_per_node=10).make()
    sizes = Counter(Counter(pod.owner for pod in cluster.pods).values())
    priorities = Counter({pod.owner: pod.priority for pod in cluster.pods}.values())
    for counts in (sizes, priorities):
        assert sorted(counts) == [1, 2, 3, 4]
        assert max(counts.values()) < 1.1 * min(counts.values())


@pytest.mark.parametrize(
    "pareto",
    [
        Pareto(least=0.05, mean=0.125, most=0.5),
        Pareto(least=4.0, mean=368.0, most=86_400.0),
        Pareto(least=1.0, mean=np.log(2) * 2, most=2.0),  # of shape 1
    ],
)
def test_truncated_pareto_distributions_have_their_mean(pareto: Pareto) -> None:
    assert pareto.wrong == ""
    drawn = pareto.draw(np.random.default_rng(1), 1_000_000)
    assert drawn.min() >= pareto.least and drawn.max() <= pareto.most
    assert drawn.mean() == pytest.approx(pareto.mean, rel=0.02)
    middle = float(np.median(drawn))
    assert pareto.above(np.array([middle]))[0] == pytest.approx(0.5, abs=0.005)
    assert pareto.above(np.array([pareto.least, pareto.most])) == pytest.approx([1, 0])
    other = pareto.draw(np.random.default_rng(2), 1_000_000)
    larger = np.maximum(drawn, other).mean()
    assert mean_of_larger(pareto, pareto) == pytest.approx(larger, rel=0.02)


def test_rarer_numbers() -> None:
    assert rarer(3, 0.5) == pytest.approx([4 / 7, 2 / 7, 1 / 7])
    assert rarer(2, 1.0) == pytest.approx([0.5, 0.5])


def test_churn_is_as_full_as_it_should_be() -> None:
    generator = Churn(nodes=64, gap=1.0, most_gap=16.0, most_life=3600.0)
    cluster = generator.make(1)
    assert not any(cluster.problems())
    horizon = generator.duration
    area = sum(
        max(pod.requests["milli_cpu"] / CORES, pod.requests["memory"] / MEMORY)
        * min(pod.lifetime or 0, horizon - pod.arrival)
        for pod in cluster.pods
    )
    assert area / horizon / 64 == pytest.approx(0.9, rel=0.05)
    sets = {pod.owner for pod in cluster.pods if pod.owner.startswith("ReplicaSet/rs-")}
    assert horizon / len(sets) == pytest.approx(1000, rel=0.05)
    first = sum(pod.requests["milli_cpu"] / CORES for pod in cluster.pods if not pod.arrival)
    assert 0.8 * 64 < first <= 0.9 * 64
    counts = Counter({pod.owner: pod.priority for pod in cluster.pods}.values())
    for priority in (2, 3, 4):
        assert counts[priority] / counts[priority - 1] == pytest.approx(0.8, rel=0.1)


def test_churn_refuses_what_cannot_be() -> None:
    with pytest.raises(InputError, match="gap: has a mean between"):
        Churn(gap=100.0)
    with pytest.raises(InputError, match="request: needs 0 < least < most"):
        Churn(least_request=0.5)
    with pytest.raises(InputError, match="life: has a mean between"):
        Churn(life=2.0)
    with pytest.raises(InputError, match="duration: brings more than"):
        Churn(duration=2**39)
    with pytest.raises(InputError, match="nodes"):
        Churn(nodes=0)
    with pytest.raises(InputError, match="utilisation"):
        ReplicaSets(utilisation=0.0)


def test_names() -> None:
    assert {*EXAMPLES, "replicasets", "churn"} <= set(names())
    for name in EXAMPLES:
        cluster: Any = named(name)
        assert cluster.name == name
        assert not any(cluster.problems())
        assert any(pod.node is None for pod in cluster.pods)
    with pytest.raises(UnknownName, match="did you mean 'fragmented'"):
        named("fragmentet")
