"""Questions joined and taken apart again, against a plain loop over rows and edges."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hocket.learn.batch import Batch, join, question


def random_question(rng: np.random.Generator) -> Batch:
    tasks, jobs = int(rng.integers(1, 6)), int(rng.integers(0, 4))
    mask = rng.random(tasks) < 0.5
    mask[0] = True
    edges = int(rng.integers(0, 7))
    of = min(edges, 5) if jobs else 0
    return question(
        {"tasks": rng.random((tasks, 3)), "jobs": rng.random((jobs, 2)), "none": np.zeros((0, 1))},
        "tasks",
        mask,
        {
            "before": ("tasks", "tasks", rng.integers(0, tasks, (2, edges))),
            "of": (
                "tasks",
                "jobs",
                np.stack([rng.integers(0, tasks, of), rng.integers(0, max(jobs, 1), of)]),
            ),
        },
    )


def told(batch: Batch) -> list[Any]:
    """Each question by itself: rows, mask and edges counted within it, edges in any order."""
    found = []
    for i in range(batch.size):
        tables = {
            name: table[batch.starts[name][i] : batch.starts[name][i + 1]].tolist()
            for name, table in batch.tables.items()
        }
        links: dict[str, list[tuple[int, int]]] = {}
        for name, link in batch.links.items():
            begin, end = batch.starts[link.source][i : i + 2]
            to = batch.starts[link.target][i]
            links[name] = sorted(
                (int(s - begin), int(t - to)) for s, t in link.ends.T if begin <= s < end
            )
        a, b = batch.bounds[i : i + 2]
        found.append((tables, links, batch.mask[a:b].tolist()))
    return found


@given(st.integers(0, 10**6), st.integers(1, 6))
def test_a_joined_batch_holds_each_question_as_it_was(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    questions = [random_question(rng) for _ in range(count)]
    expected = [told(one)[0] for one in questions]
    whole = join(questions)
    assert whole.size == count
    assert told(whole) == expected
    middle = int(rng.integers(0, count)) or 1
    parts = [join(part) for part in (questions[:middle], questions[middle:]) if part]
    assert told(join(parts)) == expected


@given(st.integers(0, 10**6))
def test_taking_questions_is_taking_them_one_by_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    questions = [random_question(rng) for _ in range(5)]
    wanted = rng.integers(0, 5, int(rng.integers(1, 8)))
    assert told(join(questions).take(wanted)) == [told(questions[i])[0] for i in wanted]


def test_joining_leaves_the_parts_alone() -> None:
    rng = np.random.default_rng(0)
    questions = [random_question(rng) for _ in range(4)]
    before = [told(one) for one in questions]
    join([join(questions), *questions])
    assert [told(one) for one in questions] == before


def test_lanes_and_bounds() -> None:
    batch = join([question({"a": np.zeros((n, 1))}, "a") for n in (2, 1, 3)])
    assert batch.bounds.tolist() == [0, 2, 3, 6]
    assert batch.lane("a").tolist() == [0, 0, 1, 2, 2, 2]
    assert batch.starts["a"].dtype == np.int64
    assert [b - a for a, b in pairwise(batch.bounds)] == [2, 1, 3]
    assert batch.mask.all()
