import gzip
import json
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hocket.core import registry
from hocket.core.domain import Domain, Format
from hocket.core.errors import InputError, Problem, UnknownName, UserError
from hocket.core.load import check, examine, load, save
from hocket.shop.model import JobShop, Project, SingleMachine
from tests.data import shared

SHOP = """\
problem: shop/job-shop
time_unit: min
blocking: no
machines:
- {name: saw}
- {name: drill}
jobs:
- name: shelf
  due: 2 h
  operations:
  - {machine: saw, duration: 30}
  - {machine: drill, duration: 45 min}
- name: table
  operations:
  - alternatives:
    - {machine: saw, duration: 10}
    - {machine: drill, duration: 20}
"""


@pytest.fixture
def put(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def found(source, **options):
    """The problems of a source; that they are those which `load` raises is checked on the way."""
    with pytest.raises(InputError) as caught:
        load(source, **options)
    assert check(source, **options) == caught.value.problems
    return [str(problem) for problem in caught.value.problems]


def test_yaml_toml_and_json_say_the_same(put):
    shop = load(put("shop.yaml", SHOP))
    assert isinstance(shop, JobShop)
    assert shop.name == "shop" and shop.blocking == "no"
    assert shop.jobs[0].due == 120
    assert [o.duration for o in shop.jobs[0].operations] == [30, 45]
    text = json.dumps(
        {
            "$schema": "shop.schema.json",
            "problem": "shop/job-shop",
            "time_unit": "min",
            "machines": [{"name": "saw"}, {"name": "drill"}],
            "jobs": [
                {
                    "name": "shelf",
                    "due": "2 h",
                    "operations": [
                        {"machine": "saw", "duration": 30},
                        {"machine": "drill", "duration": "45 min"},
                    ],
                },
                {
                    "name": "table",
                    "operations": [
                        {
                            "alternatives": [
                                {"machine": "saw", "duration": 10},
                                {"machine": "drill", "duration": 20},
                            ]
                        }
                    ],
                },
            ],
        }
    )
    assert load(put("shop.json", text)) == shop
    assert load(json.loads(text) | {"name": "shop"}) == shop
    toml = """
        problem = "shop/job-shop"
        time_unit = "min"
        machines = [{name = "saw"}, {name = "drill"}]
        [[jobs]]
        name = "shelf"
        due = "2 h"
        operations = [{machine = "saw", duration = 30}, {machine = "drill", duration = "45 min"}]
        [[jobs]]
        name = "table"
        [[jobs.operations]]
        alternatives = [{machine = "saw", duration = 10}, {machine = "drill", duration = 20}]
    """
    assert load(put("shop.toml", toml)) == shop
    assert load(str(put("shop.json.gz", gzip.compress(text.encode())))) == shop
    for name, content in (("none", SHOP), ("none.txt", text), ("none.conf", toml)):
        assert load(put(name, content)).jobs == shop.jobs


def test_a_name_in_the_file_counts_more_than_the_file_name(put):
    assert load(put("a.yaml", SHOP + "name: mine\n")).name == "mine"


def test_standard_input(put, monkeypatch):
    with put("in", SHOP).open() as stream:
        monkeypatch.setattr("sys.stdin", stream)
        assert load("-").jobs[1].name == "table"


def test_every_problem_of_a_file_with_its_line(put):
    text = SHOP.replace("duration: 30}", "duration: -30}").replace("45 min", "45 sec")
    path = put("shop.yaml", text + "objectiv: makespan\n")
    assert found(path) == [
        "line 11: jobs[0].operations[0].duration: must be >= 0, got -30",
        "line 12: jobs[0].operations[1].duration: '45 sec' has no known unit of time; "
        "the units are ns, us, ms, s, min, h, day",
        "line 18: objectiv: unknown field: did you mean 'objective'?",
    ]
    with pytest.raises(InputError, match=f"^{path}: 3 problems\n  line 11: jobs"):
        load(path)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("name: table", "name: shelf", "line 7: jobs: 'shelf' occurs 2 times"),
        ("duration: 30", "duration: -1", "line 11: jobs[0].operations[0].duration: must be >= 0"),
        ("duration: 30", "duration: .nan", "line 11: jobs[0].operations[0].duration: .nan is no"),
        ("machine: saw, ", "machine: saww, ", "unknown machine 'saww': did you mean 'saw'?"),
        (
            "due: 2 h",
            "due: 5\n  release: 9",
            "line 9: jobs[0].due: job 'shelf' is due at 5, before",
        ),
        ("machine: saw, ", "", "line 11: jobs[0].operations[0]: no machine can do this operation"),
        ("time_unit: min", "time_unit: h", "line 12: jobs[0].operations[1].duration: '45 min' is"),
        ("time_unit: min\n", "", "'2 h' has a unit, but time_unit is 'tick'; set it, e.g. to h"),
        ("time_unit: min", "time_unit: mins", "time_unit: expected one of"),
        (
            "shop/job-shop",
            "shop/jobshop",
            "line 1: problem: there is no problem 'shop/jobshop': did",
        ),
        (
            "shop/job-shop",
            "[1]",
            "line 1: problem: there is no problem [1]; there is shop/job-shop,",
        ),
        (
            "problem: shop/job-shop\n",
            "",
            "problem: missing; it says what is scheduled: shop/job-shop",
        ),
        ("blocking: no", "blocking: false", "got false"),
        ("machines:", "jobs: []\nmachines:", "line 8: jobs: this key stands here and on line 4"),
    ],
)
def test_what_is_wrong_with_a_shop(put, old, new, problem):
    assert SHOP.count(old) >= 1
    problems = found(put("shop.yaml", SHOP.replace(old, new, 1)))
    assert any(problem in text for text in problems), problems


def test_what_is_wrong_with_a_project(put):
    text = """\
problem: shop/project
resources:
- {name: crew, capacity: 2}
activities:
- {name: dig, modes: [{duration: 3, demands: {crew: 1}}]}
- {name: pour, modes: [{duration: 1, demands: {crow: 1}}]}
- {name: dry, modes: [{duration: 5, demands: {crew: 3}}]}
lags:
- {before: dig, after: pour}
- {before: pour, after: dry}
- {before: dry, after: dig}
- {before: dry, after: paint}
"""
    assert found(put("site.yaml", text)) == [
        "line 6: activities[1].modes[0].demands: unknown resource 'crow': did you mean 'crew'?",
        "line 7: activities[2]: activity 'dry' needs more than any capacity allows",
        "line 8: lags: precedences form a cycle: dig -> pour -> dry -> dig",
        "line 12: lags[3].after: unknown activity 'paint'",
    ]


def test_a_file_that_is_no_scenario(put, tmp_path):
    assert found(put("empty.yaml", "")) == ["the file is empty"]
    assert "expected keys with values" in found(put("list.yaml", "- 1\n- 2\n"))[0]
    assert "expected keys with values" in found(put("text.json", '"abc"'))[0]
    (text,) = found(put("letter.txt", "Dear all,\nplease schedule this.\n"))
    assert "'.txt' whose content is in no known format" in text and "jsplib" in text
    assert "UTF-8" in found(put("latin.yaml", SHOP.encode() + b"# gr\xfc\xdfe"))[0]
    assert "this is a folder" in found(tmp_path)[0]
    huge = tmp_path / "huge.jsp"
    with huge.open("wb") as file:
        file.truncate(100 * 2**20)
    assert "too large: 100 MiB" in found(huge)[0]
    assert "too large" in found(put("shop.yaml", SHOP), limit=100)[0]


def test_an_unreadable_file(put, monkeypatch):
    path = put("shop.yaml", SHOP)

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    assert "no permission to read" in found(path)[0]


def test_published_instances_need_no_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load("shop/ta01").name == "ta01"
    with pytest.raises(UnknownName, match="did you mean 'shop/ta41'"):
        load("ta41")
    with pytest.raises(UnknownName, match="did you mean 'shop/ta41'"):
        load("ta411")
    with pytest.raises(UnknownName, match="'ta4"):
        load("shop/ta4l")
    with pytest.raises(UnknownName, match="did you mean 'shop/ta41'"):
        load("shp/ta41")
    with pytest.raises(UnknownName, match="A scenario is a file, or a name"):
        load("qqqqqq")
    assert check("ta41")[0].message.startswith("unknown scenario 'ta41'")
    assert found("shop.yml") == ["no such file"]
    assert "there is no folder" in found("data/other/shop.yml")[0]
    Path("ta01").write_text(SHOP)
    assert load("ta01").jobs[0].name == "shelf"


def test_an_unknown_name_beside_a_file_suggests_the_file(put, monkeypatch, tmp_path):
    put("kitchen.yaml", SHOP)
    monkeypatch.chdir(tmp_path)
    assert found("kitchen.yml") == ["no such file; did you mean kitchen.yaml?"]


def test_files_of_the_field(put):
    shop = load(put("ft.txt", "2 2\n0 1 1 2\n1 3 0 4\n"))
    assert (shop.name, len(shop.jobs), len(shop.machines)) == ("ft", 2, 2)
    assert load(put("ft.jsp.gz", gzip.compress(b"2 2\n0 1 1 2\n1 3 0 4\n"))).jobs == shop.jobs
    assert found(put("ft.jsp", "2 2\n0 1 1 2\n1 3 7 4\n"))[0].startswith("line 3: jobs[1].oper")


def test_public_files_load():
    folder = shared("shop", "jsplib")
    paths = sorted(path for path in folder.iterdir() if path.is_file())
    assert paths
    for path in paths:
        assert load(path).name == path.stem


def toy(name, sniff, read, suffixes=(".toy",)):
    return Format(name=name, summary="", suffixes=suffixes, sniff=sniff, read=read)


@pytest.fixture
def formats(monkeypatch):
    """Lets a test put its own formats in place of those of the domains."""

    def use(*made):
        domain = Domain(name="toy", summary="", problems=(), policies="", formats="toy")
        monkeypatch.setattr(registry, "domains", lambda: {"toy": domain})
        monkeypatch.setattr("hocket.core.load.resolve", lambda _: made)

    return use


def single(*jobs):
    return SingleMachine(jobs=jobs)


def test_the_suffix_decides_between_formats_that_both_fit(put, formats):
    def reader(title):
        return lambda *_: load({"problem": "shop/single-machine", "jobs": JOBS, "name": title})

    formats(
        toy("any", lambda *_: True, reader("any"), (".any",)),
        toy("toy", lambda *_: True, reader("toy")),
        toy("none", lambda *_: False, reader("none"), (".none",)),
    )
    assert load(put("x.toy", "...")).name == "toy"
    assert load(put("x.toy.gz", gzip.compress(b"..."))).name == "toy"
    assert load(put("x.none", "...")).name == "any"


JOBS = [{"name": "a", "duration": 1}]


def test_a_format_may_be_json_or_yaml_too(put, formats):
    def read(text, name):
        return load({"problem": "shop/single-machine", "jobs": JOBS})

    formats(toy("trace", lambda name, head: "trace" in head, read, (".json",)))
    assert load(put("t.json", '{"trace": []}')).name == "t"
    assert load(put("t.json", '{"trace": 1}\n{"trace": 2}\n')).name == "t"
    assert load(put("t.json", json.dumps({"problem": "shop/single-machine", "jobs": JOBS})))
    assert "problem: missing" in found(put("t.json", "{}"))[0]


def test_a_format_sees_whole_lines_and_the_plain_name(put, formats):
    heads = []

    def sniff(name, head):
        heads.append((name, head))
        return False

    formats(toy("toy", sniff, None))
    text = "a" * 5000 + "\n" + "b" * 100 + "\n"
    found(put("x.toy.gz", gzip.compress(text.encode())))
    assert heads[0] == ("x.toy", "a" * 5000)


def test_what_a_format_reads_is_checked_too(put, formats):
    formats(toy("toy", lambda *_: True, lambda *_: single()))
    assert found(put("x.toy", "...")) == ["jobs: there is no job"]

    def fail(text, name):
        return int("seven")

    formats(toy("toy", lambda *_: True, fail))
    assert "cannot be read as toy" in found(put("x.toy", "..."))[0]


def test_check_of_sound_input_is_empty(put):
    assert check(put("shop.yaml", SHOP)) == ()
    assert check({}) == (Problem("problem", check({})[0].message),)


def test_the_data_of_the_caller_stay_as_they_were():
    data = {"$schema": "x", "problem": "shop/single-machine", "jobs": JOBS}
    before = json.dumps(data)
    load(data)
    assert json.dumps(data) == before


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=60)
@given(
    st.binary(max_size=80) | st.text("0123456789 -\n", max_size=60).map(str.encode),
    st.sampled_from([".yaml", ".json", ".toml", ".txt", ".jsp", ".fjs", ".csv", ".sm", ".gz", ""]),
)
def test_any_bytes_are_a_scenario_or_an_input_error(data, suffix):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"x{suffix}"
        path.write_bytes(data)
        try:
            scenario = load(path)
        except InputError as error:
            assert error.problems
        else:
            assert not list(scenario.problems())


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.tuples(st.integers(0, 400), st.sampled_from(list("{}[]:-,'\" \n\t0&*#x"))), max_size=3
    )
)
def test_a_damaged_file_is_a_scenario_or_an_input_error(edits):
    text = SHOP
    for place, character in edits:
        text = text[:place] + character + text[place + 1 :]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.yaml"
        path.write_text(text)
        try:
            assert not list(load(path).problems())
        except InputError as error:
            assert error.problems


def test_save_refuses_what_it_cannot_write(tmp_path, monkeypatch):
    shop = load({"problem": "shop/single-machine", "jobs": JOBS})
    with pytest.raises(UserError, match=r"write \.yaml, \.yml, \.toml, \.json"):
        save(shop, tmp_path / "a.xls")
    with pytest.raises(UserError, match="does not exist"):
        save(shop, tmp_path / "no" / "a.yaml")
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError(30, "Read-only")))
    with pytest.raises(UserError, match=r"cannot write .*: Read-only; free the space or choose"):
        save(shop, tmp_path / "a.yaml")
    assert os.listdir(tmp_path) == []


def test_the_types_come_from_the_problem(put):
    text = "problem: shop/project\nactivities: [{name: a, modes: [{duration: 1}]}]\n"
    assert isinstance(load(put("p.yaml", text)), Project)
    assert isinstance(load({"problem": "shop/single-machine", "jobs": JOBS}), SingleMachine)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.jsp", "1 1\n0 3\n"),
        ("a.fjs", "1 1\n1 1 1 3\n"),
        ("a.csv", "job,duration\nx,3\n"),
        ("a.yaml", "problem: shop/single-machine\njobs: [{name: x, duration: 3}]\n"),
    ],
)
def test_a_packed_file_lends_its_name_like_a_plain_one(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    (tmp_path / f"{name}.gz").write_bytes(gzip.compress(text.encode()))
    plain, packed = load(tmp_path / name), load(tmp_path / f"{name}.gz")
    assert plain == packed
    assert packed.name == "a"


def test_names_and_dates_are_judged_beside_wrong_types(put):
    text = """\
problem: shop/job-shop
machines: [{name: a}, {name: a}]
jobs:
  - {name: x, due: 3, release: 9, operations: [{machine: q, duration: -5}]}
  - {name: x, operations: [{machine: a, duration: 2 kg}]}
  - {operations: [{machine: zz, duration: 2}]}
"""
    found = {(p.line, p.path) for p in check(put("many.yaml", text))}
    assert found == {
        (2, "machines"),
        (3, "jobs"),
        (4, "jobs[0].due"),
        (4, "jobs[0].operations[0].duration"),
        (4, "jobs[0].operations[0].machine"),
        (5, "jobs[1].operations[0].duration"),
        (6, "jobs[2].name"),
        (6, "jobs[2].operations[0].machine"),
    }


def test_examining_gives_the_scenario_or_what_is_wrong():
    world, problems = examine("shop/ta01")
    assert world == load("shop/ta01") and problems == ()
    assert world.notes() == ()
    assert examine("shop/ta81") == (None, check("shop/ta81"))
    assert check("shop/ta81")
