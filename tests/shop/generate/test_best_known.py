"""The dated table of best known bounds."""

import json
from datetime import date

import numpy as np
import pytest

from hocket.core.errors import UnknownName
from hocket.shop.generate import bounded, bounds, named, names
from tests.data import shared

VARIANTS = ("job-shop", "blocking-swap", "blocking-no-swap")


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_entry_is_sound(variant: str) -> None:
    for name in bounded(variant):
        known = bounds(name, variant)
        assert known is not None
        assert 0 < known.lower <= known.upper
        assert known.closed == (known.lower == known.upper)
        assert known.source
        assert len(known.date) == 4 or date.fromisoformat(known.date) < date(2026, 12, 31)


def test_families_are_complete() -> None:
    count = {"ft": 3, "la": 40, "abz": 5, "orb": 10, "swv": 20, "yn": 4, "ta": 80, "dmu": 80}
    found = [name.rstrip("0123456789") for name in bounded()]
    assert {family: found.count(family) for family in dict.fromkeys(found)} == count
    assert set(names()) <= set(bounded())


def test_compares_with_the_public_table() -> None:
    table = json.loads(shared("shop", "jobshop_best_known.json").read_text())
    theirs = {row["instance"].removesuffix("js"): row for row in table}
    for name in bounded():
        known = bounds(name)
        assert known is not None
        row = theirs[name]
        assert (known.lower, known.upper) == (row["lower_bound"], row["upper_bound"])
        assert known.date in {point["date"] for point in row["lb_data"] + row["ub_data"]}


@pytest.mark.parametrize("name", names())
def test_not_below_machine_loads_and_job_lengths(name: str) -> None:
    """No schedule is shorter than the load of a machine or the length of a job; no record is."""
    shop, load = named(name), dict.fromkeys((m.name for m in named(name).machines), 0)
    for job in shop.jobs:
        for operation in job.operations:
            load[operation.machine] += operation.duration
    longest = max(sum(o.duration for o in job.operations) for job in shop.jobs)
    known = bounds(name)
    assert known is not None
    assert max(*load.values(), longest) <= known.lower


def test_known_values() -> None:
    """Shop sheet: ta01 is closed at 1231, ta41 open from 1926 to 2005; ft06 without buffers."""
    assert [(b.lower, b.upper) for b in (bounds("ta01"), bounds("ta41")) if b] == [
        (1231, 1231),
        (1926, 2005),
    ]
    pairs = [bounds("ft06", variant) for variant in VARIANTS]
    assert [b.upper for b in pairs if b] == [55, 63, 69]


def test_less_freedom_takes_longer() -> None:
    """Every schedule without buffers is one with them; without swaps is one with them."""
    gaps = []
    for name in bounded("blocking-swap"):
        plain, swap = bounds(name), bounds(name, "blocking-swap")
        assert plain and swap and plain.upper <= swap.upper and plain.lower <= swap.lower
        gaps.append(swap.upper / plain.upper)
    assert 1.1 < np.mean(gaps) < 1.6
    for name in bounded("blocking-no-swap"):
        swap, none = bounds(name, "blocking-swap"), bounds(name, "blocking-no-swap")
        assert swap and none and swap.lower <= none.upper


def test_unknown() -> None:
    assert bounds("nowhere01") is None
    with pytest.raises(UnknownName, match="did you mean 'blocking-swap'"):
        bounds("ta01", "blocking_swap")
