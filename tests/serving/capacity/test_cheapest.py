"""The cheapest fleet, against looking at every one, and against what is known."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

import hocket
from hocket.core.errors import InputError, NotApplicable, UnknownName
from hocket.core.solution import Solution
from hocket.serving.capacity import cheapest, crew, settle
from hocket.serving.capacity.evidence import MEETS
from hocket.serving.capacity.fleet import configurations
from hocket.serving.capacity.probe import Outcome
from hocket.serving.capacity.solve import solve
from hocket.serving.model.cluster import Cluster, Pool, Slo
from hocket.serving.model.search import Search
from hocket.serving.workload import Trace
from tests.serving.capacity.cases import SERVICE, chats, everything, line, monotone

BOTH: Any = ("colocated", "disaggregated")


def wide(world: Cluster) -> Cluster:
    """The scenario with a search over GPUs, cuts, roles, policies and budgets."""
    search = Search(
        gpus=("A100-80GB", "L40S"),
        price={"A100-80GB": 2.5, "L40S": 1.0},
        tp=(1, 2),
        split=BOTH,
        policies=("serving/vllm-v1", "serving/distserve"),
        tokens=(512, 2048),
        most=3,
    )
    return replace(world, search=search)


@settings(max_examples=12)
@given(
    rate=st.floats(1, 40),
    seed=st.integers(0, 9),
    ttft=st.integers(50, 1500),
    tpot=st.integers(9, 50),
    share=st.sampled_from([0.5, 0.9, 1.0]),
    split=st.sampled_from([("colocated",), ("disaggregated",), BOTH]),
    prices=st.sampled_from([{}, {"A100-80GB": 2.0, "L40S": 1.0}]),
)
def test_it_is_what_looking_at_all_fleets_finds(
    rate: float, seed: int, ttft: int, tpot: int, share: float, split: Any, prices: dict[str, float]
) -> None:
    slo = Slo(ttft=ttft * 1000, tpot=tpot * 1000, share=share)
    kinds = ("A100-80GB", "L40S")
    world = chats(
        rate=rate, count=30, slo=slo, gpus=kinds, price=prices, split=split, most=3, tokens=(700,)
    )
    assert world.search is not None
    found = solve(world, seed=seed, workers=1)
    attainments = everything(world, seed)
    kept, _ = configurations(world, world.search)
    prices_that_meet = [
        kept[i].price(world.search, counts)
        for (i, counts), attainment in attainments.items()
        if attainment >= share
    ]
    if found.value is not None:
        assert found.value in prices_that_meet
        assert found.plan is not None and found.feasible
        again = hocket.run(found.plan.scenario, found.plan.policy, seed=seed)
        assert again.metrics["attainment"] >= share
    assume(monotone(attainments, share))
    assert found.value == min(prices_that_meet, default=None)
    assert found.bound == found.value
    assert found.status == ("optimal" if prices_that_meet else "infeasible")


@pytest.mark.parametrize("rate", [4.0, 9.0, 23.0, 35.0, 61.0])
def test_servers_of_fixed_time(rate: float) -> None:
    """Evenly spaced requests of 0.1 s each need rate x 0.1 servers, rounded up."""
    found = solve(line(rate), workers=1)
    assert (found.value, found.status) == (math.ceil(rate * SERVICE), "optimal")


def test_prices_decide_between_gpus() -> None:
    """A GPU of half the speed is worth it if it costs less than half."""
    for price, gpu in ((0.4, "L40S"), (0.6, "A100-80GB")):
        slow = {"gpu": "L40S", "cost": {"kind": "constant", "seconds": 2 * SERVICE}}
        fast = {"gpu": "A100-80GB", "cost": {"kind": "constant", "seconds": SERVICE}}
        plain = hocket.load(
            {
                "problem": "serving/cluster",
                "workload": {
                    "kind": "random",
                    "count": 150,
                    "arrivals": {"kind": "deterministic", "interval": 26_000},
                    "lengths": {
                        "kind": "separate",
                        "prompt": {"kind": "fixed", "tokens": 10},
                        "output": {"kind": "fixed", "tokens": 1},
                    },
                },
                "slo": {"ttft": "250 ms"},
                "search": {
                    "gpus": ["A100-80GB", "L40S"],
                    "price": {"A100-80GB": 1.0, "L40S": price},
                    "policies": [{"policy": "serving/vllm-v1", "seqs": 1}],
                    "costs": [slow, fast],
                },
            }
        )
        found = hocket.solve(plain, workers=1)
        assert found.plan is not None
        world: Any = found.plan.scenario
        assert world.pools[0].gpu == gpu
        assert found.value == pytest.approx(8 * price if gpu == "L40S" else 4)


def test_evidence_tells_of_every_configuration() -> None:
    world = wide(chats(count=40))
    found = solve(world, workers=1)
    assert world.search is not None
    kept, _ = configurations(world, world.search)
    told = {(r["gpu"], r["tp"], r["split"], r["policy"]) for r in found.evidence}
    assert len(told) == len(kept)
    assert found.evidence[0]["verdict"] == MEETS
    assert found.evidence[0]["price"] == found.value
    assert found.plan is not None
    best = found.evidence[0]
    assert found.timeline is not None
    metrics = hocket.run(found.plan.scenario, found.plan.policy).metrics
    for figure in ("attainment", "ttft_p99", "tpot_p90", "goodput"):
        assert best[figure] == metrics[figure]
    skipped = [r["verdict"] for r in found.evidence if r.get("attainment") is None]
    assert skipped and all(text.startswith("not run: costs") for text in skipped)
    assert all(
        r["price"] >= found.value or r["verdict"] != MEETS for r in found.evidence if "price" in r
    )


def test_a_model_that_does_not_fit_is_told_with_gib() -> None:
    world = replace(chats(), pools=(Pool(model="llama-3.1-70b"),))
    world = replace(world, search=Search(tp=(1, 4), gpus=("A100-80GB",), most=2))
    found = solve(replace(world, slo=Slo(ttft=10**8)), workers=1)
    assert found.value == 4
    unfit = [r for r in found.evidence if "does not fit" in r["verdict"]]
    assert [r["tp"] for r in unfit] == ["1"]
    assert "GiB too much" in unfit[0]["verdict"]
    alone = solve(replace(world, search=Search(tp=(1,))), workers=1)
    assert alone.status == "infeasible"
    assert "GiB too much" in alone.reason


@pytest.mark.parametrize(
    ("slo", "limit", "hint"),
    [
        (Slo(ttft=1), "miss ttft", "faster GPUs"),
        (Slo(ttft=10**8, tpot=1), "miss tpot", "higher tp"),
    ],
)
def test_an_slo_that_no_fleet_meets(slo: Slo, limit: str, hint: str) -> None:
    found = solve(chats(slo=slo), workers=1)
    assert (found.status, found.value, found.bound) == ("infeasible", None, None)
    assert not found.feasible
    for part in ("4 replicas", "90.00%", limit, hint, "the nearest"):
        assert part in found.reason
    assert any(r.get("ttft_p99") for r in found.evidence)  # the nearest was run to the end


def test_the_number_of_workers_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crew, "WORTH", 0)  # also this little work goes to processes
    world = wide(chats(count=40))
    one, two = solve(world, workers=1), solve(world, workers=2)

    def known(found: Solution) -> Any:
        return replace(found, seconds=0.0, log=())

    assert known(one) == known(two)
    assert one.status == "optimal"


def test_progress_closes_the_gap() -> None:
    steps: list[tuple[float | None, float | None]] = []
    found = solve(wide(chats()), workers=1, progress=lambda *step: steps.append(step[1:]))
    assert steps == [(step.value, step.bound) for step in found.log]
    assert steps[-1] == (found.value, found.bound)
    values = [value for value, _ in steps if value is not None]
    bounds = [bound for _, bound in steps if bound is not None]
    assert values == sorted(values, reverse=True) and bounds == sorted(bounds)
    assert all(v is None or b is None or b <= v for v, b in steps)


def _after(found: int, error: type[BaseException] | None) -> Callable[..., Outcome]:
    """The probe of the search, ended by `error` once so many simulations are done."""
    count = 0

    def probe(*arguments: Any, **named: Any) -> Outcome:
        nonlocal count
        count += 1
        if count > found and error is not None:
            raise error
        return genuine(*arguments, **named)

    genuine = settle.probe
    return probe


@pytest.mark.parametrize("done", [0, 1, 3, 8])
def test_an_interrupt_keeps_what_was_found(done: int, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = solve(wide(chats(count=50, rate=20.0)), workers=1)
    monkeypatch.setattr(settle, "probe", _after(done, KeyboardInterrupt))
    found = solve(wide(chats(count=50, rate=20.0)), workers=1)
    assert found.interrupted
    assert found.status in ("feasible", "unknown")
    assert "interrupted before" in found.reason
    assert sum(r.get("attainment") is not None for r in found.evidence) == done
    assert whole.value is not None
    assert found.bound is not None and found.bound <= whole.value
    if found.value is None:
        assert found.timeline is None
    else:
        assert found.feasible and found.value >= whole.value


@pytest.mark.parametrize("limited", [{"time_limit": 0.0}, {"stop": lambda: True}])
def test_no_time_is_no_error(limited: dict[str, Any]) -> None:
    found = solve(wide(chats()), workers=1, **limited)
    assert (found.status, found.value, found.interrupted) == ("unknown", None, False)
    assert "the time limit was reached before 32 of 32" in found.reason
    assert found.bound == 1.0


def test_stop_ends_between_simulations() -> None:
    looks = iter([False] * 60 + [True] * 10**6)
    found = solve(wide(chats(count=30)), workers=1, stop=lambda: next(looks))
    assert found.value is not None and found.status == "feasible"
    assert found.feasible


@pytest.mark.parametrize(
    ("count", "meets", "value", "told"),
    [
        (5, False, 4, "5 replicas of A100-80GB with serving/vllm-v1(seqs=1) do not meet"),
        (2, True, 2, "3 replicas of A100-80GB with serving/vllm-v1(seqs=1) do not meet"),
    ],
)
def test_contradictions_are_told(
    count: int, meets: bool, value: int, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fleet that fails where a smaller one does not: nothing is claimed to be optimal."""
    genuine = settle.probe

    def odd(world: Cluster, *arguments: Any, **named: Any) -> Outcome:
        if world.pools[0].count != count:
            return genuine(world, *arguments, **named)
        limit: Any = "" if meets else "ttft"
        return Outcome(meets=meets, attainment=float(meets), limit=limit)

    monkeypatch.setattr(settle, "probe", odd)
    found = solve(line(35.0), workers=1)
    assert (found.value, found.status) == (value, "feasible")
    assert told in found.reason


def test_long_logs_are_ranked_on_busy_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A log of two halves, the second five times as fast: its capacity is that of the second."""
    monkeypatch.setattr(cheapest, "LEAST_PART", 100)
    slow = [i * 100_000 for i in range(1000)]
    fast = [slow[-1] + (i + 1) * 20_000 for i in range(1000)]
    trace = Trace(arrival=tuple(slow + fast), prompt=(10,) * 2000, output=(1,) * 2000)
    policies = tuple({"policy": "serving/vllm-v1", "seqs": n} for n in (1, 2, 3))
    world = replace(line(1.0, policies=policies), workload=trace, slo=Slo(ttft=250_000))
    found = solve(world, workers=1)
    assert (found.value, found.status) == (2, "optimal")  # three at a time on 2 replicas
    assert found.plan is not None and found.plan.policy["seqs"] == 3
    runs = [r for r in found.evidence if r.get("attainment") is not None]
    assert len(runs) <= 6  # hints were right: the best, around it, and what others fail with


def test_mistakes_are_told() -> None:
    with pytest.raises(InputError, match="asks for nothing"):
        solve(replace(chats(), slo=Slo()))
    with pytest.raises(UnknownName, match="objective"):
        hocket.solve(chats(), "makespan")
    with pytest.raises(UnknownName, match="method"):
        hocket.solve(chats(), method="cp-sat")
    with pytest.raises(NotApplicable, match="simulation"):
        solve(chats(), method="cp-sat")
