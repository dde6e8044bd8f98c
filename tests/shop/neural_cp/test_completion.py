import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hocket.shop.neural_cp.completion import after, complete, relabelled, replay
from hocket.shop.neural_cp.play import ask
from hocket.shop.search import Shop, violations
from tests.shop.neural_cp.literal import Engine, shops


def played(shop, rng):
    """A random episode as an arena has it: answers only where there is a choice."""
    answers = []

    def choose(question):
        legal = np.flatnonzero(question.batch.mask)
        chosen = int(rng.choice(legal))
        if len(legal) > 1:
            answers.append(chosen)
        return chosen

    start = ask(shop, choose)
    return np.array(answers, np.int64), start


@given(shops(), st.integers(0, 2**32))
@settings(deadline=None, max_examples=50)
def test_episodes_are_rebuilt_from_their_answers(shop, seed):
    rng = np.random.default_rng(seed)
    episodes = [played(shop, rng) for _ in range(3)]
    moments, again = replay(shop, [answers for answers, _ in episodes])
    assert again.tolist() == [start.tolist() for _, start in episodes]
    for lane in range(3):
        assert after(shop, [moments[lane]]).start[0].tolist() == episodes[lane][1].tolist()
        engine = Engine(shop)
        for batch, actions in moments[lane]:
            assert batch.mask.tolist() == engine.legal()
            assert engine.step(actions) == actions


@given(shops(), st.integers(0, 2**32))
@settings(max_examples=30, deadline=None)
def test_completions_keep_the_beginnings_and_their_actions_lead_to_them(shop, seed):
    pytest.importorskip("ortools")
    rng = np.random.default_rng(seed)
    episodes = [played(shop, rng) for _ in range(2)]
    moments, start = replay(shop, [answers for answers, _ in episodes])
    cut = int(rng.integers(0, min(map(len, moments))))
    world = after(shop, [lane[:cut] for lane in moments])
    lower, following = world.lower.copy(), world.next.copy()
    begun = world.start >= 0
    found = np.stack([complete(world, lane, start[lane], effort=1.0) for lane in range(2)])
    for lane in range(2):
        assert violations(shop, found[lane]) == []
        assert (found[lane] + shop.duration).max() <= (start[lane] + shop.duration).max()
        open_ = following[lane] >= 0
        assert (found[lane, following[lane, open_]] >= lower[lane, open_]).all()
    assert found[begun].tolist() == start[begun].tolist()
    path = relabelled(world, found)
    assert world.start.tolist() == found.tolist()
    for batch, actions in path[0] + path[1]:
        assert batch.mask[actions].all()
        assert actions == [shop.jobs] or shop.jobs not in actions


def test_a_bad_beginning_is_completed_as_well_as_it_can_be():
    # After No-Op at 0 nothing starts before 2, though the machine is idle: 2 + 3 + 4 at best.
    pytest.importorskip("ortools")
    shop = Shop.of([[(0, 3)], [(0, 4)], [(1, 1)]], release=[0, 0, 2])
    world = after(shop, [[]])
    world.act(np.array([[-1, -1, -1, 0]]))
    found = complete(world, 0, np.array([6, 2, 7]), effort=1.0)
    assert (found + shop.duration).max() == 9
    assert found[2] == 2  # left-shifted: its machine and its job are ready


def test_a_schedule_that_cannot_be_improved_stays_and_is_left_shifted():
    pytest.importorskip("ortools")
    shop = Shop.of([[(0, 9)], [(1, 2), (1, 3)]])
    world = after(shop, [[]])
    found = complete(world, 0, np.array([0, 1, 6]), effort=1.0)
    assert found.tolist() == [0, 0, 2]
