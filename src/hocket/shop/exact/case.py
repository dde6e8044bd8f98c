"""What is to be planned: a job shop, and for re-planning what has happened already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from hocket.shop.exact.horizon import horizon as latest_end
from hocket.shop.exact.openings import Windows, windows
from hocket.shop.exact.plan import Placed
from hocket.shop.model.arrays import Setups, ShopArrays, arrays, setup_times
from hocket.shop.model.jobshop import JobShop


@dataclass(frozen=True)
class Case:
    """A planning problem with all tables that the model needs. Times are ticks.

    - `jobs`: the jobs to plan, as indices; `past`: operations whose place is settled
    - `now`: nothing else starts earlier
    - `families`: per machine, the setup family it is in at `now`
    - `opened`: per machine, its open windows up to `horizon`; None if it is always open
    - `horizon`: if there is a schedule at all, a best one ends by then; or `limit` if that is less
    """

    shop: JobShop
    data: ShopArrays
    objective: str
    jobs: Sequence[int]
    past: dict[int, Placed] = field(default_factory=dict)
    now: int = 0
    families: tuple[str, ...] = ()
    setups: Setups = field(default_factory=list)
    opened: tuple[Windows | None, ...] = ()
    horizon: int = 0

    @property
    def blocking(self) -> bool:
        """Whether a job keeps its machine until it moves on."""
        return self.shop.blocking != "no"

    def operations(self, job: int) -> range:
        """The numbers of a job's operations."""
        return range(self.data.first[job], self.data.first[job + 1])


def full_case(shop: JobShop, objective: str, *, limit: int | None = None) -> Case:
    """The whole scenario from time 0; `limit` is an end that is known to be enough."""
    return case_at(shop, arrays(shop), objective, limit=limit)


def case_at(
    shop: JobShop,
    data: ShopArrays,
    objective: str,
    *,
    jobs: Sequence[int] | None = None,
    past: dict[int, Placed] | None = None,
    now: int = 0,
    families: tuple[str, ...] | None = None,
    limit: int | None = None,
) -> Case:
    """Some jobs of a scenario, seen from `now`."""
    jobs = range(len(data.jobs)) if jobs is None else jobs
    past = past or {}
    tables = setup_times(shop)
    end = latest_end(shop, data, tables, jobs, past, now)
    if limit is not None:
        end = min(end, limit)
    # One tick more, because an operation of no length may start at the very end.
    opened = tuple(
        None if m.calendar is None else windows(m.calendar.closures(end + 1), end + 1)
        for m in shop.machines
    )
    return Case(
        shop=shop,
        data=data,
        objective=objective,
        jobs=jobs,
        past=past,
        now=now,
        families=families or tuple(m.family for m in shop.machines),
        setups=tables,
        opened=opened,
        horizon=end,
    )
