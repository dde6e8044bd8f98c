"""Episodes side by side in the ordinary simulator."""

from __future__ import annotations

import gc
import weakref
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import pytest

from hocket.core.errors import IllegalDecision, MissingExtra, RunError, UserError
from hocket.core.run import run
from hocket.learn.arena import Simulated
from hocket.learn.asking import Episode, Question
from hocket.learn.batch import question
from hocket.shop.policies.rules import SPT
from tests.learn.dispatching import Dispatching, Failing, episodes, small

pytest.importorskip("greenlet")


def shortest(asked: Any) -> np.ndarray[Any, Any]:
    """The row with the least duration in every question, the first of equals: SPT."""
    bounds, table = asked.batch.bounds, asked.batch.tables["operations"]
    return np.array([table[a:b, 0].argmin() for a, b in pairwise(bounds)])


def play(arena: Simulated, answer: Any = shortest) -> list[Any]:
    rounds = []
    while (asked := arena.asked()) is not None:
        rounds.append(asked)
        arena.answer(answer(asked))
    return rounds


def test_answers_of_a_rule_give_the_runs_of_that_rule() -> None:
    played = episodes(7, jobs=6, machines=4)
    arena = Simulated(Dispatching(), played)
    play(arena)
    expected = [run(e.scenario, SPT(), e.seed).metrics["makespan"] for e in played]
    assert arena.costs().tolist() == expected


def test_the_company_of_an_episode_changes_nothing() -> None:
    together = Simulated(Dispatching(), episodes(5))
    play(together)
    alone = []
    for episode in episodes(5):
        arena = Simulated(Dispatching(), [episode])
        play(arena)
        alone += arena.costs().tolist()
    assert together.costs().tolist() == alone


def test_lanes_ascend_and_questions_carry_time_and_cost() -> None:
    arena = Simulated(Dispatching(), [*episodes(2), *episodes(1, jobs=8)])
    rounds = play(arena)
    last: dict[int, float] = {}
    for asked in rounds:
        assert (np.diff(asked.lanes) > 0).all()
        assert asked.batch.size == len(asked.lanes) == len(asked.times) == len(asked.costs)
        assert asked.costs.tolist() == asked.times.tolist()
        for lane, cost in zip(asked.lanes.tolist(), asked.costs.tolist(), strict=True):
            assert cost >= last.get(lane, 0.0)
            last[lane] = cost
    assert set(last) == {0, 1, 2}
    assert len(rounds[-1].lanes) == 1  # the larger shop has more to ask than the small ones


def test_a_forced_move_is_never_asked() -> None:
    arena = Simulated(Dispatching(), episodes(3))
    assert all((np.diff(asked.batch.bounds) > 1).all() for asked in play(arena))
    one_job = Simulated(Dispatching(), [Episode(small(jobs=1).make(1), 0)])
    assert one_job.asked() is None
    assert one_job.costs()[0] == run(small(jobs=1).make(1), SPT()).metrics["makespan"]


def test_the_same_question_until_it_is_answered() -> None:
    arena = Simulated(Dispatching(), episodes(2))
    assert arena.asked() is arena.asked()
    assert np.isnan(arena.costs()).all()


def test_no_episodes() -> None:
    arena = Simulated(Dispatching(), [])
    assert arena.asked() is None
    assert arena.costs().shape == (0,)
    with pytest.raises(UserError, match="nothing is asked"):
        arena.answer(np.array([], int))


@pytest.mark.parametrize("row", [-1, 99])
def test_a_row_out_of_range(row: int) -> None:
    arena = Simulated(Dispatching(), episodes(3))
    asked = arena.asked()
    assert asked is not None
    rows = shortest(asked)
    rows[1] = row
    said = rf"shop/dispatching decided row {row} in the episode 'taillard-4x3-1', seed 1 at time"
    with pytest.raises(IllegalDecision, match=said) as caught:
        arena.answer(rows)
    assert f"of {np.diff(asked.batch.bounds)[1]} rows these may be chosen: 0, 1" in str(
        caught.value
    )
    arena.answer(shortest(asked))  # nothing was answered: it can be made good


class Masking(Dispatching, frozen=True):
    """Lets only the last two rows be chosen, of `legal` at most."""

    name: ClassVar[str] = "shop/masking"
    legal: int = 2
    questions: int = 1

    def decider(self, scenario: Any, streams: Any, choose: Any) -> Any:
        def asked(put: Question) -> int:
            rows = len(put.batch.mask)
            mask = np.arange(rows) >= rows - self.legal
            batch = question({"operations": put.batch.tables["operations"]}, "operations", mask)
            if self.questions > 1:
                from hocket.learn.batch import join

                batch = join([batch] * self.questions)
            return int(choose(Question(batch, put.time)))

        return super().decider(scenario, streams, asked)


def test_a_masked_row() -> None:
    arena = Simulated(Masking(), episodes(1, jobs=5))
    asked = arena.asked()
    assert asked is not None
    assert len(asked.batch.mask) > 2
    with pytest.raises(IllegalDecision, match="decided row 0 in the episode"):
        arena.answer(np.array([0]))


def test_a_question_with_one_legal_row_takes_that() -> None:
    played = episodes(2)
    arena = Simulated(Masking(legal=1), played)
    assert arena.asked() is None
    assert np.isfinite(arena.costs()).all()


def test_a_question_without_a_legal_row() -> None:
    with pytest.raises(
        RunError, match="seed 0: a question at time 0 has no row that may be chosen"
    ):
        Simulated(Masking(legal=0), episodes(1)).asked()


def test_two_questions_at_once() -> None:
    with pytest.raises(RunError, match="one decision is one question, not 2 at once"):
        Simulated(Masking(questions=2), episodes(1)).asked()


@pytest.mark.parametrize("rows", [[0], [0, 0, 0, 0], [[0], [0], [0]], [0.0, 0.0, 0.0]])
def test_answers_of_another_number_or_type(rows: Any) -> None:
    arena = Simulated(Dispatching(), episodes(3))
    arena.asked()
    with pytest.raises(UserError, match="3 questions are asked"):
        arena.answer(np.array(rows))


def test_an_exception_names_the_episode() -> None:
    arena = Simulated(Failing(seeds=(11,)), episodes(3, first=10))
    said = "shop/failing in the episode 'taillard-4x3-11', seed 11: ValueError .* no idea"
    with pytest.raises(RunError, match=said) as caught:
        play(arena)
    assert isinstance(caught.value.__cause__, ValueError)
    assert arena.asked() is None


def test_what_the_user_has_to_change_stays_so() -> None:
    with pytest.raises(UserError, match="seed 10: no such thing"):
        play(Simulated(Failing(seeds=(10,), how="refuse"), episodes(1, first=10)))


class Costless(Dispatching, frozen=True):
    name: ClassVar[str] = "shop/costless"

    def cost(self, scenario: Any, timeline: Any) -> float:
        return float("nan")


def test_a_cost_that_is_no_number() -> None:
    with pytest.raises(RunError, match="seed 0: what the run cost is nan"):
        play(Simulated(Costless(), episodes(1)))


class Watched(Dispatching, frozen=True):
    """Notes the deciders that it made and how their runs ended."""

    name: ClassVar[str] = "shop/watched"
    deciders: ClassVar[list[Any]] = []
    ended: ClassVar[list[str]] = []

    def decider(self, scenario: Any, streams: Any, choose: Any) -> Any:
        def watching(put: Question) -> int:
            try:
                return int(choose(put))
            except BaseException as error:
                self.ended.append(type(error).__name__)
                raise

        made = super().decider(scenario, streams, watching)
        self.deciders.append(weakref.ref(made))
        return made


@pytest.mark.parametrize("how", ["close", "drop", "fail"])
def test_an_abandoned_arena_leaves_nothing_behind(how: str) -> None:
    Watched.deciders.clear()
    Watched.ended.clear()
    arena: Simulated | None = Simulated(Watched(), episodes(3))
    asked = arena.asked()
    arena.answer(shortest(asked))
    assert [ref() is not None for ref in Watched.deciders] == [True] * 3
    if how == "close":
        arena.close()
    elif how == "fail":
        with pytest.raises(IllegalDecision):
            arena.answer(np.array([99, 0, 0]))
    arena = asked = None
    gc.collect()
    assert Watched.ended == ["GreenletExit"] * 3
    assert [ref() for ref in Watched.deciders] == [None] * 3


def test_an_arena_within_an_episode_of_another() -> None:
    """A policy may look ahead by playing episodes of its own."""

    class Nesting(Dispatching, frozen=True):
        name: ClassVar[str] = "shop/nesting"

        def at(self, view: Any, seed: int, turn: int) -> None:
            if turn == 2:
                inner = Simulated(Dispatching(), episodes(2))
                play(inner)
                assert np.isfinite(inner.costs()).all()

    outer = Simulated(Nesting(), episodes(2))
    play(outer)
    plain = Simulated(Dispatching(), episodes(2))
    play(plain)
    assert outer.costs().tolist() == plain.costs().tolist()


def test_without_greenlet_the_message_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def absent(name: str) -> Any:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr("hocket.core.extras.importlib.import_module", absent)
    with pytest.raises(MissingExtra, match=r"pip install 'hocket\[learn\]'"):
        Simulated(Dispatching(), episodes(1))
