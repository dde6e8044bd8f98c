import numpy as np
import pytest

from hocket.core.streams import Streams
from hocket.shop.check.single import check
from hocket.shop.generate.potts import potts_van_wassenhove
from hocket.shop.metrics.single import metrics as single_metrics
from hocket.shop.model.single import SingleJob, SingleMachine
from hocket.shop.policies import rules as dispatching
from hocket.shop.policies.sequencing import (
    EDDC,
    MDDC,
    NBR,
    POLICIES,
    PSK,
    AugmentedMDD,
    AugmentedMDDC,
    Decomposition,
    Dynasearch,
    MooreHodgson,
    Panneerselvam,
    TardinessDescent,
)
from hocket.shop.simulate.single import simulate
from hocket.shop.tardiness import augmented, discovered, rules
from hocket.shop.tardiness.decomposition import decompose
from hocket.shop.tardiness.descent import descent


def machine(p, d, w=None, releases=None, objective="total_tardiness"):
    n = len(p)
    return SingleMachine(
        name="test",
        objective=objective,
        jobs=tuple(
            SingleJob(
                name=f"j{i}",
                duration=int(p[i]),
                due=int(d[i]),
                weight=1 if w is None else int(w[i]),
                release=0 if releases is None else int(releases[i]),
            )
            for i in range(n)
        ),
    )


def order(timeline):
    spans = sorted(timeline.spans("run"), key=lambda span: (span.start, span.end))
    return [int(span.group[1:]) for span in spans]


def drawn(n, seed, rdd=0.4, tf=0.6):
    return potts_van_wassenhove(n, rdd, tf, np.random.default_rng(seed), clip=True)


@pytest.mark.parametrize(
    ("policy", "sequence"),
    [
        (PSK(), rules.psk),
        (Panneerselvam(), rules.panneerselvam),
        (NBR(), rules.nbr),
        (MooreHodgson(), rules.moore_hodgson),
        (EDDC(), discovered.eddc),
        (EDDC(version="paper"), rules.edd),
        (MDDC(), discovered.mddc),
        (AugmentedMDD(), augmented.augmented_mdd),
        (AugmentedMDDC(), augmented.augmented_mddc),
        (TardinessDescent(), lambda p, d: descent(p, d, start=rules.mdd(p, d)).sequence),
        (Decomposition(), lambda p, d: decompose(p, d).sequence),
    ],
    ids=lambda value: str(value) if hasattr(value, "problems") else "",
)
def test_the_machine_follows_the_sequence(policy, sequence):
    p, d = drawn(25, 1)
    assert order(simulate(machine(p, d), policy)) == sequence(p, d).tolist()


def distinct(seed, n=20):
    """Jobs without ties, which dispatching rules and sequences may break differently.

    Distinct primes above the weights: no two ratios of weight to duration are equal either.
    """
    rng = np.random.default_rng(seed)
    primes = [q for q in range(11, 120) if all(q % k for k in range(2, 11))]
    p = rng.permutation(np.array(primes)[:n])
    d = rng.permutation(np.arange(n)) * 47 + 60
    return p, d, rng.integers(1, 9, n)


@pytest.mark.parametrize("seed", range(3))
def test_dispatching_rules_agree_with_the_array_level(seed):
    p, d, w = distinct(seed)
    scenario = machine(p, d, w)
    pairs = [
        (dispatching.SPT(), rules.spt(p, d)),
        (dispatching.EDD(), rules.edd(p, d)),
        (dispatching.MDD(), rules.mdd(p, d)),
        (dispatching.WSPT(), rules.wspt(p, w)),
        (dispatching.ATC(k=1.5), rules.atc(p, d, w, k=1.5)),
    ]
    for policy, sequence in pairs:
        assert order(simulate(scenario, policy)) == sequence.tolist(), policy.name


def test_decomposition_is_best_and_its_value_is_the_metric():
    p, d = drawn(30, 2)
    scenario = machine(p, d)
    value = {
        kind.name: single_metrics(scenario, simulate(scenario, kind()))["total_tardiness"]
        for kind in (*POLICIES, dispatching.MDD, dispatching.EDD)
    }
    assert value["shop/decomposition"] == decompose(p, d).value == min(value.values())
    assert value["shop/dynasearch"] <= value["shop/mdd"] < value["shop/edd"]


@pytest.mark.parametrize("kind", POLICIES, ids=lambda kind: kind.name)
def test_released_jobs_are_sequenced_anew(kind):
    rng = np.random.default_rng(3)
    p, d = drawn(18, 3)
    releases = rng.integers(0, int(p.sum()), 18) * (rng.random(18) < 0.7)
    scenario = machine(p, d, releases=releases)
    timeline = simulate(scenario, kind())
    assert check(scenario, timeline) == []
    assert sorted(order(timeline)) == list(range(18))
    # Never idle while a job waits: the work is done as early as the releases allow.
    end = 0
    for job in np.argsort(releases, kind="stable"):
        end = max(end, int(releases[job])) + int(p[job])
    assert max(span.end for span in timeline.spans("run")) == end


def test_a_late_arrival_is_seen_in_ticks_from_now():
    # At 10 the machine is free and jobs 1 and 2 have come; job 1 is due in 3, job 2 in 2. MDD-like
    # rules on absolute times would agree; Panneerselvam's index works with what is left to do.
    scenario = machine([10, 3, 4], [10, 13, 12], releases=[0, 4, 6])
    waiting = rules.panneerselvam([3, 4], [3, 2])
    expected = [0, *(waiting + 1).tolist()]
    assert order(simulate(scenario, Panneerselvam())) == expected


def test_weights_count_if_the_objective_has_them():
    p, d, w = distinct(5, n=12)
    plain, weighted = machine(p, d, w), machine(p, d, w, objective="weighted_tardiness")
    for scenario, weights in ((plain, None), (weighted, w)):
        start = rules.wmdd(p, d, np.ones(12, int) if weights is None else w)
        expected = descent(p, d, weights, start=start).sequence.tolist()
        assert order(simulate(scenario, TardinessDescent())) == expected


def test_dynasearch_draws_from_its_own_stream():
    p, d = drawn(40, 6, rdd=0.2)
    scenario = machine(p, d)
    policy = Dynasearch(iterations=3, insertions=False)
    one, two = (order(simulate(scenario, policy, seed=s)) for s in (1, 1))
    assert one == two
    decider = policy.begin(scenario, Streams(9))
    assert decider.rng is not policy.begin(scenario, Streams(9)).rng


def test_parameters_are_checked():
    with pytest.raises(ValueError, match="iterations"):
        Dynasearch(iterations=-1)
    with pytest.raises(ValueError, match="nodes"):
        Decomposition(nodes=-1)


def test_a_node_limit_is_obeyed():
    p, d = drawn(40, 7, rdd=0.2)
    limited = order(simulate(machine(p, d), Decomposition(nodes=0)))
    assert limited == decompose(p, d, node_limit=0).sequence.tolist()
