import tempfile
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hocket.core.load import load, save
from hocket.core.save import dumps, plain
from hocket.core.structured import parse
from hocket.shop.model import (
    Activity,
    Alternative,
    Job,
    JobShop,
    Lag,
    Machine,
    Mode,
    Operation,
    Project,
    Resource,
    Setup,
    SingleJob,
    SingleMachine,
)

WORDS = (
    "no on Yes null ~ true 12 1e3 010 1_000 0x1f 12:30 .5 2024-01-31 # << = ' \" *x &x !t % @ ` | "
    "? - --- ... [] {} 1. +1 nan .nan .inf \\ ü \U0001f600"
)
SPACED = [
    "- a",
    "a: b",
    "a\nb",
    "a\tb",
    "\r\n",
    " a ",
    "\x7f",
    "\x85",
    "\u2028",
    "\ufeff",
    "a b " * 60,
]
awkward = st.sampled_from([*WORDS.split(" "), *SPACED, "a" * 200])
names = awkward | st.text(st.characters(codec="utf-8"), min_size=1)
ticks = st.integers(0, 2**40)
units = st.sampled_from(["tick", "s", "day"])


@st.composite
def job_shops(draw):
    machines = draw(st.lists(names, min_size=1, max_size=3, unique=True))
    one = st.sampled_from(machines)
    families = draw(st.lists(names, min_size=1, max_size=2, unique=True))
    operations = st.builds(
        Operation, machine=one, duration=ticks, family=st.sampled_from(families), name=st.just("")
    ) | st.builds(
        Operation,
        alternatives=st.lists(
            st.builds(Alternative, machine=one, duration=ticks),
            min_size=1,
            max_size=2,
            unique_by=lambda a: a.machine,
        ).map(tuple),
        family=st.just(families[0]),
    )
    jobs = tuple(
        Job(
            name=name,
            operations=tuple(draw(st.lists(operations, min_size=1, max_size=3))),
            release=draw(st.integers(0, 9)),
            due=draw(st.none() | st.integers(9, 99)),
            weight=draw(st.integers(0, 9)),
        )
        for name in draw(st.lists(names, min_size=1, max_size=3, unique=True))
    )
    used = {o.family for j in jobs for o in j.operations}
    setups = tuple(Setup(before=f, after=f, duration=3) for f in sorted(used))
    return JobShop(
        name=draw(names | st.just("")),
        time_unit=draw(units),
        jobs=jobs,
        machines=tuple(Machine(name=m) for m in machines),
        setups=draw(st.sampled_from([(), setups])),
        blocking=draw(st.sampled_from(["no", "swap", "no-swap"])),
    )


@st.composite
def projects(draw):
    resources = draw(st.lists(names, max_size=2, unique=True))
    modes = st.builds(
        Mode,
        duration=ticks,
        demands=st.dictionaries(st.sampled_from(resources), st.integers(0, 5))
        if resources
        else st.just({}),
    )
    activities = draw(st.lists(names, min_size=2, max_size=3, unique=True))
    return Project(
        name=draw(names),
        resources=tuple(Resource(name=r, capacity=5) for r in resources),
        activities=tuple(Activity(name=a, modes=(draw(modes),)) for a in activities),
        lags=(Lag(before=activities[0], after=activities[1], least=draw(st.integers(-5, 5))),),
    )


singles = st.builds(
    SingleMachine,
    name=names,
    jobs=st.lists(
        st.builds(SingleJob, name=names, duration=ticks, due=st.none() | ticks),
        min_size=1,
        max_size=3,
        unique_by=lambda job: job.name,
    ).map(tuple),
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(job_shops() | projects() | singles, st.sampled_from([".yaml", ".json", ".toml"]))
def test_what_is_saved_loads_as_it_was(scenario, suffix):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"x{suffix}"
        save(scenario, path)
        assert load(path) == scenario


@given(names, names)
def test_other_readers_of_yaml_see_the_same(key, value):
    scenario = Project(
        name=value,
        activities=(Activity(name=key, modes=(Mode(duration=1, demands={key: 1}),)),),
        resources=(Resource(name=key, capacity=1),),
    )
    text = dumps(scenario, "yaml")
    assert yaml.safe_load(text) == parse(text, "yaml", "") == plain(scenario)


@pytest.mark.parametrize("suffix", [".yaml", ".json", ".toml"])
@pytest.mark.parametrize("name", ["shop/ta01", "shop/dmu05"])
def test_published_instances_survive(tmp_path, suffix, name):
    scenario = load(name)
    save(scenario, tmp_path / f"x{suffix}")
    assert load(tmp_path / f"x{suffix}") == scenario


def test_files_are_short_and_for_people():
    shop = JobShop(
        name="kitchen",
        machines=(Machine(name="oven"),),
        jobs=(Job(name="no", operations=(Operation(machine="oven", duration=5),)),),
    )
    assert dumps(shop, "yaml") == (
        "problem: shop/job-shop\n"
        "name: kitchen\n"
        "jobs:\n"
        "- name: 'no'\n"
        "  operations:\n"
        "  - {machine: oven, duration: 5}\n"
        "machines:\n"
        "- {name: oven}\n"
    )
    assert dumps(shop, "toml") == (
        'problem = "shop/job-shop"\n'
        'name = "kitchen"\n'
        "jobs = [\n"
        '  { name = "no", operations = [{ machine = "oven", duration = 5 }] },\n'
        "]\n"
        "machines = [\n"
        '  { name = "oven" },\n'
        "]\n"
    )
