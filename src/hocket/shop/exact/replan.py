"""Plan the rest of a shop in which some operations have started or are done."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from hocket.core.disturb.calendars import Calendar
from hocket.shop.exact import warm
from hocket.shop.exact.case import case_at
from hocket.shop.exact.model import build, read
from hocket.shop.exact.plan import Placed, Plan
from hocket.shop.model.arrays import Ints, Setups, ShopArrays, setup_times
from hocket.shop.model.jobshop import JobShop
from hocket.solvers.cpsat import minimize


class Situation(NamedTuple):
    """A shop at `now`. Arrays are indexed by operation; -1 says "not yet". Times are ticks.

    `started` includes the setup, as `ShopView.started` does.
    """

    now: int
    assigned: Ints
    started: Ints
    finished: Ints


def replan(
    shop: JobShop,
    data: ShopArrays,
    situation: Situation,
    jobs: Sequence[int],
    *,
    effort: float,
    before: Plan,
) -> Plan | None:
    """The best plan found for `jobs`, with what has started where it is; None if none was found.

    Deterministic: one worker, and `effort` in CP-SAT's deterministic time. `before` is the plan so
    far, from which the search starts. Ctrl-C raises KeyboardInterrupt: a plan that depends on when
    someone lost patience must not become part of a run.
    """
    tables = setup_times(shop)
    past, families = _settled(shop, data, tables, situation, jobs)
    case = case_at(
        shop,
        data,
        shop.objective,
        jobs=jobs,
        past=past,
        now=situation.now,
        families=families,
    )
    v = build(case)
    if all(o in past for o in v.planned):
        return {o: past[o] for o in v.planned}
    outcome = minimize(
        v.model,
        time_limit=None,
        workers=1,
        deterministic_limit=effort,
        hint=warm.hints(v, _shifted(before, past, situation.now)),
    )
    if outcome.interrupted:
        raise KeyboardInterrupt
    return read(v, outcome) if outcome.found else None


def _settled(
    shop: JobShop,
    data: ShopArrays,
    tables: Setups,
    situation: Situation,
    jobs: Sequence[int],
) -> tuple[dict[int, Placed], tuple[str, ...]]:
    """The operations of `jobs` that have started, and every machine's present setup family.

    Work in progress is expected to take its nominal time, and one tick more once that is over.
    """
    wanted = set(jobs)
    past: dict[int, Placed] = {}
    families = [machine.family for machine in shop.machines]
    begun = [o for o in range(len(data.operations)) if situation.started[o] >= 0]
    for o in sorted(begun, key=lambda o: (situation.started[o], o)):
        m, start = int(situation.assigned[o]), int(situation.started[o])
        setup = tables[m].get((families[m], data.families[o]), 0)
        families[m] = data.families[o]
        if int(data.job[o]) not in wanted:
            continue
        finish = int(situation.finished[o])
        if finish < 0:
            work = setup + int(data.duration[m, o])
            expected = _expected(shop.machines[m].calendar, start, work)
            finish = max(expected, situation.now + 1)
        past[o] = Placed(m, start, finish, finish)
    return past, tuple(families)


def _expected(calendar: Calendar | None, start: int, work: int) -> int:
    return start + work if calendar is None else calendar.finish(start, work)


def _shifted(before: Plan, past: dict[int, Placed], now: int) -> Plan:
    """The plan so far, with what has happened as it happened and nothing else in the past."""
    late = {
        o: place._replace(start=max(place.start, now), finish=max(place.finish, now))
        for o, place in before.items()
    }
    return late | past
