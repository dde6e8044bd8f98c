"""The parts of the search on their own: time pools, shared GPUs, options."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hocket.cluster.packing.devices import Request, fit
from hocket.cluster.packing.options import Options
from hocket.cluster.packing.pools import Pools
from hocket.core.errors import UserError


def test_pools() -> None:
    """10 s, of which 6 reserved for three tiers: each may use its 2 s and the 4 for all."""
    pools = Pools(10.0, 0.6, 0.5, 3)
    assert pools.tier(10.0) == 6.0
    assert pools.placing(6.0) == 3.0
    pools.use(3.0)  # from the 4 s for all
    assert (pools.free, pools.floor) == (1.0, 6.0)
    pools.use(2.0)  # the last of these, then what is reserved
    assert (pools.free, pools.floor) == (0.0, 5.0)
    pools.done()
    assert pools.tier(5.0) == 2.5
    assert pools.tier(1.0) == 1.0  # never more than is left


def test_pools_give_the_disruption_stage_its_share() -> None:
    assert Pools(10.0, 0.4, 0.3, 1).placing(10.0) == pytest.approx(7.0)
    assert Pools(10.0, 1.0, 0.0, 2).tier(10.0) == 5.0
    assert Pools(10.0, 0.0, 1.0, 2).placing(10.0) == 0.0


requests = st.one_of(
    st.tuples(st.just(1), st.sampled_from([200, 300, 450, 500, 700, 1000])),
    st.tuples(st.integers(0, 3), st.just(1000)),
)


@given(free=st.lists(st.sampled_from([0, 300, 500, 800, 1000]), max_size=4), asked=st.data())
def test_fit_is_exact(free: list[int], asked: st.DataObject) -> None:
    wanted: list[Request] = asked.draw(st.lists(requests, max_size=4))
    found = fit(free, wanted)
    choices = [itertools.combinations(range(len(free)), gpus) for gpus, _ in wanted]
    possible = any(
        min(left(free, wanted, choice), default=0) >= 0 for choice in itertools.product(*choices)
    )
    assert (found is not None) == possible
    if found is not None:
        assert [len(set(devices)) for devices in found] == [gpus for gpus, _ in wanted]
        assert min(left(free, wanted, tuple(found)), default=0) >= 0


def left(free: list[int], wanted: list[Request], choice: tuple[tuple[int, ...], ...]) -> list[int]:
    rest = list(free)
    for (_, milli), devices in zip(wanted, choice, strict=True):
        for device in devices:
            rest[device] -= milli
    return rest


@pytest.mark.parametrize(
    "wrong",
    [{"method": "best"}, {"reserved": 1.5}, {"time_limit": -1}, {"workers": 0}, {"cost": "free"}],
)
def test_options_are_checked(wrong: dict[str, Any]) -> None:
    (name,) = wrong
    with pytest.raises(UserError, match=name):
        Options(**wrong)
