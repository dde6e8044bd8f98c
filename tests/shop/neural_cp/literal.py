"""The authors' constraint engine and observation, written out literally: slow, and independent."""

import itertools
from statistics import fmean, pstdev

import numpy as np
from hypothesis import strategies as st

from hocket.shop.search import Shop

FOREVER = 2**30

Jobs = list[list[tuple[int, int]]]


@st.composite
def shops(draw, machines=3, durations=(0, 6), jobs=5, operations=7):
    """Small shops, with recirculation, jobs of different lengths and operations of no length."""
    step = st.tuples(st.integers(0, machines - 1), st.integers(*durations))
    line = st.lists(step, min_size=1, max_size=operations)
    found = draw(st.lists(line, min_size=1, max_size=jobs))
    release = draw(st.lists(st.integers(0, 9), min_size=len(found), max_size=len(found)))
    return Shop.of(found, machines, release)


def jobs_of(shop) -> Jobs:
    first = shop.job_start.tolist()
    steps = list(zip(shop.machine.tolist(), shop.duration.tolist(), strict=True))
    return [steps[a:b] for a, b in itertools.pairwise(first)]


class Engine:
    """Every operation an interval with a lower bound, propagated until nothing changes."""

    def __init__(self, shop):
        self.jobs = jobs_of(shop)
        release = shop.releases.tolist()
        self.lower = [[release[j]] * len(job) for j, job in enumerate(self.jobs)]
        self.fixed = [[False] * len(job) for job in self.jobs]
        self.done = [0] * len(self.jobs)
        self.propagate()

    def propagate(self):
        changed = True
        while changed:
            changed = False
            for j, k in self.open():
                bound = self.lower[j][k]
                if k:
                    bound = max(bound, self.lower[j][k - 1] + self.jobs[j][k - 1][1])
                for i, o in self.started():
                    if self.jobs[i][o][0] == self.jobs[j][k][0]:
                        begin = self.lower[i][o]
                        end = begin + self.jobs[i][o][1]
                        if bound < begin < bound + self.jobs[j][k][1] or begin <= bound < end:
                            bound = end
                changed |= bound > self.lower[j][k]
                self.lower[j][k] = bound

    def open(self):
        return [(j, k) for j, job in enumerate(self.jobs) for k in range(self.done[j], len(job))]

    def started(self):
        return [(j, k) for j in range(len(self.jobs)) for k in range(self.done[j])]

    def bounds(self):
        return [
            self.lower[j][k] if k < len(self.jobs[j]) else FOREVER for j, k in enumerate(self.done)
        ]

    @property
    def now(self):
        return min(self.bounds())

    def later(self):
        distinct = sorted(set(self.bounds()))
        return distinct[1] if len(distinct) > 1 else FOREVER

    def legal(self):
        jobs = [bound == self.now < FOREVER for bound in self.bounds()]
        return [*jobs, self.later() < FOREVER]

    def one(self, action):
        if action < len(self.jobs):
            self.fixed[action][self.done[action]] = True
            self.done[action] += 1
        else:
            until = self.later()
            for j, k in enumerate(self.done):
                if k < len(self.jobs[j]):
                    self.lower[j][k] = max(self.lower[j][k], until)
        self.propagate()

    def step(self, order):
        """Legal actions of an order, until the clock moves; those illegal at first are left out."""
        possible, now, taken = self.legal(), self.now, []
        for action in order:
            if self.now != now or self.now == FOREVER:
                break
            if possible[action] and self.legal()[action]:
                self.one(action)
                taken.append(action)
        return taken

    def observation(self):
        """Five slots per job: features, positions, tokens, padding; and both masks."""
        least = min(self.done)
        features, positions, tokens, padding = [], [], [], []
        for j, job in enumerate(self.jobs):
            rows, places, kinds, hidden = [], [], [], []
            if self.done[j] == 0:
                rows.append([0, 0, 0, 0])
                places.append(least - 1)
                kinds.append(1)
                hidden.append(False)
            for k in range(max(self.done[j] - 1, 0), len(job)):
                if len(rows) < 5:
                    started = k < self.done[j]
                    rows.append([started, self.lower[j][k], job[k][1], k == self.done[j]])
                    places.append(k)
                    kinds.append(0)
                    hidden.append(False)
            ends = 0
            while len(rows) < 5:
                rows.append([0, 0, 0, 0])
                places.append(least - 1)
                kinds.append(2)
                hidden.append(ends > 0)
                ends += 1
            features.append(rows)
            positions.append(places)
            tokens.append(kinds)
            padding.append(hidden)
        return (
            self._normalised(features),
            np.minimum(np.array(positions) - min(0, np.min(positions)), 99),
            np.array(tokens),
            np.array(padding),
            self._attends(),
            np.array(self.legal()),
        )

    def _normalised(self, features):
        second = [float(value) for rows in features for value in rows[1]]
        times = [float(step[1]) for job in self.jobs for step in job]
        found = np.array(features, float)
        found[..., 1] = (found[..., 1] - fmean(second)) / (pstdev(second) + 1e-8)
        found[..., 2] = (found[..., 2] - fmean(times)) / (pstdev(times) + 2e-8)
        return found

    def _attends(self):
        n, legal = len(self.jobs), self.legal()
        found = np.eye(n, dtype=bool)
        for a in range(n):
            for b in range(n):
                if legal[a] and legal[b]:
                    machines = [self.jobs[j][self.done[j]][0] for j in (a, b)]
                    found[a, b] |= machines[0] == machines[1]
        return found
