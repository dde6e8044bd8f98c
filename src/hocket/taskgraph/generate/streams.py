"""Streams of jobs on the two systems-on-chip of the DS3 simulators."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import msgspec

from hocket.core.domain import Generator, checked
from hocket.core.errors import InputError, Problem
from hocket.core.scenario import Ticks
from hocket.taskgraph.generate import topcuoglu, wifi
from hocket.taskgraph.generate.base import Capacity, Gap, Noise
from hocket.taskgraph.model.jobs import Stream
from hocket.taskgraph.model.processors import Leakage, NotNegative
from hocket.taskgraph.model.scenario import TaskGraphs

Profiles = Annotated[int, msgspec.Meta(ge=1, le=topcuoglu.MOST)]


class Top(Generator, frozen=True, kw_only=True):
    """Streams of the ten-task graphs of the synthetic profile, as gym_ds3 plays them.

    - `profiles`: jobs are of the first so many graphs, in its nearly even shares
    - `gap`: mean microseconds between arrivals; `capacity`: the most jobs in the system
    - `prefill`: start with as many jobs as that (pseudo-steady state)
    - `noise`: standard deviation of durations as a share of their means
    - `when_full`: what becomes of arrivals while it is full, as in `Stream`
    - `horizon`: when the run ends, in microseconds; `jobs`: arrivals end after so many
    - `mode`: how results travel, from processor to processor or through memory

    The seed of a run draws the arrivals, so all seeds make the same scenario.
    """

    name: ClassVar[str] = "top"
    drawn: ClassVar[bool] = False
    source: ClassVar[str] = (
        "T. T. Sung, J. Ha, J. Kim, A. Yahja, C.-B. Sohn, B. Ryu, DeepSoCS: A neural scheduler for "
        "heterogeneous system-on-chip (SoC) resource scheduling, Electronics 9 (2020) 936; gym_ds3"
    )

    profiles: Profiles = 1
    gap: Gap = 25.0
    capacity: Capacity = 3
    when_full: Literal["retry", "wait"] = "retry"
    prefill: bool = True
    noise: Noise = 0.0
    horizon: Ticks = 5000
    jobs: Annotated[int, msgspec.Meta(ge=1, le=10_000_000)] | None = None
    mode: Literal["direct", "shared-memory"] = "direct"

    def __post_init__(self) -> None:
        checked(self, "taskgraph")

    def make(self, seed: int = 0) -> TaskGraphs:
        """The scenario; `seed` changes nothing in it."""
        talk = topcuoglu.communication()
        return TaskGraphs(
            name=f"top{self.profiles}-{self.gap:g}",
            processors=topcuoglu.processors(),
            communication=msgspec.structs.replace(talk, mode=self.mode),
            types=topcuoglu.types(self.profiles),
            arrivals=Stream(
                gap=self.gap,
                capacity=self.capacity,
                when_full=self.when_full,
                prefill=self.prefill,
                jobs=self.jobs,
            ),
            horizon=self.horizon,
            noise=self.noise,
        )


class Wifi(Generator, frozen=True, kw_only=True):
    """Streams of communication and radar jobs on the heterogeneous system-on-chip of DS3.

    - `rate`: jobs per millisecond that arrive while the system is not full
    - `noise`: standard deviation of durations as a share of their means
    - `wifi_tx`, `wifi_rx`, `lag`, `sc_tx`, `sc_rx`, `mitigation`: shares of the job types; the
      default is that of DS3's case study of schedulers
    - `capacity`: the most jobs in the system; a blocked job enters as soon as there is room
    - `grouped`: clusters are processors of capacity 2 or 4, as gym_ds3 reads them, and not so many
      processors of capacity 1, as DS3 does
    - `horizon`, `warm_up`: microseconds of a run, and those after which jobs are counted

    The seed of a run draws the arrivals, so all seeds make the same scenario.
    """

    name: ClassVar[str] = "wifi"
    drawn: ClassVar[bool] = False
    source: ClassVar[str] = (
        "S. E. Arda, A. Krishnakumar, A. A. Goksoy, N. Kumbhare, J. Mack, A. L. Sartor, A. Akoglu, "
        "R. Marculescu, U. Y. Ogras, DS3: A system-level domain-specific system-on-chip simulation "
        "framework, IEEE Transactions on Computers 69 (2020) 1248-1262"
    )

    rate: Annotated[float, msgspec.Meta(gt=0, le=1000)] = 5.0
    wifi_tx: NotNegative = 0.8
    wifi_rx: NotNegative = 0.2
    lag: NotNegative = 0.0
    sc_tx: NotNegative = 0.0
    sc_rx: NotNegative = 0.0
    mitigation: NotNegative = 0.0
    capacity: Capacity = 12
    grouped: bool = False
    noise: Noise = 0.0
    horizon: Ticks = 100_000
    warm_up: Ticks = 10_000

    def __post_init__(self) -> None:
        checked(self, "taskgraph")
        if not any(getattr(self, name) for name in wifi.JOBS):
            what = "all shares are 0: give one of the job types a positive share"
            raise InputError(f"taskgraph/{self.name}", [Problem("wifi_tx", what)])

    def make(self, seed: int = 0) -> TaskGraphs:
        """The scenario; `seed` changes nothing in it."""
        shares = {name: getattr(self, name) for name in wifi.JOBS}
        return TaskGraphs(
            name=f"wifi-{self.rate:g}",
            processors=wifi.processors(self.grouped),
            communication=wifi.communication(self.grouped),
            types=tuple(wifi.JOBS[name](share) for name, share in shares.items() if share),
            arrivals=Stream(gap=1000 / self.rate, capacity=self.capacity, when_full="wait"),
            horizon=self.horizon,
            warm_up=self.warm_up,
            noise=self.noise,
            leakage=Leakage() if self.grouped else wifi.CORE_LEAKAGE,
            sampling=wifi.SAMPLING,
        )
