"""Taillard's job shops in several sizes, to train on."""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from hocket.core.domain import Generator, checked
from hocket.shop.generate.classic import Count
from hocket.shop.generate.taillard import Taillard
from hocket.shop.model import JobShop

Sizes = Annotated[tuple[tuple[Count, Count], ...], msgspec.Meta(min_length=1)]


class MixedTaillard(Generator, frozen=True, kw_only=True):
    """Random job shops like those of `taillard`, in several `sizes` (jobs, machines).

    `alike` seeds in a row have the same size, the next ones the next size: then what is trained on
    at a time has one size and can be played side by side without padding.
    """

    name: ClassVar[str] = "taillard-mixed"
    source: ClassVar[str] = Taillard.source

    sizes: Sizes = ((10, 10), (15, 10), (15, 15), (20, 10), (20, 15), (20, 20), (30, 10))
    alike: Count = 16

    def __post_init__(self) -> None:
        checked(self, "shop")

    def make(self, seed: int = 0) -> JobShop:
        """The instance of this seed."""
        jobs, machines = self.sizes[seed // self.alike % len(self.sizes)]
        return Taillard(jobs=jobs, machines=machines).make(seed)
