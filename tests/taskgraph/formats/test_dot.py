"""DOT: what the language allows, where times and volumes stand, and what is refused."""

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import given, settings

from hocket.core.errors import InputError, NotApplicable
from hocket.taskgraph.formats.dot import parse, read, sniff, write
from hocket.taskgraph.generate import named
from hocket.taskgraph.model.graph import graphs
from hocket.taskgraph.model.scenario import TaskGraphs
from tests.taskgraph.formats.graphs import socs


def told(text: str) -> list[str]:
    """Every problem of a text."""
    with pytest.raises(InputError) as caught:
        read(text, "x.dot")
    return [str(problem) for problem in caught.value.problems]


def arcs(text: str) -> list[tuple[str, str, float]]:
    """The edges of a graph whose nodes all take a tick."""
    drawn = parse(text.replace("{", "{ node [weight=1]; ", 1), "x.dot")
    return [(edge.source, edge.target, edge.volume) for edge in drawn.type.edges]


def test_everything_the_language_allows() -> None:
    text = """\
    /* a comment
       of two lines */
# what a preprocessor left
    strict digraph "a \\"b\\"" {
      rankdir=LR; graph [size="3,4"]; node [weight=3]; edge [comm=2]  // defaults
      a [label="say \\"hi\\"", time=9, shape=box; color=red][style=bold];
      b:port:ne [weight=4.4];
      subgraph cluster_0 { label="inside"; node [weight=9]; c d; edge [comm=5]; c -> d }
      a:out -> {b c} -> "e f" [volume=7]
      "q" + "r" -> a
      Subgraph { x } -> y
    }
    """
    drawn = parse(text, "x.dot")
    assert drawn.type.name == 'a "b"'
    assert dict(zip((t.name for t in drawn.type.tasks), drawn.times, strict=True)) == {
        "a": 3,  # weight before time
        "b": 4,
        "c": 9,
        "d": 9,
        "e f": 3,
        "qr": 3,
        "x": 3,
        "y": 3,
    }
    assert {(e.source, e.target): e.volume for e in drawn.type.edges} == {
        ("c", "d"): 5,
        ("a", "b"): 7,
        ("a", "c"): 7,
        ("b", "e f"): 7,
        ("c", "e f"): 7,
        ("qr", "a"): 2,
        ("x", "y"): 2,
    }
    assert drawn.notes == (
        "times rounded to whole ticks: 1",
        "attributes passed over: 'color', 'shape', 'style'",
    )


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("digraph{a->b}", [("a", "b", 0.0)]),
        ('DIGRAPH g {a->b->c[label="2.5"]}', [("a", "b", 2.5), ("b", "c", 2.5)]),
        ("digraph{a->b[label=data,weight=3]}", [("a", "b", 3.0)]),
        ("digraph{a->b[volume=1,weight=3]}", [("a", "b", 1.0)]),
        ("digraph{1->-2.5->.5}", [("1", "-2.5", 0.0), ("-2.5", ".5", 0.0)]),
        ('digraph{ä->b_1;b_1->"->"}', [("ä", "b_1", 0.0), ("b_1", "->", 0.0)]),
        ("strict digraph{a->b[size=1] a->b[size=4]}", [("a", "b", 4.0)]),
        ("digraph{a->{b->c}->d}", [("b", "c", 0.0), ("a", "b", 0.0), ("a", "c", 0.0)]),
        ('digraph{a->"b\\\nc"}', [("a", "bc", 0.0)]),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_edges(text: str, found: list[tuple[str, str, float]]) -> None:
    assert arcs(text)[: len(found)] == found


def test_loose_parts_are_fine() -> None:
    """A job may fall into several graphs, and a graph may be one node."""
    scenario = read("digraph { a [weight=1]; b [weight=2]; c [weight=3]; b -> c }", "x.gv")
    (graph,) = graphs(scenario)
    assert (scenario.name, graph.inputs) == ("x", ((), (), ((1, 0.0),)))
    assert len(scenario.processors) == 4 and "4 equal ones" in scenario.notes()[-1]


def test_bandwidth_and_unit_of_the_graph() -> None:
    scenario = read("digraph { graph [bandwidth=2.5]; time_unit=ms; a [weight=1] }", "x.dot")
    assert (scenario.time_unit, scenario.communication.default) == ("ms", 2.5)


def test_times_on_several_processors() -> None:
    scenario = read('digraph g { a [times="3 - 5"]; b [times="1,2,0", x=1]; a -> b }', "x.dot")
    assert [p.name for p in scenario.processors] == ["p0", "p1", "p2"]
    (graph,) = graphs(scenario)
    assert graph.able == ((0, 2), (0, 1, 2))
    assert graph.durations[1] == (1, 2, 0)
    assert scenario.notes() == ("attributes passed over: 'x'",)


@settings(max_examples=40, deadline=None)
@given(scenario=socs())
def test_round_trip(scenario: TaskGraphs) -> None:
    """Names of tasks, times on every processor, edges and volumes survive."""
    one = msgspec.structs.replace(scenario, types=scenario.types[:1])
    ours, theirs = graphs(one)[0], graphs(read(write(one), "x.dot"))[0]
    again = read(write(one), "x.dot")
    assert again.time_unit == one.time_unit
    assert again.communication.default == one.communication.default
    assert (theirs.name, theirs.tasks) == (ours.name, ours.tasks)
    used = sorted({p for able in ours.able for p in able})
    assert theirs.durations == tuple(tuple(row[p] for p in used) for row in ours.durations)
    assert theirs.inputs == ours.inputs


@pytest.mark.parametrize("name", ["a b", 'say "x"', "digraph", "ü", "1a", "", "x;y", "<b>", "a\tb"])
def test_odd_names_are_quoted(name: str) -> None:
    scenario = named("canonical")
    renamed = msgspec.structs.replace(scenario.types[0], name=name)
    odd = msgspec.structs.replace(scenario, types=(renamed,))
    if not name.isprintable():
        with pytest.raises(InputError, match="cannot stand in DOT"):
            write(odd)
    else:
        assert read(write(odd), "x.dot").types[0].name == (name or "x")


def test_what_dot_cannot_hold_is_refused() -> None:
    with pytest.raises(InputError, match="types: 2 graphs; a DOT file holds one"):
        write(named("top2"))
    with pytest.raises(NotApplicable):
        write(3)


def test_sniff() -> None:
    assert sniff("x", "/* c */ // d\n# e\n strict\ndigraph {")
    assert sniff("x", "graph {") and not sniff("x", "digraphs {") and not sniff("x", "3\n0 0 0")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "the file is empty"),
        ("digraph {", "line 1: } expected; is the file cut off?"),
        ("digraph {\na [weight=3", "line 2: ] expected; is the file cut off?"),
        ("digraph {\na [weight", "line 2: ] expected; is the file cut off?"),
        ("digraph", "line 1: expected the name of the graph, got 'the end of the file'"),
        ("graph { a -- b }", "line 1: expected digraph, got an undirected graph"),
        ("digraph {\na -- b }", "line 2: an undirected edge; write ->"),
        ("digraph {\n\na [label=<b>] }", "line 3: HTML text is not read; put it in quotes"),
        ('digraph {\n"a }', "line 2: a quote is opened here and never closed"),
        ("digraph { /* a }", "line 1: a comment is opened here and never closed"),
        ("digraph { a ! b }", "line 1: unexpected '!'"),
        ("digraph { a -> }", "line 1: expected a node, got '}'"),
        ("digraph { a: }", "line 1: expected a port, got '}'"),
        ("digraph { a [=3] }", "line 1: expected an attribute or ], got '='"),
        ('digraph { "a" + b }', "line 1: expected text in quotes after +"),
        ("digraph {}", "the graph has no nodes"),
        ("digraph{a[weight=1]}\ndigraph{}", "line 2: one graph per file; a second one begins"),
        ("digraph {\na }", "line 2: node 'a' has no time: give it one, such as [weight=3]"),
        ("digraph {\na [weight=-1] }", "line 2: time of node 'a': weight=-1; expected a number"),
        ("digraph {\na [weight=nan] }", "line 2: time of node 'a': weight=nan; expected"),
        ("digraph {\na [weight=1e300] }", "line 2: '1e300' is neither name nor number; put it"),
        ('digraph {\na [weight="1e300"] }', "line 2: time of node 'a': weight=1e300; expected"),
        ("digraph {a[weight=1];\na->b[comm=inf]}", "line 2: volume of 'a' -> 'b': comm=inf;"),
        ("digraph {a[weight=1] b[weight=1]\na->b\na->b}", "line 3: the edge 'a' -> 'b' stands"),
        ("digraph {a[weight=1]\na->a}", "line 1: tasks go round in a circle: a -> a"),
        ('digraph {a[times="1 2"]\nb[times=3]}', "line 2: node 'b' lists 1 times, where others"),
        ('digraph {a[times="1 2"]\nb[weight=3]}', "line 2: node 'b' lists 0 times"),
        ('digraph {a[times="1 -3"]}', "line 1: times of node 'a': '-3' is no whole number"),
        ('digraph {a[times="1 -"]}', "no node has a time on processor 1, counted from 0"),
        ('digraph {a[times="- -"]}', "line 1: node 'a' can run nowhere"),
        ("digraph {a[weight=1] bandwidth=0}", "line 1: bandwidth=0; expected a number above 0"),
        ("digraph {a[weight=1] bandwidth=x}", "line 1: bandwidth=x; expected a number above 0"),
        ("digraph {a[weight=1] time_unit=y}", "line 1: time_unit=y; there is tick, ns, us, ms"),
        ("digraph " + "{" * 60, "line 1: subgraphs nested deeper than 50"),
        ("digraph {a\x00}", "line 1: this is no text file: it holds the character '\\x00'"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_mistakes_are_told_with_their_lines(text: str, problem: str) -> None:
    found = told(text)
    assert any(one.startswith(problem) for one in found), found


def test_all_mistakes_are_told_at_once() -> None:
    text = "digraph {\na [weight=-1]\nb [weight=x]\na -> b [size=nan]\nb -> a }"
    assert [one.split(":")[0] for one in told(text)] == ["line 2", "line 2", "line 3", "line 4"]


def test_edges_that_multiply_are_bounded() -> None:
    many = " ".join(f"n{i}" for i in range(1100))
    assert told(f"digraph {{ {{ {many} }} -> {{ {many} }} }}") == [
        "line 1: more than 1000000 edges"
    ]


@given(st.text('digraph {}[]->="ab;:+<1\\\n/*#', max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        scenario = read(f"digraph {{ node [weight=1] {text} }}", "x.dot")
    except InputError as error:
        assert error.problems
    else:
        assert not list(scenario.problems())
