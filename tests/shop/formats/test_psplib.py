from pathlib import Path

import psplib
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hocket.core.errors import InputError
from hocket.shop.exact.project import solve
from hocket.shop.formats.psplib import FORMAT, read, sniff, write
from hocket.shop.generate.project import ProGen
from hocket.shop.model import Activity, Lag, Mode, Project, Resource

SMALL = """\
************************************************************************
file with basedata            : own.bas
initial value random generator: 1
************************************************************************
projects                      :  1
jobs (incl. supersource/sink ):  5
horizon                       :  17
RESOURCES
  - renewable                 :  2   R
  - nonrenewable              :  1   N
  - doubly constrained        :  0   D
************************************************************************
PROJECT INFORMATION:
pronr.  #jobs rel.date duedate tardcost  MPM-Time
    1      3      2       11        7       9
************************************************************************
PRECEDENCE RELATIONS:
jobnr.    #modes  #successors   successors
   1        1          2           2   3
   2        2          1           4
   3        1          1           5
   4        1          1           5
   5        1          0
************************************************************************
REQUESTS/DURATIONS:
jobnr. mode duration  R 1  R 2  N 1
------------------------------------------------------------------------
  1      1     0       0    0    0
  2      1     3       2    0    6
         2     6       1    0    2
  3      1     4       0    3    0
  4      1     6       1    1    1
  5      1     0       0    0    0
************************************************************************
RESOURCEAVAILABILITIES:
  R 1  R 2  N 1
    2    3    7
************************************************************************
"""


def lines_of(error: InputError) -> list[int | None]:
    return [problem.line for problem in error.problems]


def refused(text: str) -> InputError:
    with pytest.raises(InputError) as caught:
        read(text, "small.mm")
    return caught.value


def test_a_small_file() -> None:
    project = read(SMALL, "folder/small.mm")
    assert project.name == "small"
    assert [r.name for r in project.resources] == ["R1", "R2", "N1"]
    assert [(r.capacity, r.renewable) for r in project.resources] == [
        (2, True),
        (3, True),
        (7, False),
    ]
    assert [a.name for a in project.activities] == ["1", "2", "3", "4", "5"]
    assert project.activities[1].modes == (
        Mode(duration=3, demands={"R1": 2, "N1": 6}),
        Mode(duration=6, demands={"R1": 1, "N1": 2}),
    )
    assert [(lag.before, lag.after) for lag in project.lags] == [
        ("1", "2"),
        ("1", "3"),
        ("2", "4"),
        ("3", "5"),
        ("4", "5"),
    ]
    assert all(lag.plain for lag in project.lags)
    assert project.activities[0].release == 2
    assert (project.activities[-1].due, project.activities[-1].weight) == (11, 7)
    # From 2 on: 3 for 4 ticks, then 4 for 6, since both need the second resource.
    assert solve(project, "makespan", workers=1).value == 12
    assert solve(project, "weighted_tardiness", workers=1).value == 7


def test_writing_and_reading_again_changes_nothing() -> None:
    project = read(SMALL, "small.mm")
    assert read(write(project), "small.mm") == project


@pytest.mark.parametrize("seed", range(12))
def test_round_trip_and_the_psplib_parser_agree(seed: int, tmp_path: Path) -> None:
    made = ProGen(
        activities=12 + seed, modes=1 + seed % 3, nonrenewable=seed % 3, complexity=1.6
    ).make(seed)
    text = write(made)
    path = tmp_path / "made.mm"
    path.write_text(text)
    ours, theirs = read(text, "made.mm"), psplib.parse(path)
    assert read(write(ours), "made.mm") == ours
    assert [(r.capacity, r.renewable) for r in ours.resources] == [
        (r.capacity, r.renewable) for r in theirs.resources
    ]
    names = [r.name for r in ours.resources]
    for i, (mine, other) in enumerate(zip(ours.activities, theirs.activities, strict=True)):
        assert [(m.duration, [m.demands.get(n, 0) for n in names]) for m in mine.modes] == [
            (m.duration, m.demands) for m in other.modes
        ]
        after = [int(lag.after) - 1 for lag in ours.lags if lag.before == str(i + 1)]
        assert after == other.successors


def test_a_dummy_source_and_sink_are_added_where_missing() -> None:
    project = Project(
        activities=(
            Activity(name="sink", modes=(Mode(duration=2, demands={"crew": 1}),)),
            Activity(name="b", modes=(Mode(duration=3, demands={"crew": 1}),)),
        ),
        resources=(Resource(name="crew", capacity=1),),
    )
    again = read(write(project), "x.sm")
    assert [len(a.modes[0].demands) for a in again.activities] == [0, 1, 1, 0]
    assert {(lag.before, lag.after) for lag in again.lags} == {
        ("1", "2"),
        ("1", "3"),
        ("2", "4"),
        ("3", "4"),
    }
    assert solve(again, workers=1).value == solve(project, workers=1).value == 5


def test_what_the_format_cannot_hold_is_refused_by_name() -> None:
    ways = (Mode(duration=1),)
    project = Project(
        activities=(
            Activity(name="a", modes=ways, release=1, weight=4),
            Activity(name="b", modes=ways, due=9),
        ),
        lags=(Lag(before="a", after="b", least=2),),
    )
    with pytest.raises(InputError) as caught:
        write(project)
    assert {problem.path for problem in caught.value.problems} == {
        "lags[0]",
        "activities[0].release",
        "activities[0].weight",
        "activities[1].due",
    }


@pytest.mark.parametrize(
    ("old", "new", "line", "told"),
    [
        (
            "   2        2          1           4",
            "   2        2          2           4",
            20,
            "2 successors are announced, 1 given",
        ),
        (
            "   3        1          1           5",
            "   3        1          1           9",
            21,
            "successor 9, but jobs are 1 to 5",
        ),
        (
            "   3        1          1           5",
            "   7        1          1           5",
            21,
            "job 7 where 3 was expected",
        ),
        (
            "   5        1          0",
            "   5        1          1           2",
            20,
            "precedences form a cycle: 2 -> 4 -> 5 -> 2",
        ),
        (
            "   1        1          2           2   3",
            "   1        1          2           2   2",
            19,
            "a successor is named twice",
        ),
        (
            "  3      1     4       0    3    0",
            "  3      1     x       0    3    0",
            31,
            "'x' is not a whole number",
        ),
        (
            "  3      1     4       0    3    0",
            "  3      1    -4       0    3    0",
            31,
            "'-4' is negative",
        ),
        (
            "  3      1     4       0    3    0",
            "  3      1     4       0    3",
            31,
            "5 numbers; a row holds job, mode, duration, 3 requests",
        ),
        (
            "  3      1     4       0    3    0",
            "  3      1     4       0    4    0",
            21,
            "needs more than any capacity allows",
        ),
        (
            "         2     6       1    0    2",
            "         3     6       1    0    2",
            30,
            "mode 3 of job 2 where 2 was expected",
        ),
        ("    2    3    7", "    2    3", 37, "3 resources, but 2 capacities"),
        ("  R 1  R 2  N 1\n    2", "  R 1  R 2  D 1\n    2", 36, "doubly constrained"),
        ("  R 1  R 2  N 1\n    2", "  R 1  X 2  N 1\n    2", 36, "resources are called"),
        ("sink ):  5", "sink ):  6", 6, "6 jobs are announced, 5 are there"),
        (
            "projects                      :  1",
            "projects                      :  2",
            5,
            "2 projects are announced",
        ),
        (
            "  - nonrenewable              :  1",
            "  - nonrenewable              :  2",
            10,
            "2 non-renewable resources are announced, 1 are there",
        ),
        (
            "    1      3      2       11        7       9",
            "    1      3      2     soon     7",
            15,
            "'soon' is not a whole number",
        ),
        (
            "duration  R 1  R 2  N 1\n",
            "duration  R 1  R 2  N 1\nPRECEDENCE RELATIONS:\n",
            27,
            "a second section",
        ),
        ("  5      1     0       0    0    0", "", 32, "mode 1 of job 5 is missing"),
        (
            "  5      1     0       0    0    0",
            "  5      1     0       0    0    0\n" * 2,
            34,
            "a row after the last mode",
        ),
        (
            "     0       0    0    0\n  2",
            f"     {10**17}       0    0    0\n  2",
            None,
            "1099511627776",
        ),
    ],
)
def test_broken_files_are_refused_with_the_line(
    old: str, new: str, line: int | None, told: str
) -> None:
    assert old in SMALL
    error = refused(SMALL.replace(old, new, 1))
    assert told in str(error)
    assert line in lines_of(error)


def test_all_problems_are_reported_at_once() -> None:
    text = SMALL.replace(
        "   3        1          1           5", "   3        1          1           9"
    )
    text = text.replace("  4      1     6 ", "  4      1     ? ")
    assert lines_of(refused(text)) == [21, 32]


@pytest.mark.parametrize("text", ["", "   \n", "\x00\x01", "no project at all\n1 2 3"])
def test_other_things_are_refused(text: str) -> None:
    refused(text)


def test_every_truncation_is_refused_or_still_whole() -> None:
    whole = read(SMALL, "small.mm")
    for length in range(len(SMALL)):
        try:
            project = read(SMALL[:length], "small.mm")
        except InputError:
            continue
        assert SMALL[:length].rstrip("*\n") == SMALL.rstrip("*\n") or project != whole
        # Only the last capacity may lose digits unseen; here it has one digit.
        assert project == whole


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(SMALL) - 1), st.text(max_size=3), st.integers(0, 12))
def test_random_damage_never_ends_in_another_error(at: int, put: str, cut: int) -> None:
    try:
        project = read(SMALL[:at] + put + SMALL[at + cut :], "small.mm")
    except InputError:
        return
    assert list(project.problems()) == []


def test_dates_may_be_unknown() -> None:
    text = SMALL.replace(
        "    1      3      2       11        7       9", "    1  3  na  na  na  na"
    )
    project = read(text, "small.mm")
    assert project.activities[0].release == 0
    assert project.activities[-1].due is None


def test_files_are_recognised() -> None:
    assert sniff("j30.sm", "")
    assert sniff("j30.MM", "")
    assert sniff("unnamed", SMALL[:4096])
    assert not sniff("ta01.txt", "15 15\n 94 6 66 12")
    assert FORMAT.suffixes == (".sm", ".mm")
