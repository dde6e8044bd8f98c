"""Taillard's job shops: his generator, and the seeds of ta01 to ta80.

É. Taillard, "Benchmarks for basic scheduling problems", European Journal of Operational Research
64 (1993), section 3. Two seeds make an instance: one for the durations, one for the routes.
"""

from __future__ import annotations

from typing import ClassVar

from hocket.core.domain import Generator, checked
from hocket.core.streams import Streams
from hocket.shop.generate.classic import Count, classic, lehmer_seed
from hocket.shop.generate.lehmer import Lehmer
from hocket.shop.model import JobShop

Table = list[list[int]]

# Ten instances per class: "time seed, machine seed" pairs.
_SEEDS = {
    (15, 15): """
        840612802 398197754  1314640371 386720536  1227221349 316176388  342269428 1806358582
        1603221416 1501949241  1357584978 1734077082  44531661 1374316395  302545136 2092186050
        1153780144 1393392374  73896786 1544979948""",
    (20, 15): """
        533484900 317419073  1894307698 1474268163  874340513 509669280  1124986343 1209573668
        1463788335 529048107  1056908795 25321885  195672285 1717580117  961965583 1353003786
        1610169733 1734469503  532794656 998486810""",
    (20, 20): """
        1035939303 773961798  5997802 1872541150  1357503601 722225039  806159563 1166962073
        1902815253 1879990068  1503184031 1850351876  1032645967 99711329  229894219 1158117804
        823349822 108033225  1297900341 489486403""",
    (30, 15): """
        98640593 1981283465  1839268120 248890888  573875290 2081512253  1670898570 788294565
        1118914567 1074349202  178750207 294279708  1549372605 596993084  798174738 151685779
        553410952 1329272528  1661531649 1173386294""",
    (30, 20): """
        1841414609 1357882888  2116959593 1546338557  796392706 1230864158  532496463 254174057
        2020525633 978943053  524444252 185526083  1569394691 487269855  1460267840 1631446539
        198324822 1937476577  38071822 1541985579""",
    (50, 15): """
        17271 718939  660481279 449650254  352229765 949737911  1197518780 166840558
        1376020303 483922052  2106639239 955932362  1765352082 1209982549  1105092880 1349003108
        907248070 919544535  2011630757 1845447001""",
    (50, 20): """
        8493988 2738939  1991925010 709517751  342093237 786960785  1634043183 973178279
        341706507 286513148  320167954 1411193018  1089696753 298068750  433032965 1589656152
        615974477 331205412  236150141 592292984""",
    (100, 20): """
        302034063 1203569070  1437643198 1692025209  1792475497 1039908559  1647273132 1012841433
        696480901 1689682358  1785569423 1092647459  117806902 739059626  1639154709 1319962509
        2007423389 749368241  682761130 262763021""",
}


def durations_of(seed: int, jobs: int, machines: int) -> Table:
    """Durations from 1 to 99: row i holds those of job i's operations, in their order."""
    random = Lehmer(seed)
    return [[random.uniform(1, 99) for _ in range(machines)] for _ in range(jobs)]


def routes_of(seed: int, jobs: int, machines: int) -> Table:
    """A random order of all machines (from 0) per job."""
    random = Lehmer(seed)
    table = []
    for _ in range(jobs):
        route = list(range(machines))
        for i in range(machines):
            k = random.uniform(i, machines - 1)
            route[i], route[k] = route[k], route[i]
        table.append(route)
    return table


def _published() -> dict[str, tuple[int, int, int, int]]:
    """Jobs, machines, time seed and machine seed by name."""
    found: dict[str, tuple[int, int, int, int]] = {}
    for (jobs, machines), text in _SEEDS.items():
        seeds = [int(word) for word in text.split()]
        for times, routes in zip(seeds[::2], seeds[1::2], strict=True):
            found[f"ta{len(found) + 1:02}"] = (jobs, machines, times, routes)
    return found


PUBLISHED = _published()


def published(name: str) -> JobShop:
    """One of ta01 to ta80; a KeyError for any other name."""
    jobs, machines, times, routes = PUBLISHED[name]
    return classic(
        name, routes_of(routes, jobs, machines), durations_of(times, jobs, machines), machines
    )


class Taillard(Generator, frozen=True, kw_only=True):
    """Random job shops like ta01 to ta80: durations U[1, 99], each job on every machine once."""

    name: ClassVar[str] = "taillard"
    source: ClassVar[str] = (
        "É. Taillard, Benchmarks for basic scheduling problems, "
        "European Journal of Operational Research 64 (1993) 278-285"
    )

    jobs: Count = 15
    machines: Count = 15

    def __post_init__(self) -> None:
        checked(self, "shop")

    def make(self, seed: int = 0) -> JobShop:
        """The instance of this seed."""
        streams = Streams(seed)
        times, routes = (lehmer_seed(streams, f"taillard.{part}") for part in ("times", "routes"))
        return classic(
            f"taillard-{self.jobs}x{self.machines}-{seed}",
            routes_of(routes, self.jobs, self.machines),
            durations_of(times, self.jobs, self.machines),
            self.machines,
        )
