"""The placement search: the authors' enumeration and results, both algorithms, bad input."""

import math

import numpy as np
import pytest

from hocket.core.errors import InputError, UnknownName, UserError
from hocket.serving.disaggregation import published
from hocket.serving.disaggregation.configurations import (
    Pair,
    Parallel,
    Profile,
    catalogue_profile,
    colocated,
    pairs,
    published_profile,
)
from hocket.serving.disaggregation.goodput import (
    Target,
    attainment,
    bisect,
    decodes_in_time,
    goodput,
    meets,
    prefills_in_time,
    run,
    sample,
)
from hocket.serving.disaggregation.oracle import COUNTS, SEARCHES, authors_sample
from hocket.serving.disaggregation.placement import (
    Options,
    fast_links,
    measure,
    replicas,
    slow_links,
    together,
)

CHAT_13B, CHAT_66B = Target(250, 100), Target(2500, 150)


@pytest.mark.parametrize("model", COUNTS)
def test_as_many_configurations_as_the_authors_enumerate(model):
    profile = published_profile(model)
    for (nodes, gpus), counts in zip(((1, 4), (1, 8), (4, 8)), COUNTS[model].split(), strict=True):
        slow, fast, alone = map(int, counts.split("/"))
        assert len(pairs(profile, nodes, gpus)) == slow
        assert len(pairs(profile, nodes, gpus, fast_links=True)) == fast
        assert len(colocated(profile, nodes * gpus)) == alone


def test_segments_share_nodes():
    profile = published_profile("opt-66b")
    for pair in pairs(profile, 4, 8):
        on_a_node = pair.prefill_tp * pair.prefill_pp + pair.decode_tp * pair.decode_pp
        assert on_a_node <= 8 and pair.cross <= 4
        assert pair.gpus == pair.cross * on_a_node
        assert not 64 % pair.prefill.pp and not 72 % pair.decode.tp


@pytest.mark.parametrize("search", SEARCHES, ids=lambda search: search.model)
def test_the_authors_search_gives_the_same_goodputs(search):
    requests, options = authors_sample(search.requests), Options(step=search.step)
    profile = published_profile(search.model)
    rows, left = measure(pairs(profile, 1, search.gpus), profile, requests, search.target, options)
    found = {tuple(row.placement): row.goodput for row in rows}
    assert left == 0 and rows[0].goodput == search.best
    winners = {key for key, value in found.items() if value == search.best}
    assert winners == set(search.winners)
    vllm = together(
        published_profile(search.model, "vllm"), search.gpus, requests, search.target, 5.0, options
    )
    found |= {tuple(row.placement): row.goodput for row in vllm.evidence}
    assert {key: found[key] for key in search.others} == search.others
    assert vllm.decode is None
    assert vllm.copies == math.ceil(5.0 / (vllm.goodput * vllm.prefill.gpus))


def test_the_best_plan_of_algorithm_2_is_the_best_row_and_is_replicated():
    requests, profile = authors_sample(200), published_profile("opt-66b")
    plan = slow_links(profile, 1, 8, requests, CHAT_66B, 20.0, Options(step=0.25))
    best = plan.evidence[0]
    assert (plan.prefill, plan.decode) == (best.placement.prefill, best.placement.decode)
    assert plan.copies == plan.decode_copies == math.ceil(20.0 / best.rate)
    assert plan.gpus == plan.copies * best.placement.gpus
    goodputs = [row.goodput for row in plan.evidence]
    assert goodputs == sorted(goodputs, reverse=True)
    assert str(plan).startswith("prefill ")


def test_algorithm_1_takes_the_best_cut_of_each_phase():
    requests, profile = authors_sample(200), published_profile("opt-13b")
    plan = fast_links(profile, 1, 4, requests, CHAT_13B, 30.0, Options(step=0.25))
    assert {row.placement for row in plan.evidence} == set(colocated(profile, 4))
    assert plan.prefill == plan.evidence[0].placement
    assert plan.decode == plan.decode_evidence[0].placement
    assert plan.copies == replicas(30.0, plan.evidence[0].rate)
    # The pair within the same target cannot do better than its phases do by themselves.
    together_rate = goodput(Pair(1, *plan.prefill, *plan.decode), profile, requests, CHAT_13B)
    assert together_rate <= plan.goodput + 0.25


def test_goodput_is_bracketed_by_rates_that_pass_and_fail():
    requests, profile = authors_sample(200), published_profile("opt-13b")
    pair = Pair(1, 2, 1, 1, 1)
    best = goodput(pair, profile, requests, CHAT_13B, step=0.25)
    assert meets(pair, profile, requests, best * pair.gpus, CHAT_13B)
    assert not meets(pair, profile, requests, (best + 0.25) * pair.gpus, CHAT_13B)


def test_joint_targets_are_harder_than_separate_ones():
    requests, profile = authors_sample(200), published_profile("opt-13b")
    pair = Pair(1, 1, 1, 1, 1)
    separate = Target(250, 60)
    joint = separate._replace(joint=True)
    assert goodput(pair, profile, requests, joint) <= goodput(pair, profile, requests, separate)
    times = run(pair, profile, requests, 4.0)
    met = [t < 250 and p < 60 for t, p in zip(times.ttft, times.tpot, strict=True)]
    assert attainment(times, joint) == np.mean(met)


def test_workers_change_nothing_and_progress_counts():
    requests, profile = authors_sample(100), published_profile("opt-13b")
    seen = []
    options = Options(step=0.5, progress=lambda *args: seen.append(args))
    alone = measure(pairs(profile, 1, 4), profile, requests, CHAT_13B, options)
    assert [done for done, _, _ in seen] == list(range(1, 10)) and seen[0][1] == 9
    shared = measure(
        pairs(profile, 1, 4), profile, requests, CHAT_13B, Options(step=0.5, workers=2)
    )
    assert alone == shared


def test_a_search_can_be_stopped_and_says_what_is_left():
    requests, profile = authors_sample(100), published_profile("opt-13b")
    seen = []
    options = Options(progress=lambda *args: seen.append(args), stop=lambda: len(seen) >= 3)
    plan = slow_links(profile, 1, 4, requests, CHAT_13B, 1.0, options)
    assert len(plan.evidence) == 3 and plan.left == 6


def test_packing_up_to_l_m_changes_waves_but_a_longer_prompt_still_runs():
    requests = authors_sample(200)
    packed = published_profile("opt-13b", pack=512)
    assert packed.instance(Parallel(1, 1)).pack == 512
    assert max(requests.prompt) > 512
    assert goodput(Pair(1, 2, 1, 1, 1), packed, requests, CHAT_13B) > 0


def test_targets_that_nothing_meets_and_models_that_do_not_fit():
    requests, profile = authors_sample(50), published_profile("opt-13b")
    with pytest.raises(UserError, match="none of 9 placements meets"):
        slow_links(profile, 1, 4, requests, Target(1, 1), 1.0, Options(step=4.0))
    with pytest.raises(UserError, match="no placement fits"):
        slow_links(published_profile("opt-175b"), 1, 8, requests, CHAT_66B, 1.0)
    with pytest.raises(UserError, match="does not fit"):
        run(Parallel(1, 1), published_profile("opt-66b"), requests, 1.0)
    with pytest.raises(UnknownName, match="opt-66b"):
        published_profile("opt-66")


def test_memory_of_the_catalogue_where_none_was_measured():
    times = published.times("opt-13b")
    profile = catalogue_profile("opt-13b", "A100-80GB", times)
    assert Parallel(1, 1) in profile.memory and (1, 3) not in profile.memory
    measured = published.memory("opt-13b")
    for cut in (Parallel(1, 1), Parallel(2, 1), Parallel(4, 1)):
        assert profile.memory[cut] == pytest.approx(measured[cut], rel=0.12)
    assert (
        catalogue_profile("opt-66b", "A100-80GB", published.times("opt-66b")).memory.get((1, 1))
        is None
    )


def test_requests_that_an_instance_cannot_hold_are_never_in_time():
    profile, long = (
        published_profile("opt-66b"),
        sample([(11_000, 700)], 2, np.random.default_rng(0)),
    )
    easy = Target(10**9, 10**9)
    assert not meets(Pair(1, 2, 1, 4, 1), profile, long._replace(prompt=long.prompt * 2), 1.0, easy)
    assert not meets(Pair(1, 4, 1, 2, 1), profile, long, 1.0, easy)
    assert meets(Pair(1, 2, 1, 4, 1), profile, long, 1.0, easy)
    small = profile.instance(Parallel(2, 1))
    assert prefills_in_time(small, long, 1.0, easy)
    assert not prefills_in_time(small, long._replace(prompt=long.prompt * 2), 1.0, easy)
    assert not decodes_in_time(small, long, 1.0, easy)
    with pytest.raises(InputError, match="11600"):
        run(Pair(1, 2, 1, 4, 1), profile, long._replace(prompt=long.prompt * 2), 1.0)


def test_samples_are_seeded_and_keep_rows_together():
    lengths = [(i, 1000 + i) for i in range(1, 60)]
    one = sample(lengths, 40, np.random.default_rng(3))
    two = sample(lengths, 40, np.random.default_rng(3))
    assert all((a == b).all() for a, b in zip(one, two, strict=True))
    assert (one.output - one.prompt == 1000).all() and len(set(one.prompt.tolist())) == 40
    assert one.arrivals(2.0)[-1] == pytest.approx(one.arrivals(4.0)[-1] * 2)
    assert len(sample(lengths, 200, np.random.default_rng(3)).prompt) == 200
    smooth = sample(lengths, 2000, np.random.default_rng(3), cv=0.1)
    assert smooth.gaps[1:].std() == pytest.approx(0.1, rel=0.1)
    with pytest.raises(UserError, match="rows"):
        sample([1, 2], 10, np.random.default_rng(3))


def test_bisection_needs_no_more_than_a_pass_at_each_middle():
    asked = []

    def passes(rate):
        asked.append(rate)
        return rate <= 5.3

    assert bisect(passes, 16.0, 0.25) == 5.25
    assert asked == [8.0, 4.0, 6.0, 5.0, 5.5, 5.25]
    assert bisect(lambda rate: False, 16.0, 1.0) == 0.0


def test_a_profile_without_a_degree_leaves_it_out():
    full = published_profile("opt-13b")
    only_two = Profile(40, 40, {2: full.times[2]}, full.memory)
    assert not only_two.fits(Parallel(1, 1)) and only_two.fits(Pair(1, 2, 1, 2, 2))
    rows, _ = measure(pairs(only_two, 1, 4), only_two, authors_sample(50), CHAT_13B)
    assert [tuple(row.placement) for row in rows] == [(1, 2, 1, 2, 1)]
