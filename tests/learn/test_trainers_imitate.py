# ruff: noqa: E402
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from hocket.core.errors import RunError, UserError
from hocket.core.load import load_policy
from hocket.learn import weights
from hocket.learn.asking import Episode
from hocket.learn.collect import evaluate
from hocket.learn.trainers.imitate import Imitate, Imitation
from tests.learn.toys import LAYERED, Games, Sequence1, jobs, least, train, untrained


class WithWSPT(Sequence1, frozen=True):
    """Knows Smith's rule, which is optimal."""

    def teacher(self, episode):
        def answer(question):
            duration, weight = question.batch.tables["jobs"].T
            return int((duration / weight).argmin())

        return answer


class WithWay(Games, frozen=True):
    """Knows the one row of each node that the shortest way takes: 0-3, 3-5, 5-6."""

    def teacher(self, episode):
        rows = {0: 1, 1: 0, 2: 0, 3: 1, 4: 0, 5: 0}
        return lambda question: rows[int(question.batch.tables["node"].argmax())]


@pytest.mark.parametrize("beta", [1.0, 0.0])
def test_sequencing_as_the_optimal_rule_does(beta):
    policy = WithWSPT()
    tests = [Episode(jobs(seed), 0) for seed in range(1000, 1010)]
    best = sum(least(one.scenario) for one in tests)
    settings = Imitate(episodes=8, learning_rate=0.02, minibatch=16, beta=beta)
    learner, told = train(policy, settings, [Episode(jobs(seed), 0) for seed in range(200)], 25)
    assert evaluate(policy, untrained(policy), tests).sum() > 1.2 * best
    assert evaluate(policy, learner.network, tests).sum() < 1.01 * best
    assert told[-1]["loss"] < told[0]["loss"] / 2


def test_only_a_learner_that_leads_meets_states_that_the_teacher_avoids():
    way = Episode(LAYERED, 0)
    for beta, meets in ((1.0, 3), (0.0, 6)):
        policy = WithWay()
        learner = Imitate(beta=beta).start(policy, untrained(policy))
        lesson, _ = learner.lesson([way] * 50, np.random.default_rng(0))
        assert len(np.unique(lesson.batch.tables["node"].argmax(1))) == meets


def test_the_teacher_leads_less_and_less():
    policy = WithWay()
    settings = Imitate(episodes=2, beta=0.8, beta_decay=0.5)
    _, told = train(policy, settings, [Episode(LAYERED, 0)], 3)
    assert [one["beta"] for one in told] == pytest.approx([0.8, 0.4, 0.2])


def test_the_mixture_follows_beta():
    policy, way = WithWay(), Episode(LAYERED, 0)
    learner = Imitate(beta=0.7).start(policy, untrained(policy))
    lesson, _ = learner.lesson([way] * 4000, np.random.default_rng(1))
    at_start = lesson.batch.tables["node"][:, 0] == 1
    took_best = np.mean(lesson.batch.tables["node"][:, 3])  # of all questions, those at node 3
    # Node 3 is reached with 0.7 + 0.3 / 3, and every play asks at 0, at one of 1 to 3, and later.
    assert took_best / np.mean(at_start) == pytest.approx(0.8, abs=0.02)


STUDENTS = """
from tests.learn.toys import Sequence1


class Teacher(Sequence1, frozen=True):
    name = "toy/teacher"
"""


def test_a_trained_policy_teaches_another(tmp_path):
    path = tmp_path / "teacher.py"
    path.write_text(STUDENTS)
    episodes = [Episode(jobs(seed), 0) for seed in range(80)]
    trained, _ = train(WithWSPT(), Imitate(learning_rate=0.02, minibatch=16), episodes, 10)
    teacher = load_policy(str(path))
    kept = weights.save(
        tmp_path / "teacher.safetensors", weights.of(trained.network), weights.metadata(teacher)
    )
    named = {"policy": str(path), "weights": str(kept)}
    settings = Imitate(teacher=named, learning_rate=0.02, minibatch=16)
    student, _ = train(Sequence1(), settings, episodes, 10, seed=1)
    tests = [Episode(jobs(seed), 0) for seed in range(1000, 1010)]
    of_teacher = evaluate(Sequence1(), trained.network, tests).sum()
    assert evaluate(Sequence1(), student.network, tests).sum() < 1.03 * of_teacher
    assert evaluate(Sequence1(), untrained(Sequence1(), 1), tests).sum() > 1.1 * of_teacher


def test_without_a_teacher_it_says_what_to_do():
    with pytest.raises(UserError, match="knows no teacher: name a trained policy"):
        Imitate().start(Games(), Games().network())
    with pytest.raises(UserError, match="shop/spt cannot teach"):
        Imitate(teacher="shop/spt").start(Games(), Games().network())


def test_a_teacher_that_breaks_the_rules_is_named():
    learner = Imitation(Imitate(), Games(), untrained(Games()), lambda e: lambda q: 99)
    with pytest.raises(RunError, match="teacher answered with a row"):
        learner.lesson([Episode(LAYERED, 0)], np.random.default_rng(0))
