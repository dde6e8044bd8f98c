"""The job shops of Demirkol, Mehta and Uzsoy: their generator, and the seeds of dmu01 to dmu80.

E. Demirkol, S. Mehta and R. Uzsoy, "Benchmarks for shop scheduling problems", European Journal of
Operational Research 109 (1998). One seed makes an instance. dmu41 to dmu80 have *two-set routing*:
every job visits all machines of the first half before any of the second.
"""

from __future__ import annotations

from itertools import islice
from typing import ClassVar

import numpy as np

from hocket.core.domain import Generator, checked
from hocket.core.streams import Streams
from hocket.shop.generate.classic import Count, classic, lehmer_seed
from hocket.shop.generate.lehmer import Lehmer
from hocket.shop.model import JobShop

_SIZES = ((20, 15), (20, 20), (30, 15), (30, 20), (40, 15), (40, 20), (50, 15), (50, 20))

# Five instances per size and line; dmu01 to dmu40, then dmu41 to dmu80.
_SEEDS = """
    155125852 2029877925 196931796 2109450727 1017664806
    704263516 658766149 1918985685 263171901 1630638936
    311313093 316280323 1237221727 982174120 899442265
    1970680013 491806903 7335742 554421187 1227925003
    180026511 86633815 800808272 2104225727 1193746195
    1510794207 1656193480 1020622462 425341562 1111362916
    1140902718 319220731 1200567745 408890368 668339743
    1353154750 1756084517 444307538 618487528 1509456066
    963246540 571501185 1064792308 500883009 486487743
    366904335 193063992 1708102606 1111794661 1759497606
    1085428258 808544005 810658329 142450034 694627358
    1853446555 1696470024 852368975 1122276408 169103059
    1184095505 1032938603 2047416508 735586133 1202629385
    295809381 997471796 1524255499 229789972 1780414345
    1936600566 567182173 363888850 1103051921 2084553596
    1215157252 718365005 499659734 1315007823 556673305"""


def _published() -> dict[str, tuple[int, int, int, bool]]:
    """Jobs, machines, seed and two-set routing by name."""
    seeds = [int(word) for word in _SEEDS.split()]
    return {f"dmu{i + 1:02}": (*_SIZES[i % 40 // 5], seed, i >= 40) for i, seed in enumerate(seeds)}


PUBLISHED = _published()


def tables_of(
    seed: int, jobs: int, machines: int, two_sets: bool
) -> tuple[list[list[int]], list[list[int]]]:
    """Routes (machines from 0) and durations (1 to 200), a row per job.

    The published instances come out exactly only in the authors' arithmetic: single precision for
    the uniform numbers, double for their product with 200.
    """
    random = Lehmer(seed)
    draws = iter(random.draw, 0)
    numbers = np.fromiter(islice(draws, 2 * jobs * machines), dtype=np.float32)
    unit = (numbers / np.float32(2**31)).reshape(jobs, 2, machines)
    first = machines // 2 if two_sets else 0
    routes = np.concatenate(
        [
            np.argsort(unit[:, 0, :first], axis=1, kind="stable"),
            np.argsort(unit[:, 0, first:], axis=1, kind="stable") + first,
        ],
        axis=1,
    )
    durations = (1 + unit[:, 1].astype(np.float64) * 200).astype(np.int64)
    return routes.tolist(), durations.tolist()


def published(name: str) -> JobShop:
    """One of dmu01 to dmu80; a KeyError for any other name."""
    jobs, machines, seed, two_sets = PUBLISHED[name]
    return classic(name, *tables_of(seed, jobs, machines, two_sets), machines)


class Demirkol(Generator, frozen=True, kw_only=True):
    """Random job shops like dmu01 to dmu80: durations U[1, 200], optionally two-set routing."""

    name: ClassVar[str] = "demirkol"
    source: ClassVar[str] = (
        "E. Demirkol, S. Mehta, R. Uzsoy, Benchmarks for shop scheduling problems, "
        "European Journal of Operational Research 109 (1998) 137-141"
    )

    jobs: Count = 20
    machines: Count = 15
    two_sets: bool = False

    def __post_init__(self) -> None:
        checked(self, "shop")

    def make(self, seed: int = 0) -> JobShop:
        """The instance of this seed."""
        number = lehmer_seed(Streams(seed), "demirkol")
        name = f"demirkol-{self.jobs}x{self.machines}{'-two-sets' * self.two_sets}-{seed}"
        tables = tables_of(number, self.jobs, self.machines, self.two_sets)
        return classic(name, *tables, self.machines)
