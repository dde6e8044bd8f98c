"""Jobs as a table."""

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from hocket.core.errors import InputError, NotApplicable
from hocket.shop.formats import FORMATS, jobs_csv
from hocket.shop.generate.random_shops import Blocking
from hocket.shop.model import Alternative, JobShop, Project, SingleMachine
from tests.shop.formats.shops import shops_with_terms, single_machines

SHOP = """Job,Order,Machine,Duration [min],Due [h],Weight,Family
a,1,saw,30,4,2,red
a,2,press,20,,,
a,2,lathe,25,,,
b,1,lathe,40,1.5,,
"""


def complaints(text: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        jobs_csv.read(text, "bad.csv")
    return [str(problem) for problem in caught.value.problems]


def test_a_shop() -> None:
    shop = jobs_csv.read(SHOP, "plant/shop.csv")
    assert isinstance(shop, JobShop)
    assert (shop.name, shop.time_unit) == ("shop", "min")
    assert [machine.name for machine in shop.machines] == ["saw", "press", "lathe"]
    a, b = shop.jobs
    assert (a.due, a.weight, b.due, b.weight) == (240, 2, 90, 1)
    assert (a.operations[0].machine, a.operations[0].duration) == ("saw", 30)
    assert a.operations[0].family == "red"
    assert a.operations[1].alternatives == (
        Alternative(machine="press", duration=20),
        Alternative(machine="lathe", duration=25),
    )


def test_a_single_machine() -> None:
    scenario = jobs_csv.read("job;duration;release;due\nx;5;0;\n\ny;3;2;9\n", "one.csv")
    assert isinstance(scenario, SingleMachine)
    assert [(j.name, j.duration, j.release, j.due) for j in scenario.jobs] == [
        ("x", 5, 0, None),
        ("y", 3, 2, 9),
    ]


def test_rows_may_come_in_any_order() -> None:
    head, *rows = SHOP.splitlines()
    mixed = jobs_csv.read("\r\n".join([head, rows[2], rows[0], rows[3], rows[1]]))
    assert isinstance(mixed, JobShop)
    assert [len(o.choices()) for o in mixed.jobs[0].operations] == [1, 2]


def test_without_order_rows_are_operations() -> None:
    shop = jobs_csv.read("job\tmachine\tduration\na\tm\t1\na\tm\t2\n")
    assert isinstance(shop, JobShop)
    assert [o.duration for o in shop.jobs[0].operations] == [1, 2]


@settings(deadline=None)
@given(shops_with_terms())
def test_round_trip_of_shops(shop: JobShop) -> None:
    back = jobs_csv.read(jobs_csv.write(shop))
    assert isinstance(back, JobShop)
    assert (back.jobs, back.machines, back.time_unit) == (shop.jobs, shop.machines, shop.time_unit)


@settings(deadline=None)
@given(single_machines())
def test_round_trip_of_single_machines(scenario: SingleMachine) -> None:
    assert jobs_csv.read(jobs_csv.write(scenario)) == scenario


def test_sniff() -> None:
    for text in (
        SHOP,
        "job;duration\na;1\n",
        '"Job","Duration [min]"\n',
        "\ufeffjob,durration,due\n",
    ):
        assert [f.name for f in FORMATS if f.sniff("jobs.txt", text)] == ["jobs-csv"]
    for text in ("TIMESTAMP,ContextTokens\n1,2\n", "job\n", "", "2 2\n0 1 1 1\n"):
        assert not jobs_csv.sniff("jobs.csv", text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["the file is empty"]),
        ("job,duration\n", ["line 1: there is no row under the header"]),
        (
            "jbo,duratoin\na,1\n",
            [
                "line 1: unknown column 'jbo': did you mean 'job'?",
                "line 1: unknown column 'duratoin': did you mean 'duration'",
                "line 1: column 'job' is missing",
                "line 1: column 'duration' is missing",
            ],
        ),
        ("job,duration,colour\na,1,2\n", ["line 1: unknown column 'colour'; there can be job, "]),
        ("job,duration,Job\na,1,a\n", ["line 1: column 'job' stands there twice"]),
        ("job,duration [week]\na,1\n", ["line 1: 'week' is no unit for column 'duration'; the un"]),
        ("job [s],duration\na,1\n", ["line 1: 's' is no unit for column 'job'; it holds no times"]),
        ("job,duration\na\n", ["line 2: 1 cells under a header of 2"]),
        ("job,duration\na,1,,\n", ["line 2: 4 cells under a header of 2"]),
        ("job,duration\n,1\n", ["line 2: the job is missing"]),
        ("job,duration\na,\n", ["line 2: the duration is missing"]),
        ("job,machine,duration\na,,1\n", ["line 2: the machine is missing"]),
        (
            "job,order,machine,duration\na,,m,1\n",
            ["line 2: the number of the operation is missing"],
        ),
        ("job,duration\na,-1\n", ["line 2: duration: '-1' is negative; write a number of tick"]),
        ("job,duration\na,1.5\n", ["line 2: duration: '1.5' is no whole number of tick"]),
        ("job,duration [h],due [min]\na,1,90\n", ["line 2: due: '90 min' is 1.5 h, no whole numb"]),
        ("job,duration\na,9999999999999\n", ["line 2: duration: longer than 1099511627776 ticks"]),
        ("job,duration,weight\na,1,x\n", ["line 2: weight: 'x' is not a whole number from 0 up"]),
        (
            "job,duration\na,1\na,2\n",
            ["line 3: job 'a' has a row already (line 2); without a colu"],
        ),
        ("job,duration,family\na,1,f\n", ["line 2: family: families need the column 'machine'"]),
        (
            "job,order,machine,duration\na,1,m,1\na,1,m,2\n",
            ["line 3: operation 1 of job 'a' has machine 'm' already"],
        ),
        (
            "job,order,machine,duration,family\na,1,m,1,f\na,1,n,2,g\n",
            ["line 3: the alternatives of an operation have one family: 'g', but 'f' in line 2"],
        ),
        (
            "job,machine,duration,due\na,m,1,5\na,m,1,6\n",
            ["line 3: due: job 'a' has due 6 here, but 5 in line 2"],
        ),
        (
            "job,duration,release,due\na,1,5,4\n",
            ["line 2: due: job 'a' is due at 4, before its rele"],
        ),
        ('job,duration\n"a,1\n', ["line 2: this is no table: unexpected end of data"]),
        ("job,duration\x00\n", ["line 1: this is no text file"]),
        (
            "job,duration,due\na,nan,inf\n\nb,1e3,-2\n",
            [
                "line 2: duration: 'nan' is not a time",
                "line 2: due: 'inf' is not a time",
                "line 4: duration: '1e3' is not a time",
                "line 4: due: '-2' is negative",
            ],
        ),
    ],
)
def test_what_is_wrong_and_where(text: str, expected: list[str]) -> None:
    found = complaints(text)
    assert len(found) == len(expected), found
    for complaint, start in zip(found, expected, strict=True):
        assert complaint.startswith(start)


TABLES = st.text('job,duration;machine[]min \n"1a\t', max_size=90)


@settings(max_examples=200, deadline=None)
@given(TABLES.map("job,machine,duration\n".__add__) | st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        scenario = jobs_csv.read(text, "any")
    except InputError as error:
        assert error.problems
    else:
        assert list(scenario.problems()) == []


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(SHOP)), st.integers(0, 9), st.sampled_from(["", ",", "9", "\n", '"']))
def test_a_damaged_file_is_read_or_refused(at: int, gone: int, put: str) -> None:
    try:
        scenario = jobs_csv.read(SHOP[:at] + put + SHOP[at + gone :])
    except InputError as error:
        assert error.problems
    else:
        assert list(scenario.problems()) == []


def test_writing_refuses_to_lose_anything() -> None:
    with pytest.raises(InputError, match="blocking: would be lost"):
        jobs_csv.write(Blocking().make(0))
    with pytest.raises(NotApplicable, match="Project"):
        jobs_csv.write(Project(activities=()))  # type: ignore[arg-type]


def test_whole_numbers_may_have_a_decimal_point():
    found = jobs_csv.FORMAT.read("job,duration,due\na,3.0,12.00\n", "a.csv")
    assert (found.jobs[0].duration, found.jobs[0].due) == (3, 12)
