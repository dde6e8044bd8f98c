import json

import jsonschema
import pytest
from hypothesis import given, settings

from hocket.core import registry
from hocket.core.errors import UnknownName
from hocket.core.load import check, load, load_policy
from hocket.core.policy import spec
from hocket.core.save import plain
from hocket.core.schema import schema
from hocket.shop.model import JobShop
from tests.core.test_load_save import job_shops

GOOD = {
    "problem": "shop/job-shop",
    "time_unit": "s",
    "machines": [{"name": "a", "calendar": {"period": 10, "open": [[0, 5]]}}],
    "jobs": [{"name": "j", "due": "1.5 min", "operations": [{"machine": "a", "duration": 5}]}],
}


def valid(data, name="shop/job-shop"):
    validator = jsonschema.Draft202012Validator(schema(name))
    return not list(validator.iter_errors(data))


def changed(**fields):
    return GOOD | fields


def operation(**fields):
    return changed(jobs=[{"name": "j", "operations": [{"machine": "a", "duration": 5} | fields]}])


@pytest.mark.parametrize("name", [*registry.problem_types(), *registry.policies()])
def test_every_schema_is_a_schema(name):
    found = schema(name)
    jsonschema.Draft202012Validator.check_schema(found)
    assert "x-hocket" not in json.dumps(found)


def test_good_samples():
    for data in (GOOD, changed(**{"$schema": "shop.json"}), operation(duration="90 s")):
        assert valid(data) and check(data) == ()


@pytest.mark.parametrize(
    "data",
    [
        {},
        [],
        {"problem": "shop/job-shop"},
        changed(problem="shop/project"),
        changed(jobs={}),
        changed(job=[]),
        changed(time_unit="sec"),
        changed(no_wait="yes"),
        changed(blocking=False),
        changed(noise={"kind": "unknown"}),
        operation(duration=-1),
        operation(duration=2.5),
        operation(duration=2**50),
        operation(duration="90"),
        operation(duration="90 sec"),
        operation(duration="-90 s"),
        operation(machin="a"),
        operation(machine=3),
    ],
)
def test_bad_samples_are_bad_for_the_loader_too(data):
    assert not valid(data)
    if isinstance(data, dict):
        assert check(data)


@settings(deadline=None, max_examples=25)
@given(job_shops())
def test_whatever_is_saved_is_valid(scenario):
    assert valid(plain(scenario))


def test_descriptions_come_from_docstrings():
    part = schema(JobShop)["$defs"]["JobShop"]
    assert part["description"] == "Jobs of ordered operations on machines."
    assert part["properties"]["no_wait"]["description"].startswith("a started job runs through")


def test_a_policy_file():
    assert valid(spec(load_policy("shop/atc")), "shop/atc")
    assert valid({"policy": "shop/atc"}, "shop/atc")
    assert not valid({"k": 2}, "shop/atc")
    assert not valid({"policy": "shop/spt"}, "shop/atc")
    assert not valid({"policy": "shop/atc", "k": "x"}, "shop/atc")
    assert not valid({"policy": "shop/atc", "kk": 1}, "shop/atc")


def test_an_unknown_name():
    with pytest.raises(UnknownName, match="did you mean 'shop/atc'"):
        schema("shop/atcs")
    with pytest.raises(UnknownName, match=r"problem or policy .* did you mean 'shop/job-shop'"):
        schema("shop/job-shp")


def test_published_instances_are_valid():
    assert valid(plain(load("shop/ta01")))


@pytest.mark.parametrize(
    "extra",
    [
        {"workload": {"kind": "log", "path": "azure.csv", "count": 5}},
        {"pools": [{"cost": {"kind": "file", "path": "model.yaml"}}]},
        {"pools": [{"cost": {"kind": "profile", "path": "rtx4090"}}]},
    ],
)
def test_a_file_may_name_others_where_the_scenario_says_so(extra):
    trace = {"kind": "trace", "arrival": [0], "prompt": [5], "output": [2]}
    data = {"problem": "serving/cluster", "workload": trace} | extra
    validator = jsonschema.Draft202012Validator(schema("serving/cluster"))
    assert list(validator.iter_errors(data)) == []
    assert list(validator.iter_errors(data | {"workload": {"kind": "log"}}))


@pytest.mark.parametrize("amount", [2, "500m", "1.5", "1Gi", "12e3"])
def test_amounts_may_be_written_as_kubernetes_does(amount):
    pod = {"name": "p", "requests": {"memory": amount}}
    nodes = [{"name": "n", "allocatable": {"cpu": 4, "memory": "8Gi"}}]
    data = {"problem": "cluster/pods", "nodes": nodes, "pods": [pod]}
    assert valid(data, "cluster/pods")
    assert check(data) == ()


@pytest.mark.parametrize("amount", ["12 GB", "1gb", "", [1], None])
def test_other_amounts_are_bad_for_schema_and_loader(amount):
    nodes = [{"name": "n", "allocatable": {"memory": amount}}]
    data = {"problem": "cluster/pods", "nodes": nodes}
    assert not valid(data, "cluster/pods")
    assert check(data)
