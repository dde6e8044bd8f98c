"""Replanning: what is seen, when it counts as a shift, what a change costs, what pools it takes."""

import numpy as np
import pytest

from hocket.core.errors import UserError
from hocket.serving.cost import Constant, Roofline
from hocket.serving.disaggregation import published
from hocket.serving.disaggregation.configurations import Parallel
from hocket.serving.disaggregation.goodput import Target, prefills_in_time, sample
from hocket.serving.disaggregation.placement import Plan
from hocket.serving.disaggregation.pools import coefficients, instance, needed, saturation
from hocket.serving.disaggregation.replan import (
    Traffic,
    Window,
    change,
    pays,
    reload_seconds,
    shift,
    traffic,
)
from hocket.serving.model.cluster import Pool


def opt13b(name, role, tp=1, **fields):
    costs = published.coefficients("opt-13b", tp)
    blocks = published.memory("opt-13b")[tp, 1] // 16
    fields = {"cost": costs, "kv_blocks": blocks} | fields
    return Pool(name=name, model="opt-13b", tp=tp, role=role, **fields)


def test_traffic_is_rate_means_and_tails():
    seen = traffic(2.0, [10, 20, 30, 40], [5, 15])
    assert seen == Traffic(2.0, 25.0, 10.0, 37.0, 14.0)
    with pytest.raises(UserError):
        traffic(2.0, [], [1])


def test_a_shift_is_named_and_symmetric():
    was = Traffic(4.0, 500.0, 200.0, 900.0, 400.0)
    assert shift(was, was._replace(rate=5.1), 0.3) == ""
    assert shift(was, was._replace(rate=5.3), 0.3) == "rate went from 4 to 5.3"
    assert shift(was, was._replace(output_p90=200.0)) == "output p90 went from 400 to 200"
    assert shift(was._replace(rate=5.3), was) == "rate went from 5.3 to 4"
    both = was._replace(rate=6.0, prompt=2000.0)
    assert shift(was, both).startswith("prompt went")


def test_the_window_forgets_and_is_bounded():
    window = Window(10.0)
    assert window.traffic(0.0) is None
    for second in range(20):
        window.arrive(second, 100 + second)
        window.finish(second, 100 + second, second)
    seen = window.traffic(19.0)
    assert seen.rate == 1.0 and seen.prompt == np.mean(range(110, 120))
    assert window.rows().tolist() == [[100 + s, s] for s in range(10, 20)]
    in_ticks = Window(10_000.0)
    in_ticks.arrive(9_000.0, 7)
    in_ticks.finish(9_000.0, 7, 3)
    assert in_ticks.traffic(10_000.0, unit=1000.0).rate == 0.1
    small = Window(100.0, most=5)
    for second in range(50):
        small.arrive(second, 1)
        small.finish(second, 1, 1)
    assert len(small.rows()) == 5
    assert small.traffic(50.0).rate == 1.0


def test_a_change_starts_and_stops_instances_by_their_cut():
    four, one, pair = Parallel(4, 1), Parallel(1, 1), Parallel(2, 2)
    before = Plan(prefill=four, copies=2, decode=one, decode_copies=3, goodput=1.0)
    after = Plan(prefill=one, copies=5, decode=pair, decode_copies=1, goodput=1.0)
    step = change(before, after, "opt-66b", 2.0)
    assert step.start == {one: 2, pair: 1} and step.stop == {four: 2}
    assert step.seconds == reload_seconds("opt-66b", 2.0) == pytest.approx(66, rel=0.02)
    fewer = Plan(prefill=four, copies=1, decode=one, decode_copies=1, goodput=1.0)
    assert change(before, fewer, "opt-66b", 2.0) == ({}, {four: 1, one: 2}, 0.0)


def test_a_change_pays_when_the_gpus_saved_outlast_the_reload():
    assert pays(now=10, then=5, seconds=60, horizon=121)
    assert not pays(now=10, then=5, seconds=60, horizon=119)
    assert not pays(now=5, then=5, seconds=1, horizon=10**6)


def test_l_m_is_where_throughput_nears_its_best():
    cost = opt13b("p", "prefill").cost.model(opt13b("p", "prefill"))

    def speed(n):
        return n / cost.iteration(((n, 0),), 0, 0)

    found = saturation(cost, 2048)
    best = max(speed(2**i) for i in range(12))
    assert speed(found) >= 0.9 * best > speed(found - 1)
    assert saturation(Constant(seconds=0.1).model(opt13b("p", "prefill")), 1000) == 461


@pytest.mark.parametrize("pp", [1, 2])
def test_the_form_of_another_cost_model_is_exact_at_the_probes(pp):
    pool = Pool(model="opt-13b", pp=pp, cost=Roofline())
    own, form = pool.cost.model(pool), coefficients(pool).model(pool)
    for n in (128, 512, 2048):
        assert form.iteration(((n, 0),), 0, 0) == pytest.approx(own.iteration(((n, 0),), 0, 0))
    for n, context in ((8, 512), (8, 2048), (64, 512), (128, 512), (128, 2048), (512, 512)):
        assert form.decode(n, n * context) == pytest.approx(own.decode(n, n * context))
    assert coefficients(opt13b("p", "prefill")) is published.coefficients("opt-13b", 1)


def test_needed_replicas_are_the_fewest_that_are_in_time():
    rows = np.array([(64 + 37 * i % 961, 16 + 53 * i % 241) for i in range(300)])
    target = Target(250, 100)
    pools = (opt13b("p1", "prefill"), opt13b("p2", "prefill", 2), opt13b("d", "decode"))
    rate = 30.0
    wanted = needed(pools, rows, rate, target, np.random.default_rng(1))
    assert wanted["d"] >= 1 and sum(n > 0 for n in (wanted["p1"], wanted["p2"])) == 1
    chosen = next(pool for pool in pools if pool.role == "prefill" and wanted[pool.name])
    requests = sample(rows, 3600, np.random.default_rng(1))
    count = wanted[chosen.name]
    assert count > 1
    assert prefills_in_time(instance(chosen), requests, rate / count, target)
    assert not prefills_in_time(instance(chosen), requests, rate / (count - 1), target)


def test_needed_replicas_are_bounded_by_what_a_pool_may_have():
    rows = np.array([(500, 100)] * 10)
    pools = (opt13b("p", "prefill", most=3), opt13b("d", "decode", most=2, kv_blocks=10))
    wanted = needed(pools, rows, 5.0, Target(1.0, 100.0), np.random.default_rng(0))
    assert wanted == {"p": 3, "d": 2}
