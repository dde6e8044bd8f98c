"""The Standard Task Graph Set: rows with and without communication costs, and what is refused."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from hocket.core.errors import InputError
from hocket.taskgraph.formats.stg import parse, read, sniff
from hocket.taskgraph.model.graph import graphs, platform

PLAIN = """\
          3
          0          0          0
          1         20          1          0
          2          3          1          0
          3          7          2          1          2
          4          0          1          3
# Standard Task Graph Set Project
#   Tasks             : 3 (+dummy tasks : 2)
"""


def told(text: str) -> list[str]:
    """Every problem of a text."""
    with pytest.raises(InputError) as caught:
        read(text, "x.stg")
    return [str(problem) for problem in caught.value.problems]


def test_a_graph_on_four_equal_processors() -> None:
    scenario = read(PLAIN, "rand0008.stg")
    (graph,) = graphs(scenario)
    assert (scenario.name, scenario.time_unit) == ("rand0008", "tick")
    assert graph.durations == ((0,) * 4, (20,) * 4, (3,) * 4, (7,) * 4, (0,) * 4)
    assert graph.inputs == ((), ((0, 0.0),), ((0, 0.0),), ((1, 0.0), (2, 0.0)), ((3, 0.0),))
    assert platform(scenario).capacity == (1, 1, 1, 1)
    assert "4 equal ones" in scenario.notes()[0]


@pytest.mark.parametrize(
    "text",
    [
        "2\n0 0 0\n1 5 1 0 4\n2 6 2 0 1 1 9\n3 0 1 2 0\n",
        "2\n0 0 0\n1 5 1\n0 4\n2 6 2\n0 1\n1 9\n3 0 1\n2 0\n",
    ],
    ids=["in the row", "in rows of their own"],
)
def test_communication_costs(text: str) -> None:
    (graph,) = graphs(read(text, "x.stg"))
    assert graph.inputs == ((), ((0, 4.0),), ((0, 1.0), (1, 9.0)), ((2, 0.0),))


def test_dummies_may_be_missing() -> None:
    assert parse("2\n0 4 0\n1 5 1 0\n", "x.stg").times == (4, 5)


def test_sniff() -> None:
    assert sniff("rand.stg", "") and sniff("rand", PLAIN)
    assert not sniff("x", "3\n1 2 3\n") and not sniff("x.jsp", "3 2\n0 0 0\n")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "the file is empty"),
        ("# only words\n", "a row with the number of tasks expected"),
        ("3 4\n0 0 0\n", "line 1: a row with the number of tasks expected"),
        (
            "0\n0 0 0\n",
            "line 1: number of tasks: expected a whole number from 1 to 100000, got '0'",
        ),
        ("99999999999\n0 0 0\n", "line 1: number of tasks: expected a whole number"),
        ("x\n", "line 1: number of tasks: expected a whole number from 1 to 100000, got 'x'"),
        ("1\n0 0 0\n1 5 1 0\n", "line 3: 1 tasks announced, so 3 rows with the two dummies; there"),
        ("1\n0 0 0\n2 5 1 0\n2 0 1 1\n", "line 3: task 2, where 1 is expected"),
        ("1\n0 0 0\n1 -5 1 0\n2 0 1 1\n", "line 3: time: expected a whole number from 0"),
        ("1\n0 0 0\n1 nan 1 0\n2 0 1 1\n", "line 3: time: expected a whole number"),
        ("1\n0 0 0\n1 5\n2 0 1 1\n", "line 3: task, time, number of tasks before it expected"),
        ("1\n0 0 0\n1 5 2 0\n2 0 1 1\n", "line 3: 2 tasks before it announced, with or without"),
        ("1\n0 0 0\n1 5 2 0 0\n2 0 1 1\n", "line 3: task 0 is listed twice"),
        ("1\n0 0 0\n1 5 1 9\n2 0 1 1\n", "line 3: task 1 follows task 9, which is not there"),
        ("1\n0 0 0\n1 5 1 2\n2 0 1 1\n", "line 3: tasks go round in a circle: t1 -> t2 -> t1"),
        ("1\n0 0 0\n1 5 1 1\n2 0 1 1\n", "line 3: tasks go round in a circle: t1 -> t1"),
        ("1\n0 0 0\n1 0 1 0\n2 0 1 1\n", "no task takes any time"),
        ("1\n0 0 0\n1 5 1 0 -3\n2 0 1 1\n", "line 3: cost of data: expected a whole number"),
        ("1\n0 0\x07 0\n", "line 2: this is no text file: it holds the character '\\x07'"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_mistakes_are_told_with_their_lines(text: str, problem: str) -> None:
    found = told(text)
    assert any(one.startswith(problem) for one in found), found


@given(st.text("0123456789 \n#-x", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        scenario = read(text, "x.stg")
    except InputError as error:
        assert error.problems
    else:
        assert not list(scenario.problems())


@given(times=st.lists(st.integers(0, 50), min_size=1, max_size=8).filter(any), data=st.data())
def test_what_is_written_is_read(times: list[int], data: st.DataObject) -> None:
    """Against a writer of five lines, with and without costs."""
    count = len(times)
    before = [sorted(data.draw(st.sets(st.integers(0, t - 1)))) if t else [] for t in range(count)]
    costs = data.draw(st.booleans())
    rows = [str(count)]
    for t, (time, others) in enumerate(zip(times, before, strict=True)):
        listed = [word for o in others for word in ([o, o + 3] if costs else [o])]
        rows.append(" ".join(map(str, [t, time, len(others), *listed])))
    drawn = parse("\n".join(rows), "x.stg")
    assert drawn.times == tuple(times)
    arcs = {(e.source, e.target, e.volume) for e in drawn.type.edges}
    assert arcs == {
        (f"t{o}", f"t{t}", o + 3.0 if costs else 0.0) for t in range(count) for o in before[t]
    }
