"""Scenarios that name a log."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

from hocket.core.convert import convert
from hocket.core.errors import InputError
from hocket.serving.formats.expand import expand_workload, read_workload
from hocket.serving.model.cluster import Cluster
from hocket.serving.workload import Random, Trace

LOG = "arrival,prompt,output,name\n" + "".join(f"{i},{i + 1},{i + 2},r{i}\n" for i in range(10))


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "log.csv").write_text(LOG)
    (tmp_path / "log.csv.gz").write_bytes(gzip.compress(LOG.encode()))
    (tmp_path / "lengths.csv").write_text("prompt,output\n5,6\n7,8\n")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    (tmp_path / "broken.csv").write_text(LOG + "x,1,1,r\n")
    return tmp_path


def expanded(folder, **options) -> Cluster:
    data = {"name": "s", "workload": {"kind": "log", "path": "log.csv"} | options}
    data |= {"time_unit": data["workload"].pop("time_unit")} if "time_unit" in options else {}
    found = expand_workload(data, folder)
    scenario = convert(found, Cluster, source="s")
    assert not list(scenario.problems())
    return scenario


def test_the_log_stands_in_the_scenario(folder):
    workload = expanded(folder).workload
    assert isinstance(workload, Trace)
    assert workload.arrival == tuple(i * 10**6 for i in range(10))
    assert workload == expanded(folder, path="log.csv.gz").workload
    assert workload == expanded(folder, path=str(folder / "log.csv")).workload


def test_a_part_of_it_starts_at_zero(folder):
    workload = expanded(folder, first=3, count=4).workload
    assert workload.names == ("r3", "r4", "r5", "r6")
    assert workload.arrival == (0, 10**6, 2 * 10**6, 3 * 10**6)
    assert len(expanded(folder, first=8, count=100).workload.prompt) == 2


def test_rates_and_units(folder):
    assert expanded(folder, rate_scale=4).workload.arrival[1] == 250_000
    assert expanded(folder, time_unit="ms").workload.arrival[:2] == (0, 1000)


def test_lengths_are_drawn(folder):
    workload = expanded(folder, path="lengths.csv", count=50, rate_scale=3.0).workload
    assert isinstance(workload, Random)
    assert (workload.count, workload.arrivals.rate) == (50, 3.0)


def test_other_workloads_stay_as_they_are(folder):
    for data in ({}, {"workload": {"kind": "random"}}, {"workload": 3}, {"workload": {}}):
        assert expand_workload(data, folder) is data


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"pth": "x"}, "workload.pth: unknown field: did you mean 'path'?"),
        ({"path": ""}, "workload.path: missing"),
        ({"path": 3}, "workload.path: missing"),
        ({"first": -1}, "workload.first: expected a whole number from 0"),
        ({"count": 0}, "workload.count: expected a whole number from 1"),
        ({"count": True}, "workload.count: expected"),
        ({"rate_scale": 0}, "workload.rate_scale: expected"),
        ({"rate_scale": float("nan")}, "workload.rate_scale: expected"),
        ({"rate_scale": "2"}, "workload.rate_scale: expected"),
        ({"first": 10}, "none is left after the first 10"),
        ({"path": "lag.csv"}, "no such file"),
        ({"path": "other.csv"}, "not recognised as a request log"),
        ({"path": "broken.csv"}, "line 12: arrival: 'x' is not a time"),
    ],
)
def test_what_is_wrong_is_told(folder, options, said):
    with pytest.raises(InputError) as caught:
        expanded(folder, **options)
    assert said in str(caught.value)


def test_all_wrong_options_are_told_at_once(folder):
    with pytest.raises(InputError) as caught:
        expanded(folder, path="", first=-1, count=-1, rate_scale=-1)
    assert len(caught.value.problems) == 4


def test_reading_in_python(folder):
    found = read_workload(folder / "log.csv", first=2)
    assert np.array_equal(np.diff(found.arrival), np.full(7, 10**6))
