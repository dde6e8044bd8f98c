"""Records as they come from the disk: whole, cut short, damaged, hostile."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hocket.core.errors import InputError, UserError
from hocket.serving.live.record import Asked, Began, Finished, Line, Step, Writer
from hocket.serving.live.recording import load, recording
from hocket.serving.live.scenario import scenario
from hocket.serving.live.timeline import timeline

BEGAN = Began(blocks=10, block_size=4, max_context=40)
ASKED = Asked(id="a", at=5, arrival=3, prompt=6, limit=9)
STEPS = [
    Step(n=0, at=10, end=20, tokens={"a": 6}, free=8, running=1),
    Step(n=1, at=20, end=30, tokens={"a": 1}, free=8, running=1),
]
DONE = Finished(id="a", at=30, generated=2)
WHOLE: list[Line] = [BEGAN, ASKED, *STEPS, DONE]


def save(lines: list[Line], path: Path) -> Path:
    writer = Writer(path)
    for line in lines:
        writer.write(line)
    writer.close()
    return path


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    found = load(save(WHOLE, tmp_path / "run.jsonl"))
    assert found == recording(WHOLE)
    assert found.end == 30
    assert found.cut_off == ()


def test_a_record_that_was_cut_in_the_middle_of_a_line_is_read_up_to_there(tmp_path: Path) -> None:
    path = save(WHOLE, tmp_path / "run.jsonl")
    path.write_bytes(path.read_bytes()[:-5])
    assert load(path).cut_off == ("a",)


def test_an_earlier_record_is_put_aside(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    for blocks in (11, 12, 13):
        save([Began(blocks=blocks, block_size=4, max_context=40), ASKED], path)
    names = ("run.jsonl", "run-1.jsonl", "run-2.jsonl")
    assert [load(tmp_path / name).began.blocks for name in names] == [13, 11, 12]


def test_a_record_of_another_format_is_refused() -> None:
    with pytest.raises(InputError, match="the format is number 2, this hocket reads 1"):
        recording([Began(blocks=10, version=2)])


def test_requests_are_in_order_of_arrival_and_steps_in_order_of_number() -> None:
    early = Asked(id="b", at=6, arrival=1, prompt=2)
    found = recording([BEGAN, ASKED, early, STEPS[1], STEPS[0], DONE])
    assert list(found.asked) == ["b", "a"]
    assert [step.n for step in found.steps] == [0, 1]
    assert found.cut_off == ("b",)


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ([], "its first line must be of kind began"),
        ([ASKED], "its first line must be of kind began"),
        ([BEGAN], "nothing was asked"),
        ([BEGAN, ASKED, BEGAN], "line 3: a second beginning"),
        ([BEGAN, ASKED, ASKED], "line 3: 'a' was asked before"),
        ([BEGAN, ASKED, DONE, DONE], "line 4: 'a' is finished for a second time"),
        ([BEGAN, ASKED, Finished(id="b", at=1, generated=0)], "'b' is finished, but nobody"),
        ([BEGAN, ASKED, Step(n=0, at=1, end=2, tokens={"b": 1})], "computes 'b', which nobody"),
        ([BEGAN, ASKED, Step(n=0, at=2, end=1, tokens={})], "lasts from 2 to 1"),
        ([BEGAN, ASKED, Step(n=0, at=1, end=2, tokens={"a": -1})], "numbers of tokens"),
        ([BEGAN, Asked(id="a", at=1, arrival=1, prompt=0)], "a prompt of 0"),
        ([BEGAN, Asked(id="", at=1, arrival=1, prompt=1)], "no id"),
        ([BEGAN, Asked(id="a", at=1, arrival=1, prompt=1, prefix=(-1,))], "63 bits"),
        ([BEGAN, Asked(id="a", at=1, arrival=1, prompt=1, prefix=(1, 2))], "2 digests"),
        ([BEGAN, Asked(id="a", at=2**60, arrival=1, prompt=1)], "cannot arrive"),
        ([Began(blocks=0), ASKED], "blocks"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(lines: list[Line], told: str) -> None:
    with pytest.raises(InputError) as caught:
        recording(lines, "run.jsonl")
    assert told in str(caught.value)
    assert "run.jsonl" in str(caught.value)


def test_every_problem_is_said() -> None:
    with pytest.raises(InputError) as caught:
        recording([BEGAN, ASKED, ASKED, ASKED])
    assert [problem.line for problem in caught.value.problems] == [3, 4]


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("arrival,prompt\n0,1\n")
    with pytest.raises(InputError, match="line 1"):
        load(path)
    with pytest.raises(UserError, match="cannot be read"):
        load(tmp_path / "nothing.jsonl")


NUMBERS = st.integers(-2, 60) | st.sampled_from([2**31, 2**40, 2**62])
NAMES = st.sampled_from(["a", "b", ""])
LINES = st.one_of(
    st.builds(
        Asked,
        id=NAMES,
        at=NUMBERS,
        arrival=NUMBERS,
        prompt=NUMBERS,
        limit=NUMBERS,
        priority=NUMBERS,
        expected=NUMBERS,
        prefix=st.lists(NUMBERS, max_size=2).map(tuple),
    ),
    st.builds(
        Step,
        n=NUMBERS,
        at=NUMBERS,
        end=NUMBERS,
        tokens=st.dictionaries(NAMES, NUMBERS, max_size=2),
        cached=st.dictionaries(NAMES, NUMBERS, max_size=2),
        preempted=st.lists(NAMES, max_size=2).map(tuple),
        reasons=st.dictionaries(NAMES, st.text(max_size=3), max_size=2),
        free=NUMBERS,
    ),
    st.builds(
        Finished,
        id=NAMES,
        at=NUMBERS,
        generated=NUMBERS,
        why=st.sampled_from(["length", "stop", "abort", "error"]),
    ),
)


@given(st.lists(LINES, max_size=8), st.booleans())
def test_any_lines_are_read_or_refused(lines: list[Line], cache: bool) -> None:
    began = Began(blocks=10, block_size=4, max_context=40, prefix_cache=cache)
    try:
        found = recording([began, ASKED, *lines])
        made = scenario(found)
    except InputError as error:
        assert error.problems
        return
    told = timeline(found, made)
    assert {point.group for point in told.points("arrive")} == set(found.asked)
    assert all(span.start <= span.end for span in told.spans())


def test_a_name_may_come_again_when_its_first_request_has_left() -> None:
    late = Step(n=2, at=25, end=45, tokens={"a": 1}, free=8, running=1)  # composed ahead
    again: list[Line] = [
        Asked(id="a", at=40, arrival=38, prompt=4, limit=9),
        late,
        Step(n=3, at=50, end=60, tokens={"a": 4}, reasons={"a": "why"}, free=8, running=1),
        Finished(id="a", at=60, generated=1),
    ]
    found = recording([*WHOLE, *again, Asked(id="a", at=70, arrival=70, prompt=4)])
    assert list(found.asked) == ["a", "a (2)", "a (3)"]
    assert [list(step.tokens) for step in found.steps] == [["a"], ["a"], ["a"], ["a (2)"]]
    assert found.steps[3].reasons == {"a (2)": "why"}
    assert found.finished["a"].generated == 2
    assert found.finished["a (2)"].generated == 1
    assert found.cut_off == ("a (3)",)
    timeline(found)


def test_an_engine_without_blocks_is_all_that_is_told() -> None:
    with pytest.raises(InputError, match="block_size: 0 is no number"):
        recording([Began(block_size=0), Asked(id="a", at=0, arrival=0, prompt=4, prefix=(1,))])
