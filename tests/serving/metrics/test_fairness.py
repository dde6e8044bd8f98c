"""Fairness among tenants."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hocket.serving.metrics import requests_table
from hocket.serving.metrics.fairness import fairness, jain, max_min
from tests.report.samples import patient
from tests.serving.metrics.record import Record, cluster

amounts = st.lists(st.integers(0, 50), min_size=1, max_size=6)


@patient
@given(amounts)
def test_jain_lies_between_one_and_the_share_of_one(shares: list[int]) -> None:
    found = jain(np.array(shares, dtype=float))
    assert 1 / len(shares) - 1e-12 <= found <= 1 + 1e-12
    assert jain(np.array(shares, dtype=float) * 7) == pytest.approx(found)


def test_jain_of_one_who_has_everything() -> None:
    assert jain(np.array([5.0, 0, 0, 0])) == 0.25
    assert jain(np.full(4, 3.0)) == 1


@patient
@given(amounts, st.integers(0, 200))
def test_max_min_is_what_unit_by_unit_sharing_gives(demands: list[int], total: int) -> None:
    given_out = max_min(total * 60, np.array(demands, dtype=float) * 60)
    # Sixtieths, handed out one by one to the least served that still wants some.
    expected = [0] * len(demands)
    for _ in range(total * 60):
        hungry = [i for i, demand in enumerate(demands) if expected[i] < demand * 60]
        if not hungry:
            break
        expected[min(hungry, key=expected.__getitem__)] += 1
    assert given_out.tolist() == pytest.approx(expected, abs=1)
    assert given_out.sum() == pytest.approx(min(total, sum(demands)) * 60)


def shared(order: list[int]) -> float:
    """The fairness of a replica that serves 20 requests of two tenants one by one in an order."""
    record = Record("replica-0")
    for i in range(20):
        record.arrive(f"r{i}", 0, 99, 1, more=f"0 {'ab'[i % 2]}")
    for place, i in enumerate(order):
        at = 100 * place
        record.serve(f"r{i}", "replica-0", at, at + 100, at + 100, 99, 1)
    return fairness(requests_table(cluster(count=1), record.timeline), 0.001)


def test_taking_turns_is_fair_and_one_after_the_other_is_not() -> None:
    turns = shared(list(range(20)))
    after = shared([*range(0, 20, 2), *range(1, 20, 2)])
    assert turns > 0.99
    assert after < turns


def test_a_tenant_who_asks_little_and_gets_it_is_treated_fairly() -> None:
    record = Record("replica-0")
    for i in range(20):
        record.arrive(f"r{i}", i * 100, 99, 1, more=f"0 {'b' if i == 10 else 'a'}")
        record.serve(f"r{i}", "replica-0", i * 100, i * 100 + 100, i * 100 + 100, 99, 1)
    found = requests_table(cluster(count=1), record.timeline)
    assert found.tenants == ("a", "b")
    assert fairness(found, 0.001) == pytest.approx(1, abs=0.01)


def test_one_tenant_is_always_served_fairly() -> None:
    record = Record("replica-0").arrive("r0", 0, 10, 1)
    assert fairness(requests_table(cluster(count=1), record.timeline), 0.001) == 1
