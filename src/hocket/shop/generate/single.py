"""Random single-machine problems as scenarios."""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from hocket.core.domain import Generator, checked
from hocket.core.streams import Streams
from hocket.shop.generate.classic import Count
from hocket.shop.generate.potts import Durations, potts_van_wassenhove
from hocket.shop.model import SingleJob, SingleMachine

Factor = Annotated[float, msgspec.Meta(ge=0, le=2)]


class PottsVanWassenhove(Generator, frozen=True, kw_only=True):
    """Total tardiness on one machine: due dates by relative range `rdd` and tardiness factor `tf`.

    With P the total work, due dates are U[P(1 - tf - rdd/2), P(1 - tf + rdd/2)], those below 0
    becoming 0. The published grid has rdd in {.2, .4, .6, .8, 1} and tf in {.2, .4, .6, .8}.
    """

    name: ClassVar[str] = "potts-van-wassenhove"
    source: ClassVar[str] = (
        "C. N. Potts, L. N. Van Wassenhove, A decomposition algorithm for the single machine total "
        "tardiness problem, Operations Research Letters 1 (1982) 177-181"
    )

    jobs: Count = 20
    rdd: Factor = 0.6
    tf: Factor = 0.6
    durations: Durations = "uniform-100"

    def __post_init__(self) -> None:
        checked(self, "shop")

    def make(self, seed: int = 0) -> SingleMachine:
        """The instance of this seed."""
        random = Streams(seed)[self.name]
        p, d = potts_van_wassenhove(
            self.jobs, self.rdd, self.tf, random, durations=self.durations, clip=True
        )
        return SingleMachine(
            name=f"{self.name}-{self.jobs}-{self.rdd:g}-{self.tf:g}-{seed}",
            jobs=tuple(
                SingleJob(name=f"j{i}", duration=duration, due=due)
                for i, (duration, due) in enumerate(zip(p.tolist(), d.tolist(), strict=True))
            ),
            objective="total_tardiness",
        )
