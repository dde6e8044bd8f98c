"""Instances and strategies for these tests, and a checker that shares no code with the package."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import strategies as st

from hocket.shop.search import Shop

# Fisher & Thompson 1963 and Lawrence 1984, rows are jobs: machine, duration, machine, duration ...
FT06 = """2 1 0 3 1 6 3 7 5 3 4 6
1 8 2 5 4 10 5 10 0 10 3 4
2 5 3 4 5 8 0 9 1 1 4 7
1 5 0 5 2 5 3 3 4 8 5 9
2 9 1 3 4 5 5 4 0 3 3 1
1 3 3 3 5 9 0 10 4 4 2 1"""
FT10 = """0 29 1 78 2 9 3 36 4 49 5 11 6 62 7 56 8 44 9 21
0 43 2 90 4 75 9 11 3 69 1 28 6 46 5 46 7 72 8 30
1 91 0 85 3 39 2 74 8 90 5 10 7 12 6 89 9 45 4 33
1 81 2 95 0 71 4 99 6 9 8 52 7 85 3 98 9 22 5 43
2 14 0 6 1 22 5 61 3 26 4 69 8 21 7 49 9 72 6 53
2 84 1 2 5 52 3 95 8 48 9 72 0 47 6 65 4 6 7 25
1 46 0 37 3 61 2 13 6 32 5 21 9 32 8 89 7 30 4 55
2 31 0 86 1 46 5 74 4 32 6 88 8 19 9 48 7 36 3 79
0 76 1 69 3 76 5 51 2 85 9 11 6 40 7 89 4 26 8 74
1 85 0 13 2 61 6 7 8 64 9 76 5 47 3 52 4 90 7 45"""
LA01 = """1 21 0 53 4 95 3 55 2 34
0 21 3 52 4 16 2 26 1 71
3 39 4 98 1 42 2 31 0 12
1 77 0 55 4 79 2 66 3 77
0 83 3 34 2 64 1 19 4 37
1 54 2 43 4 79 0 92 3 62
3 69 4 77 1 87 2 87 0 93
2 38 0 60 1 41 3 24 4 83
3 17 1 49 4 25 0 44 2 98
4 77 3 79 2 43 1 75 0 96"""
LA02 = """0 20 3 87 1 31 4 76 2 17
4 25 2 32 0 24 1 18 3 81
1 72 2 23 4 28 0 58 3 99
2 86 1 76 4 97 0 45 3 90
4 27 0 42 3 48 2 17 1 46
1 67 0 98 4 48 3 27 2 62
4 28 1 12 3 19 0 80 2 50
1 63 0 94 2 98 3 50 4 80
4 14 0 75 2 50 1 41 3 55
4 72 2 18 1 37 3 79 0 61"""


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
