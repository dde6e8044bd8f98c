"""`serving/distserve` in the simulated cluster: roles, memory, limits, replanning."""

import msgspec
import pytest

from hocket.serving.disaggregation import published
from hocket.serving.facts import engine_of
from hocket.serving.metrics import metrics
from hocket.serving.model.cluster import Cluster, Link, Pool, Slo
from hocket.serving.policies.distserve import DistServe, DistServeBatching, Pulling
from hocket.serving.roles.batching import Limits, Request
from hocket.serving.simulate.cluster import simulate
from hocket.serving.simulate.plain import PlainReplica
from hocket.serving.views import Snapshot
from hocket.serving.workload import Profile, Random, Rate, Separate, Step, Uniform
from hocket.testing import check_policy

LENGTHS = Separate(prompt=Uniform(low=64, high=1024), output=Uniform(low=16, high=256))


def opt13b(name, role, tp=1, **fields):
    costs = published.coefficients("opt-13b", tp)
    fields = {"kv_blocks": published.memory("opt-13b")[tp, 1] // 16} | fields
    return Pool(name=name, model="opt-13b", tp=tp, role=role, cost=costs, **fields)


def cluster(*pools, rate=6.0, count=300, **fields):
    arrivals = fields.pop("arrivals", Rate(rate=rate))
    fields = {"slo": Slo(ttft=250_000, tpot=100_000)} | fields
    workload = Random(count=count, lengths=LENGTHS, arrivals=arrivals)
    return Cluster(workload=workload, pools=pools, **fields)


PAIR = (opt13b("p", "prefill", 2), opt13b("d", "decode"))


def spans(timeline, kind):
    columns = timeline.columns()["spans"]
    rows = zip(*columns.values(), strict=True)
    return [dict(zip(columns, row, strict=True)) for row in rows if row[0] == kind]


def test_prompts_run_on_one_pool_and_answers_on_the_other():
    timeline = simulate(cluster(*PAIR), DistServe())
    work = spans(timeline, "run")
    prefills = [span for span in work if span["lane"] == "p-0"]
    decodes = [span for span in work if span["lane"] == "d-0"]
    assert len(prefills) == 300 and len(prefills) + len(decodes) == len(work)
    assert len(spans(timeline, "transfer")) == 300


def test_fast_and_plain_replicas_agree():
    scenario = cluster(*PAIR, link=Link(bandwidth=4.0, latency=500))
    fast, plain = (
        simulate(scenario, DistServe(), **how).columns() for how in ({}, {"replica": PlainReplica})
    )
    for table in ("spans", "points", "tallies"):
        assert fast[table] == plain[table]


def test_a_slow_link_holds_the_memory_of_the_prefill_replica_and_slows_it():
    small = (opt13b("p", "prefill", 2, kv_blocks=200), PAIR[1])
    fast = cluster(*small, link=Link(bandwidth=100.0))
    slow = cluster(*small, link=Link(bandwidth=0.8))
    times = [metrics(c, simulate(c, DistServe()))["ttft_mean"] for c in (fast, slow)]
    assert times[1] > 1.5 * times[0]


def test_prompts_are_packed_up_to_l_m_and_longer_ones_run_alone():
    batcher = DistServeBatching(pack=512).batcher(engine_of(cluster(*PAIR), PAIR[0]), None)
    assert batcher.limits.tokens == 512 and not batcher.limits.chunked
    own = DistServeBatching().batcher(engine_of(cluster(*PAIR), PAIR[0]), None)
    assert 256 < own.limits.tokens < 2048
    packed, single = (
        simulate(cluster(*PAIR, rate=12.0), DistServe(pack=pack)).digest() for pack in (4096, 1)
    )
    assert packed != single


def view(running, blocks=100, size=16):
    return Snapshot(0, 0, size, blocks, blocks, lambda: running, list)


def test_a_decode_replica_pulls_only_while_little_memory_is_on_its_way():
    batcher = Pulling(Limits(), 0.05)
    ready = Request("a", 0, 1000, computed=1000, generated=1)
    coming = Request("b", 0, 63, computed=0, generated=1)
    head = Request("c", 0, 100, computed=100, generated=1)
    assert batcher.admits(view([ready]), head) == ""
    assert batcher.admits(view([ready, coming]), head) == ""  # 4 blocks of 100
    told = batcher.admits(view([ready, coming, coming]), head)
    assert told == "8 blocks of requests on their way, of 100"


def test_a_decode_replica_that_runs_out_swaps_or_recomputes_and_finishes_all():
    for preemption in ("swap", "recompute"):
        decode = opt13b("d", "decode", kv_blocks=400, host_blocks=2000)
        scenario = cluster(PAIR[0], decode, rate=9.0)
        timeline = simulate(scenario, DistServe(preemption=preemption))
        found = metrics(scenario, timeline)
        assert found["preemptions"] > 0 and found["finished"] == 300


def test_what_it_cannot_run_is_refused():
    both = cluster(opt13b("v", "both"))
    assert "role prefill" in DistServe().refuses(both)
    assert DistServe().refuses(cluster(*PAIR)) == ""
    aimless = cluster(*PAIR, slo=Slo())
    assert DistServe().refuses(aimless) == ""
    assert "slo.ttft" in DistServe(replan_every=10.0).refuses(aimless)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"waiting_share": 0}, DistServe)


SURGE = Profile(steps=(Step(at=0, rate=3.0), Step(at=60_000_000, rate=14.0)))


def surge(start_up):
    pools = (
        opt13b("p", "prefill", 2, start_up=start_up, most=8),
        opt13b("d", "decode", start_up=start_up, most=8),
    )
    return cluster(*pools, count=1500, arrivals=SURGE)


def test_replanning_adds_replicas_after_a_shift_and_reload_time_delays_them():
    policy = DistServe(replan_every=10.0, window=30.0)
    fixed, quick, slow = (
        simulate(scenario, rule)
        for scenario, rule in (
            (surge(0), DistServe()),
            (surge(1_000_000), policy),
            (surge(40_000_000), policy),
        )
    )
    assert not spans(fixed, "start")
    for timeline, delay in ((quick, 1_000_000), (slow, 40_000_000)):
        started = spans(timeline, "start")
        assert started and {span["end"] - span["start"] for span in started} == {delay}
        assert all(span["start"] > 60_000_000 for span in started)
    shares = [metrics(surge(0), timeline)["attainment"] for timeline in (fixed, slow, quick)]
    assert shares[0] < shares[1] < shares[2]


def test_replanning_drains_what_a_calm_workload_does_not_need():
    calm = Profile(steps=(Step(at=0, rate=12.0), Step(at=80_000_000, rate=2.0)))
    pools = (opt13b("p", "prefill", 2, count=3, most=8), opt13b("d", "decode", count=4, most=8))
    scenario = cluster(*pools, count=1400, arrivals=calm)
    timeline = simulate(scenario, DistServe(replan_every=10.0, window=30.0))
    drained = {span["lane"] for span in spans(timeline, "drain")}
    assert any(lane.startswith("p-") for lane in drained)
    assert any(lane.startswith("d-") for lane in drained)
    assert metrics(scenario, timeline)["finished"] == 1400


def test_no_shift_means_no_change():
    policy = DistServe(replan_every=5.0, window=30.0, threshold=3.0)
    timeline = simulate(cluster(*PAIR, count=600), policy)
    assert not spans(timeline, "start") and not spans(timeline, "drain")


def test_it_keeps_what_is_promised_of_every_policy():
    tight = (opt13b("p", "prefill", 2, kv_blocks=200), opt13b("d", "decode", kv_blocks=200))
    scenarios = [cluster(*PAIR, count=60, rate=12.0), cluster(*tight, count=60, rate=12.0)]
    assert "8 checks passed" in str(check_policy(DistServe(), scenarios, seeds=(0,)))
    rising = Profile(steps=(Step(at=0, rate=2.0), Step(at=30_000_000, rate=12.0)))
    scenario = cluster(*PAIR, count=200, arrivals=rising)
    report = check_policy(DistServe(replan_every=5.0, window=10.0), [scenario], seeds=(0,))
    assert "8 checks passed" in str(report)
