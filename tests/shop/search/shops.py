"""Instances and strategies for these tests, and a checker that shares no code with the package."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import strategies as st

from hocket.shop.search import Shop


def parse(text: str) -> Shop:
    rows = [[int(word) for word in line.split()] for line in text.splitlines()]
    return Shop.of([list(zip(row[::2], row[1::2], strict=True)) for row in rows])


def check(shop: Shop, start: np.ndarray) -> int:
    """Assert that `start` is a schedule, by the definition, pair by pair; returns its makespan."""
    first, machine = shop.job_start.tolist(), shop.machine.tolist()
    begin, duration = start.tolist(), shop.duration.tolist()
    end = [b + d for b, d in zip(begin, duration, strict=True)]
    assert len(begin) == len(machine)
    for j, release in enumerate(shop.releases.tolist()):
        steps = range(first[j], first[j + 1])
        assert all(begin[x] >= release for x in steps)
        assert all(begin[y] >= end[x] for x, y in itertools.pairwise(steps))
    for x, y in itertools.combinations(range(len(machine)), 2):
        if machine[x] == machine[y]:
            assert end[x] <= begin[y] or end[y] <= begin[x], (x, y)
    releases = shop.releases.tolist()
    empty = [r for j, r in enumerate(releases) if first[j] == first[j + 1]]
    return max(end + empty, default=0)


def optimum(shop: Shop) -> int:
    """The least makespan of all semi-active schedules, by trying them all. Tiny shops only."""
    first, machine = shop.job_start.tolist(), shop.machine.tolist()
    duration = shop.duration.tolist()
    best = 1 << 62

    def extend(following: list[int], ready: list[int], free: list[int], longest: int) -> None:
        nonlocal best
        if longest >= best:
            return
        if all(following[j] == first[j + 1] for j in range(shop.jobs)):
            best = longest
        for j in range(shop.jobs):
            x = following[j]
            if x < first[j + 1]:
                end = max(ready[j], free[machine[x]]) + duration[x]
                now_ready, now_free, now = ready.copy(), free.copy(), following.copy()
                now_ready[j] = now_free[machine[x]] = end
                now[j] += 1
                extend(now, now_ready, now_free, max(longest, end))

    releases = shop.releases.tolist()
    empty = [r for j, r in enumerate(releases) if first[j] == first[j + 1]]
    extend(first[:-1], releases, [0] * shop.machines, max(empty, default=0))
    return best


@st.composite
def shops(draw: st.DrawFn, jobs: int = 5, steps: int = 5, machines: int = 4) -> Shop:
    """Unequal and empty jobs, repeated machines, zero durations, releases."""
    m = draw(st.integers(1, machines))
    step = st.tuples(st.integers(0, m - 1), st.integers(0, 9))
    lines = draw(st.lists(st.lists(step, max_size=steps), min_size=1, max_size=jobs))
    release = draw(
        st.none() | st.lists(st.integers(0, 12), min_size=len(lines), max_size=len(lines))
    )
    return Shop.of(lines, machines=m, release=release)


def random_shop(seed: int, jobs: int, machines: int, recirculate: bool = False) -> Shop:
    """A square random shop as in the benchmarks: durations from 1 to 99."""
    rng = np.random.Generator(np.random.PCG64(seed))
    lines = []
    for _ in range(jobs):
        route = rng.integers(0, machines, machines) if recirculate else rng.permutation(machines)
        lines.append([(int(m), int(rng.integers(1, 100))) for m in route])
    return Shop.of(lines, machines=machines)
