"""The worked examples of the papers that the list schedulers come from."""

from __future__ import annotations

import pytest

from hocket.core.errors import UnknownName
from hocket.taskgraph.planning.listing import makespan, plan
from hocket.taskgraph.planning.ranks import downward_ranks, optimistic_costs, upward_ranks
from tests.taskgraph.textbook import ARABNEJAD, TOPCUOGLU, compiled


def test_ranks_of_topcuoglu() -> None:
    # Table 3 of the paper.
    graph, platform = compiled(TOPCUOGLU)
    up = [108.000, 77.000, 80.000, 80.000, 69.000, 63.333, 42.667, 35.667, 44.333, 14.667]
    down = [0.000, 31.000, 25.000, 22.000, 24.000, 27.000, 62.333, 66.667, 63.667, 93.333]
    assert upward_ranks(graph, platform) == pytest.approx(up, abs=5e-4)
    assert downward_ranks(graph, platform) == pytest.approx(down, abs=5e-4)


def test_heft_schedule_of_topcuoglu() -> None:
    graph, platform = compiled(TOPCUOGLU)
    # Figure 3a: processor, start and finish of tasks 1 to 10.
    expected = [
        (2, 0, 9),
        (0, 27, 40),
        (2, 9, 28),
        (1, 18, 26),
        (2, 28, 38),
        (1, 26, 42),
        (2, 38, 49),
        (0, 57, 62),
        (1, 56, 68),
        (1, 73, 80),
    ]
    assert [tuple(task)[1:] for task in plan(graph, platform, "heft")] == expected


@pytest.mark.parametrize(("method", "length"), [("heft", 80), ("cpop", 86), ("dls", 91)])
def test_lengths_of_topcuoglu(method: str, length: int) -> None:
    # The paper compares these in the section on its example.
    assert makespan(*compiled(TOPCUOGLU), method) == length


@pytest.mark.parametrize(
    ("method", "length"), [("peft", 122), ("lookahead-heft", 127), ("heft", 133)]
)
def test_lengths_of_arabnejad(method: str, length: int) -> None:
    # Figure 3 of the paper shows the three schedules.
    assert makespan(*compiled(ARABNEJAD), method) == length


def test_optimistic_costs_of_arabnejad() -> None:
    assert optimistic_costs(*compiled(ARABNEJAD)) == [
        [64, 68, 86],
        [42, 39, 42],
        [27, 41, 43],
        [42, 39, 50],
        [28, 37, 28],
        [42, 39, 44],
        [13, 16, 22],
        [13, 16, 33],
        [13, 16, 20],
        [0, 0, 0],
    ]


def test_peft_schedule_of_arabnejad() -> None:
    expected = [
        (0, 0, 22),
        (0, 29, 51),
        (0, 51, 83),
        (0, 22, 29),
        (2, 35, 70),
        (1, 29, 46),
        (0, 83, 97),
        (1, 54, 77),
        (2, 81, 89),
        (1, 106, 122),
    ]
    assert [tuple(task)[1:] for task in plan(*compiled(ARABNEJAD), "peft")] == expected


def test_unknown_method() -> None:
    with pytest.raises(UnknownName, match="'hetf': did you mean 'heft'"):
        plan(*compiled(TOPCUOGLU), "hetf")
