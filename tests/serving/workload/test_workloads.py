"""What every workload promises, and what is special about each."""

from itertools import pairwise

import msgspec
import numpy as np
import pytest
from scipy import stats

from hocket.core.disturb.arrivals import Deterministic, GammaArrivals, Poisson, TraceArrivals
from hocket.core.disturb.noise import GammaNoise
from hocket.core.errors import UserError
from hocket.core.streams import Streams
from hocket.serving.model.requests import Requests
from hocket.serving.workload import (
    Bursts,
    ClosedLoop,
    Conversations,
    Fixed,
    Geometric,
    Llumnix,
    LogNormal,
    Profile,
    Random,
    Rate,
    Separate,
    Step,
    Tenant,
    Trace,
    Uniform,
    Workload,
    faster,
    recorded,
)
from hocket.serving.workload.llumnix import llumnix_lengths

SECOND = 10**6
LENGTHS = Separate(prompt=LogNormal(median=100, p90=400), output=Uniform(low=1, high=50))
TENANTS = (Tenant(name="paid", weight=1, priority=-1), Tenant(name="free", weight=3))
TALKS = Conversations(
    count=40,
    arrivals=Rate(rate=1.0),
    turns=Geometric(mean=4),
    prompt=Uniform(low=1, high=40),
    output=Uniform(low=1, high=40),
    system=37,
    think=SECOND,
    noise=GammaNoise(cv=1.0),
    prefix_block=8,
    tenants=TENANTS,
)
WORKLOADS = [
    Random(count=50, arrivals=Rate(rate=3.0), lengths=LENGTHS, limit=40, tenants=TENANTS),
    ClosedLoop(count=50, clients=7, lengths=LENGTHS, think=5, noise=GammaNoise(cv=1.0)),
    TALKS,
    Llumnix(rate=7.0, count=50, high=0.3),
    Llumnix(rate=7.0, count=50, cv=3.0, seed=None),
    Trace(arrival=(0, 3, 3), prompt=(4, 5, 6), output=(1, 2, 3), tenant=("a", "", "a")),
]
IDS = [f"{type(workload).__name__}-{i}" for i, workload in enumerate(WORKLOADS)]


def same(left: Requests, right: Requests) -> bool:
    return all(
        np.array_equal(getattr(left, f), getattr(right, f))
        if isinstance(getattr(left, f), np.ndarray)
        else getattr(left, f) == getattr(right, f)
        for f in left.__struct_fields__
    )


@pytest.mark.parametrize("workload", WORKLOADS, ids=IDS)
def test_requests_are_sound_and_repeat_themselves(workload):
    assert not list(workload.problems("workload"))
    assert msgspec.convert(msgspec.to_builtins(workload), Workload) == workload
    found = workload.draw(Streams(3), "us")
    assert same(found, workload.draw(Streams(3), "us"))
    n = len(found)
    for field in ("arrival", "prompt", "output", "limit", "priority", "tenant", "follows", "delay"):
        column = getattr(found, field)
        assert column.shape == (n,)
        assert column.dtype == np.int64
    assert np.all(found.prompt >= 1)
    assert np.all(found.output >= 1)
    assert np.all(found.limit >= 1)
    assert np.all(found.delay >= 0)
    assert np.all(found.follows < np.arange(n))
    by_themselves = found.arrival[found.arrival >= 0]
    assert np.all(np.diff(by_themselves) >= 0)
    assert np.all((found.tenant >= 0) & (found.tenant < len(found.tenants)))
    released = (found.follows >= 0) | ((np.arange(n) >= found.clients) & (found.clients > 0))
    assert np.array_equal(found.arrival < 0, released)
    assert len({found.name(i) for i in range(n)}) == n


@pytest.mark.parametrize("workload", WORKLOADS, ids=IDS)
def test_only_streams_of_the_workload_are_used(workload):
    streams = Streams(3)
    workload.draw(streams, "us")
    fresh = Streams(3)
    fresh["policy.x"].random(100)
    assert same(workload.draw(fresh, "us"), workload.draw(Streams(3), "us"))
    assert all(name.startswith("workload.") for name in streams._generators)


@pytest.mark.parametrize("workload", WORKLOADS, ids=IDS)
def test_a_record_yields_the_same_requests_in_every_run(workload):
    drawn = workload.draw(Streams(3), "us")
    trace = recorded(drawn)
    assert not list(trace.problems("workload"))
    again = trace.draw(Streams(99), "us")
    for field in ("arrival", "prompt", "output", "priority", "follows", "delay"):
        assert np.array_equal(getattr(drawn, field), getattr(again, field))
    assert [drawn.tenants[i] for i in drawn.tenant] == [again.tenants[i] for i in again.tenant]
    assert (drawn.prefix, drawn.clients, drawn.names) == (again.prefix, again.clients, again.names)
    assert recorded(again) == trace


def test_rates_move_the_same_requests():
    slow = WORKLOADS[0]
    fast = faster(slow, 4.0)
    before, after = slow.draw(Streams(1), "us"), fast.draw(Streams(1), "us")
    assert np.array_equal(before.prompt, after.prompt)
    assert np.array_equal(before.output, after.output)
    assert np.array_equal(before.tenant, after.tenant)
    assert np.allclose(before.arrival, 4 * after.arrival, atol=4)


@pytest.mark.parametrize(
    "arrivals",
    [
        Rate(rate=3.0, cv=2.0),
        Poisson(rate=3e-6),
        GammaArrivals(rate=3e-6, cv=2.0),
        Deterministic(interval=400_000, offset=80),
        TraceArrivals(at=tuple(range(0, 5_000_000, 100_000))),
        Profile(steps=(Step(at=0, rate=2.0),)),
    ],
)
def test_every_process_can_be_faster(arrivals):
    workload = Random(count=50, arrivals=arrivals, lengths=LENGTHS)
    before = workload.draw(Streams(1), "us").arrival
    after = faster(workload, 2.0).draw(Streams(1), "us").arrival
    assert np.allclose(before, 2 * after, atol=2)


def test_bursts_that_are_faster_keep_their_windows():
    arrivals = Bursts(rate=1.0, peak=9.0, quiet=SECOND, burst=SECOND)
    workload = faster(Random(count=5, arrivals=arrivals, lengths=LENGTHS), 2.0)
    assert workload.arrivals == Bursts(rate=2.0, peak=18.0, quiet=SECOND, burst=SECOND)


def test_a_closed_loop_has_no_rate():
    loop = WORKLOADS[1]
    for workload in (loop, recorded(loop.draw(Streams(0), "us"))):
        with pytest.raises(UserError, match="number of clients"):
            faster(workload, 2.0)
    for factor in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(UserError, match="positive"):
            faster(WORKLOADS[0], factor)


def test_tenants_have_their_shares_and_priorities():
    workload = msgspec.structs.replace(WORKLOADS[0], count=20_000)
    found = workload.draw(Streams(0), "us")
    counts = np.bincount(found.tenant)
    assert stats.chisquare(counts, [5000, 15000]).pvalue > 1e-4
    assert np.array_equal(found.priority, np.where(found.tenant == 0, -1, 0))
    assert np.all(found.limit == 40)


def test_think_times_have_their_mean_and_law():
    loop = ClosedLoop(
        count=20_000, clients=5, lengths=LENGTHS, think=SECOND, noise=GammaNoise(cv=1.0)
    )
    found = loop.draw(Streams(0), "us")
    assert stats.kstest(found.delay, stats.expon(scale=SECOND).cdf).pvalue > 1e-4
    assert np.array_equal(np.flatnonzero(found.arrival == 0), np.arange(5))


def test_llumnix_traces():
    found = Llumnix(rate=7.4, prompt=128, output=512, high=0.1).draw(Streams(0), "us")
    assert [int(x) for x in np.percentile(found.prompt, [50, 80, 95, 99])] == [38, 113, 413, 1464]
    assert found.arrival[0] == 0
    published = np.random.RandomState(0xCADE)
    llumnix_lengths(published, 128, 10_000)
    llumnix_lengths(published, 512, 10_000)
    assert found.arrival[1] == round(published.exponential(1 / 7.4) * SECOND)
    gaps = np.diff(found.arrival) / SECOND
    assert stats.kstest(gaps, stats.expon(scale=1 / 7.4).cdf).pvalue > 1e-4
    assert np.mean(found.priority == -1) == pytest.approx(0.1, abs=5 * 0.3 / 100)
    bursty = Llumnix(rate=26.0, cv=4.0).draw(Streams(0), "us")
    gaps = np.diff(bursty.arrival) / SECOND
    assert gaps.std() / gaps.mean() == pytest.approx(4.0, rel=0.1)
    other = msgspec.structs.replace(WORKLOADS[4])
    assert not same(other.draw(Streams(0), "us"), other.draw(Streams(1), "us"))
    assert same(WORKLOADS[3].draw(Streams(0), "us"), WORKLOADS[3].draw(Streams(1), "us"))


class TestConversations:
    found = TALKS.draw(Streams(3), "us")

    def turns(self):
        """The rows of each conversation."""
        begins = [*np.flatnonzero(self.found.follows < 0).tolist(), len(self.found)]
        return [range(a, b) for a, b in pairwise(begins)]

    def test_each_turn_follows_the_one_before(self):
        assert len(self.turns()) == TALKS.count
        for rows in self.turns():
            for row in rows[1:]:
                assert self.found.follows[row] == row - 1
                assert self.found.priority[row] == (-1 if self.found.tenant[row] == 0 else 0)
                assert self.found.tenant[row] == self.found.tenant[rows[0]]

    def test_a_prompt_is_the_history_and_new_text(self):
        for rows in self.turns():
            assert 38 <= self.found.prompt[rows[0]] <= 77
            for row in rows[1:]:
                before = self.found.prompt[row - 1] + self.found.output[row - 1]
                assert 1 <= self.found.prompt[row] - before <= 40

    def test_equal_ids_are_exactly_equal_tokens(self):
        """Against the tokens themselves, written out one by one."""
        tokens = {}
        for talk, rows in enumerate(self.turns()):
            length = int(self.found.prompt[rows[-1]])
            said = [("system", i) for i in range(37)] + [(talk, i) for i in range(37, length)]
            for row in rows:
                prompt = said[: self.found.prompt[row]]
                ids = self.found.prefix[row]
                assert len(ids) == len(prompt) // 8
                for i, block in enumerate(ids):
                    tokens.setdefault(block, set()).add(tuple(prompt[: 8 * (i + 1)]))
        assert all(len(prefixes) == 1 for prefixes in tokens.values())
        assert len({next(iter(prefixes)) for prefixes in tokens.values()}) == len(tokens)

    def test_the_number_of_turns_has_its_mean(self):
        many = msgspec.structs.replace(TALKS, count=4000).draw(Streams(0), "us")
        sigma = np.sqrt(4 * 3) / np.sqrt(4000)
        assert len(many) / 4000 == pytest.approx(4, abs=5 * sigma)

    def test_a_conversation_ends_before_it_grows_too_long(self):
        cut = msgspec.structs.replace(TALKS, longest=200).draw(Streams(3), "us")
        assert len(cut) < len(self.found)
        assert np.all(cut.prompt + cut.output <= 200)
        kept = {name: i for i, name in enumerate(self.found.names)}
        for i, name in enumerate(cut.names):
            assert cut.prompt[i] == self.found.prompt[kept[name]]
        lost = set(self.found.names) - set(cut.names)
        first_lost = {}
        for name in sorted(lost, key=lambda n: int(n.partition(".")[2])):
            first_lost.setdefault(name.partition(".")[0], name)
        for name in first_lost.values():
            assert self.found.prompt[kept[name]] + self.found.output[kept[name]] > 200

    def test_its_first_turn_is_always_sent(self):
        cut = msgspec.structs.replace(TALKS, longest=1).draw(Streams(3), "us")
        assert len(cut) == TALKS.count

    def test_short_prompts_do_not_share_a_long_opening_that_they_do_not_reach(self):
        talks = Conversations(
            count=3,
            arrivals=Rate(rate=1.0),
            turns=Fixed(tokens=1),
            prompt=Fixed(tokens=1),
            output=Fixed(tokens=1),
            system=15,
        )
        assert talks.draw(Streams(0), "us").prefix == ((0,), (1,), (2,))


def test_a_trace_may_know_the_last_block_in_part_and_keeps_the_order_of_its_tenants():
    names = tuple(f"t{i}" for i in range(9, 0, -1))
    trace = Trace(
        arrival=(0,) * 9, prompt=(17,) * 9, output=(1,) * 9, prefix=((1, 2),) * 9, tenant=names
    )
    assert not list(trace.problems("w"))
    assert trace.draw(Streams(0), "us").tenants == names


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"prompt": ()}, "w.prompt"),
        ({"output": (1,)}, "w.output"),
        ({"limit": (1,)}, "w.limit"),
        ({"names": ("a", "b", "a")}, "w.names"),
        ({"arrival": (0, 5, 4)}, "w.arrival[2]"),
        ({"prefix": ((1,), (2, 3), ())}, "w.prefix[1]"),
        ({"prefix": ((1,), (2,), (3, 4))}, "w.prefix[2]"),
        ({"follows": (-1, 1, 0)}, "w.follows[1]"),
        ({"follows": (-1, -1, 0), "arrival": (0, 1, 2)}, "w.arrival[2]"),
        ({"clients": 1, "arrival": (0, 0, 2)}, "w.arrival[2]"),
        ({"clients": 2, "follows": (-1, -1, -1), "arrival": (0, 0, 0)}, "w.follows"),
    ],
)
def test_a_trace_that_contradicts_itself_is_told_where(changes, path):
    sound = Trace(arrival=(0, 1, 2), prompt=(9, 10, 11), output=(1, 1, 1))
    wrong = msgspec.structs.replace(sound, **changes)
    assert not list(sound.problems("w"))
    assert path in [problem.path for problem in wrong.problems("w")]


@pytest.mark.parametrize(
    ("tenants", "said"),
    [((), "no tenants"), ((Tenant(name="a"), Tenant(name="a")), "earlier tenant")],
)
def test_tenants_that_cannot_be_told_apart(tenants, said):
    for workload in (WORKLOADS[0], WORKLOADS[1], TALKS):
        wrong = msgspec.structs.replace(workload, tenants=tenants)
        assert any(said in str(problem) for problem in wrong.problems("w"))
