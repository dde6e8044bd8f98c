import numpy as np
import pytest
from hypothesis import given, settings

from hocket.core.errors import InputError
from hocket.shop.generate.potts import potts_van_wassenhove
from hocket.shop.tardiness import rules
from hocket.shop.tardiness.augmented import augment, augmented_mdd, augmented_mddc
from hocket.shop.tardiness.discovered import mddc
from tests.shop.tardiness.cases import instances, tardiness


def augment_by_trials(base, p, d):
    """Every trial built and evaluated in full."""
    sequence = []
    for job in base:
        sequence.append(job)
        best, best_value = sequence, tardiness(sequence, p, d)
        for i in range(len(sequence) - 1):
            trial = sequence[:i] + sequence[i + 1 :] + [sequence[i]]
            value = tardiness(trial, p, d)
            if value < best_value:
                best, best_value = trial, value
        sequence = best
    return sequence


@given(instances())
@settings(max_examples=100, deadline=None)
def test_equals_trying_every_move(jobs):
    p, d = jobs
    for base in (rules.mdd(p, d), rules.edd(p, d), rules.spt(p, d)[::-1]):
        assert augment(base, p, d).tolist() == augment_by_trials(base.tolist(), p, d)


@pytest.mark.parametrize("seed", range(6))
def test_equals_trying_every_move_on_longer_sequences(seed):
    p, d = potts_van_wassenhove(40, 0.2, 0.6, np.random.default_rng(seed))
    assert augmented_mdd(p, d).tolist() == augment_by_trials(rules.mdd(p, d).tolist(), p, d)
    assert augmented_mddc(p, d).tolist() == augment_by_trials(mddc(p, d).tolist(), p, d)


def test_never_worse_than_the_rule():
    rng = np.random.default_rng(1)
    for _ in range(20):
        p, d = potts_van_wassenhove(30, 0.4, 0.6, rng)
        assert tardiness(augmented_mdd(p, d), p, d) <= tardiness(rules.mdd(p, d), p, d)


def test_the_base_is_a_permutation():
    with pytest.raises(InputError, match="permutation"):
        augment([0, 0], [1, 2], [3, 4])
