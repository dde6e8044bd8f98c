"""Published instances that need no file, and generators of more like them."""

from __future__ import annotations

from hocket.core.domain import Generator
from hocket.core.errors import UnknownName
from hocket.shop.generate import demirkol, project, taillard
from hocket.shop.generate.best_known import Bounds, bounded, bounds
from hocket.shop.generate.demirkol import Demirkol
from hocket.shop.generate.disrupted import Disrupted
from hocket.shop.generate.mixed import MixedTaillard
from hocket.shop.generate.random_shops import Blocking, Flexible, Setups
from hocket.shop.generate.single import PottsVanWassenhove
from hocket.shop.generate.taillard import Taillard
from hocket.shop.model import JobShop

GENERATORS: tuple[type[Generator], ...] = (
    Taillard,
    MixedTaillard,
    Demirkol,
    Flexible,
    Blocking,
    Setups,
    Disrupted,
    PottsVanWassenhove,
    *project.GENERATORS,
)

__all__ = ["GENERATORS", "Bounds", "bounded", "bounds", "named", "names"]


def names() -> list[str]:
    """The published instances, in order: ta01 to ta80 and dmu01 to dmu80."""
    return [*taillard.PUBLISHED, *demirkol.PUBLISHED]


def named(name: str) -> JobShop:
    """The published instance of this name, made from its seed. Raises UnknownName."""
    if name in taillard.PUBLISHED:
        return taillard.published(name)
    if name in demirkol.PUBLISHED:
        return demirkol.published(name)
    hint = "Instances that need no file are shop/ta01 to shop/ta80 and shop/dmu01 to shop/dmu80."
    raise UnknownName("instance", name, names(), hint)
