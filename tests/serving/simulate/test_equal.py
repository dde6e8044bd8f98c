"""The fast replica gives the very timeline of the plain one, byte for byte.

Workloads, limits, policies and pools are drawn at random, small enough that memory, budgets and
seats run short all the time; also what a cluster does to a replica: reservations, copies, requests
that leave and come back, or whose clients go, memory that is pulled, failures. Compared are the
timelines and everything that can be seen from outside while it runs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from hocket.core.kernel import Phase
from hocket.serving.model.cluster import Link, Pool
from hocket.serving.roles.batching import FirstComeFirstServed, Limits
from hocket.serving.simulate.fast import FastReplica
from hocket.serving.simulate.live import Live
from hocket.serving.simulate.plain import PlainReplica
from tests.serving.simulate.stand import Linear, Stand

END = 4000


class ByPriority(FirstComeFirstServed):
    """As serving/priority, and urgent ones may push others out."""

    def rank(self, request):
        return (request.priority, request.arrival)

    def victim(self, view, needy):
        last = max(reversed(view.running), key=lambda r: (r.priority, r.arrival))
        running = any(r.id == needy.id for r in view.running)
        return last.id if running or last.priority > needy.priority else ""


class OldestGivesWay(FirstComeFirstServed):
    """The first admitted gives way, so often one that has its token of the iteration already."""

    def victim(self, view, needy):
        return view.running[0].id


class Careful(FirstComeFirstServed):
    """Lets in by everything that the view shows, and forgets nothing it has heard."""

    def __init__(self, limits):
        super().__init__(limits)
        self.heard = 0

    def rank(self, request):
        return (request.preemptions == 0, request.prompt - request.cached, request.arrival)

    def admits(self, view, request):
        shown = sum(r.computed + 2 * r.generated for r in view.running)
        shown += sum(r.prompt + r.generated for r in view.waiting) + self.heard + view.iteration
        free = view.free < view.blocks
        return f"{shown} is no good" if free and (shown + view.free) % 3 == 0 else ""

    def finished(self, request):
        self.heard += request.generated + request.computed


BATCHERS = {
    kind.__name__: kind for kind in (FirstComeFirstServed, ByPriority, OldestGivesWay, Careful)
}


@dataclass
class Case:
    """Everything of one run; prints itself so that it can be run again."""

    requests: list[tuple[int, int, int, int, int, int]]  # gap, prompt, output, slack, prio, family
    limits: dict[str, Any] = field(default_factory=dict)
    batcher: str = "FirstComeFirstServed"
    pool: dict[str, Any] = field(default_factory=dict)
    unit: int = 1  # blocks per prefix id
    pulled: tuple[int, ...] = ()
    events: list[tuple[str, int, int, int]] = field(default_factory=list)
    reports: bool = False

    def run(self, replica: type) -> tuple[Stand, bytes]:
        """The stand afterwards, and the bytes of its timeline."""
        pool = Pool(**{"kv_blocks": 16, "block_size": 4, **self.pool})
        kind, limits = BATCHERS[self.batcher], Limits(**self.limits)
        stand = Stand(replica, pool, kind(limits), Linear(), 0.07, self.unit * pool.block_size)
        stand.counts_reports = self.reports
        requests = self.lives(pool)
        stand.send(*requests)
        stand.look(every=37, until=END)
        for what, time, amount, last in self.events:
            phase = Phase.FAIL if what == "fail" else Phase.WAKE
            calls = {
                "reserve": (stand.reserve, amount, last),
                "copy": (stand.copy, last),
                "fail": (stand.fail, last, kind(limits)),
            }
            if what == "cancel":
                live = requests[amount % len(requests)]
                stand.kernel.at(time, stand.cancel, live, phase=phase)
            elif what in calls:
                call, *args = calls[what]
                stand.kernel.at(time, call, *args, phase=phase)
            else:
                anew = what == "renew"
                stand.kernel.at(time, self._move, stand, last, requests, anew, phase=phase)
        # Some never end: they give way to one another for ever.
        stand.kernel.at(END, stand.stop, phase=Phase.FAIL)
        stand.kernel.run()
        return stand, stand.close()

    @staticmethod
    def _move(stand: Stand, last: int, requests: list[Live], anew: bool) -> None:
        stand.move(last, requests, anew=anew)

    def lives(self, pool: Pool) -> list[Live]:
        """The requests, none longer than memory."""
        lives, now = [], 0
        most = (pool.kv_blocks or 0) * pool.block_size
        for index, (gap, prompt, output, slack, priority, family) in enumerate(self.requests):
            now += gap
            prompt = min(prompt, most - 1)
            target = min(output, most - prompt)
            units = prompt // (self.unit * pool.block_size)
            hashes = tuple(100 * family + k for k in range(units)) if family else ()
            live = Live(
                index, f"r{index}", now, prompt, target, target + slack, priority, "", hashes
            )
            if index in self.pulled and target > 1:
                live.generated, live.computed, live.source = 1, prompt, (None, None)
                live.first_token = live.last_token = max(0, now - 1)
            lives.append(live)
        return lives


small = st.integers(0, 9)
drawn_limits = st.fixed_dictionaries(
    {
        "tokens": st.one_of(st.none(), st.integers(1, 40)),
        "seqs": st.integers(1, 8),
        "style": st.sampled_from(["mixed", "mixed", "prefill-first", "alternate", "static"]),
        "chunked": st.booleans(),
        "allocate": st.sampled_from(["chunk", "prompt", "longest"]),
        "whole": st.booleans(),
        "watermark": st.sampled_from([0.0, 0.01, 0.13, 0.3]),
        "preemption": st.sampled_from(["recompute", "swap"]),
        "every": st.sampled_from([1, 1, 2, 4]),
        "batch": st.sampled_from([None, None, 1, 2]),
        "urgent": st.booleans(),
        "stubborn": st.booleans(),
    }
)
drawn_requests = st.lists(
    st.tuples(
        st.sampled_from([0, 0, 1, 7, 30, 100]),
        st.integers(1, 30),
        st.integers(1, 25),
        st.integers(0, 5),
        st.integers(-1, 1),
        st.integers(0, 2),
    ),
    min_size=1,
    max_size=10,
)
drawn_pool = st.fixed_dictionaries(
    {
        "kv_blocks": st.integers(3, 30),
        "block_size": st.sampled_from([1, 2, 4]),
        "host_blocks": st.sampled_from([0, 6, 100]),
        "prefix_cache": st.booleans(),
        "pp": st.sampled_from([1, 1, 1, 2, 4]),
        "host_link": st.just(Link(bandwidth=1e-4, latency=2)),
    }
)
drawn_events = st.lists(
    st.tuples(
        st.sampled_from(["reserve", "copy", "move", "renew", "fail", "cancel", "cancel"]),
        st.integers(0, 400),
        st.integers(1, 8),
        st.integers(0, 60),
    ),
    max_size=4,
)


def same(case: Case) -> None:
    plain, expected = case.run(PlainReplica)
    fast, timeline = case.run(FastReplica)
    assert fast.noted == plain.noted
    assert fast.done == plain.done
    assert fast.timeline.columns() == plain.timeline.columns()
    assert timeline == expected


@settings(max_examples=150, deadline=None)
@given(drawn_requests, drawn_limits, st.sampled_from(list(BATCHERS)), drawn_pool)
def test_alone(requests, limits, batcher, pool):
    same(Case(requests, limits, batcher, pool | {"pp": 1, "prefix_cache": False}))


@settings(max_examples=100, deadline=None)
@given(drawn_requests, drawn_limits, st.sampled_from(list(BATCHERS)), drawn_pool, st.integers(1, 2))
def test_with_pipelines_and_shared_prefixes(requests, limits, batcher, pool, unit):
    same(Case(requests, limits, batcher, pool, unit))


@settings(max_examples=150, deadline=None)
@given(
    drawn_requests,
    drawn_limits,
    st.sampled_from(list(BATCHERS)),
    drawn_pool,
    st.integers(1, 2),
    st.lists(st.tuples(st.integers(1, 400), small), max_size=6),
)
def test_cached_blocks_outlive_preemptions_and_clients_that_go(
    requests, limits, batcher, pool, unit, cancels
):
    limits |= {"allocate": "chunk", "seqs": max(3, limits["seqs"])}
    pool |= {"prefix_cache": True, "kv_blocks": min(12, pool["kv_blocks"])}
    events = [("cancel", time, index, 0) for time, index in cancels]
    same(Case(requests, limits, batcher, pool, unit, events=events))


@settings(max_examples=150, deadline=None)
@given(
    drawn_requests,
    drawn_limits,
    st.sampled_from(list(BATCHERS)),
    drawn_pool,
    st.integers(1, 2),
    st.lists(small, max_size=3).map(tuple),
    drawn_events,
    st.booleans(),
)
def test_within_a_cluster(requests, limits, batcher, pool, unit, pulled, events, reports):
    same(Case(requests, limits, batcher, pool, unit, pulled, events, reports))
