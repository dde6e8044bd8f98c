# ruff: noqa: E402
import random
import subprocess
import sys
import warnings

import msgspec
import numpy as np
import pytest

gymnasium = pytest.importorskip("gymnasium")
pytest.importorskip("greenlet")
from gymnasium.utils.env_checker import check_env

from hocket import run
from hocket.core.disturb.breakdowns import Breakdowns
from hocket.core.disturb.noise import LogNormal
from hocket.core.errors import IllegalDecision, NotApplicable, RunError, UserError
from hocket.core.load import load_policy
from hocket.core.registry import problem_type
from hocket.learn.asking import Asking, Question
from hocket.learn.batch import question
from hocket.learn.env import Environment
from hocket.learn.observe import padded
from hocket.serving.asking import DispatchQuestions
from hocket.serving.model.cluster import Cluster, Pool
from hocket.serving.workload.trace import Trace
from hocket.shop.asking import ProjectQuestions, ShopQuestions
from hocket.shop.dispatch import Start
from hocket.shop.generate.random_shops import Blocking
from hocket.shop.model.jobshop import Job, JobShop, Machine, Operation
from hocket.shop.model.project import Activity, Lag, Mode, Project, Resource
from hocket.shop.model.single import SingleJob, SingleMachine
from tests.shop.projects import small

SHOP = JobShop(
    name="four jobs",
    machines=(Machine(name="a"), Machine(name="b", breakdowns=Breakdowns(mean_up=9, mean_down=3))),
    jobs=tuple(
        Job(
            name=f"j{i}",
            release=i // 2,
            due=8 + 3 * i,
            weight=1 + i % 2,
            operations=tuple(
                Operation(machine=m, duration=1 + (5 * i + k) % 7)
                for k, m in enumerate("ab" if i % 2 else "ba")
            ),
        )
        for i in range(6)
    ),
)
SINGLE = SingleMachine(
    name="one machine",
    jobs=tuple(SingleJob(name=f"j{i}", duration=1 + i * 7 % 5, due=4 * i + 4) for i in range(6)),
)
PROJECT = small(random.Random(3), activities=6, lags=False, stock=False)
CLUSTER = Cluster(
    name="three replicas",
    pools=(Pool(count=3),),
    workload=Trace(
        arrival=tuple(range(0, 400_000, 20_000)),
        prompt=tuple(100 + 37 * i % 900 for i in range(20)),
        output=tuple(20 + 13 * i % 70 for i in range(20)),
    ),
)
ALL = {"shop": SHOP, "single": SINGLE, "project": PROJECT, "cluster": CLUSTER}


NAMES = {
    "shop": "hocket/shop-job-shop-v0",
    "single": "hocket/shop-single-machine-v0",
    "project": "hocket/shop-project-v0",
    "cluster": "hocket/serving-cluster-v0",
}


def made(name, **settings):
    return gymnasium.make(NAMES[name], scenario=ALL[name], **settings)


def episode(env, choose, **reset):
    """The sum of the rewards and the last info of an episode; every observation is checked."""
    observation, info = env.reset(**reset)
    total, over = 0.0, False
    while not over:
        assert observation in env.observation_space
        np.testing.assert_array_equal(info["action_mask"], env.action_masks())
        observation, reward, over, cut, info = env.step(choose(observation, env.action_masks()))
        assert not cut
        total += reward
    assert observation in env.observation_space
    return total, info


def first(observation, mask):
    return int(mask.argmax())


def at_random(seed):
    rng = np.random.default_rng(seed)
    return lambda observation, mask: int(rng.choice(np.flatnonzero(mask)))


@pytest.mark.parametrize("observation", ["graph", "padded"])
@pytest.mark.parametrize("name", ALL)
def test_gymnasiums_own_checker_finds_nothing(name, observation):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(made(name, observation=observation).unwrapped)


@pytest.mark.parametrize("observation", ["graph", "padded"])
@pytest.mark.parametrize("name", ALL)
def test_rewards_sum_up_to_the_cost_and_the_end_tells_of_the_run(name, observation):
    scenario = ALL[name]
    env = Environment(scenario, observation=observation)
    total, info = episode(env, at_random(0), seed=4)
    assert total == pytest.approx(-info["cost"])
    problem = problem_type(scenario)
    assert info["metrics"] == problem.get("metrics")(scenario, info["timeline"])
    assert problem.get("check")(scenario, info["timeline"]) == []
    wanted = "e2e_mean" if name == "cluster" else scenario.objective
    assert info["cost"] == info["metrics"][wanted]
    assert not info["action_mask"].any()


@pytest.mark.parametrize(
    "objective",
    [
        "makespan",
        "total_flow_time",
        "weighted_flow_time",
        "total_tardiness",
        "weighted_tardiness",
        "max_lateness",
        "late_jobs",
    ],
)
def test_the_objective_is_paid_as_time_goes_by(objective):
    scenario = msgspec.structs.replace(SHOP, objective=objective)
    env = Environment(scenario)
    _, info = env.reset(seed=1)
    over, rewards, costs = False, [], [info["cost"]]
    while not over:
        _, reward, over, _, info = env.step(int(env.action_masks().argmax()))
        rewards.append(reward)
        costs.append(info["cost"])
    assert -sum(rewards) == info["metrics"][objective]
    if objective != "max_lateness":
        assert costs == sorted(costs)
        assert sum(reward < 0 for reward in rewards) > 1


def durations(observation, mask):
    """The row with the least duration, the first of equals."""
    return int(observation["tables"]["operations"][:, 0].argmin())


def test_the_rule_that_goes_by_the_first_feature_is_spt():
    env = Environment(SHOP)
    for seed in (0, 1, 2):
        _, info = episode(env, durations, seed=seed)
        spans = [s._replace(reason="") for s in info["timeline"].spans()]
        expected = run(SHOP, load_policy("shop/spt"), seed=seed).timeline
        assert spans == [s._replace(reason="") for s in expected.spans()]


def test_a_seed_replays_and_another_brings_other_luck():
    env = Environment(SHOP)
    found = [episode(env, first, seed=seed)[1]["timeline"].digest() for seed in (7, 7, 8)]
    assert found[0] == found[1] != found[2]
    env.reset(seed=7)
    follow = [env.reset()[1]["seed"] for _ in range(3)]
    env.reset(seed=7)
    assert [env.reset()[1]["seed"] for _ in range(3)] == follow
    assert len(set(follow)) == 3


def test_seeds_and_scenarios_to_take_from():
    noisy = msgspec.structs.replace(SHOP, name="noisy", noise=LogNormal(cv=0.5))
    env = Environment([SHOP, noisy], seeds=(5, 6))
    assert {env.reset(seed=s)[1]["seed"] for s in range(12)} == {5, 6}
    ends = {episode(env, first, seed=s)[1]["timeline"].digest() for s in range(24)}
    assert len(ends) == 4


def test_what_an_observation_holds():
    env = Environment(SINGLE, observation="padded")
    observation, _ = env.reset(seed=0)
    assert observation["operations"].shape == (6, 7)
    unit = np.mean([job.duration for job in SINGLE.jobs])
    for row, job in zip(observation["operations"], SINGLE.jobs, strict=True):
        slack = (job.due - job.duration) / unit
        expected = [job.duration / unit, job.duration / unit, 1, 0, slack, 1, 1]
        np.testing.assert_allclose(row, expected, rtol=1e-6)
    observation, *_ = env.step(2)
    assert observation["operations_there"].tolist() == observation["mask"].tolist() == [1] * 5 + [0]
    assert (observation["operations"][5] == 0).all()
    np.testing.assert_allclose(observation["shop"], [[1 / 6, 1 / 6, 1, 5]], rtol=1e-6)


def test_what_a_cluster_asks():
    env = Environment(CLUSTER)
    seen, _ = env.reset(seed=0)
    memory = seen["tables"]["replicas"][0, 5]
    assert memory > 10  # tens of thousands of tokens fit
    idle = [0, 0, 0, 0, 1, memory, 1, 0]
    np.testing.assert_allclose(seen["tables"]["replicas"], [idle] * 3)
    np.testing.assert_allclose(seen["tables"]["request"][0, [0, 2]], [100 / 1024, 0])
    seen, *_ = env.step(1)
    np.testing.assert_allclose(seen["tables"]["replicas"][1, 2:4], [1, 100 / 1024])
    assert (seen["tables"]["replicas"][[0, 2], 2] == 0).all()


def test_what_a_project_asks():
    def activity(name, duration, crew, **other):
        return Activity(
            name=name, modes=(Mode(duration=duration, demands={"crew": crew}),), **other
        )

    project = Project(
        resources=(Resource(name="crew", capacity=4),),
        activities=(
            activity("a", 2, 1, weight=3),
            activity("b", 4, 4, due=9),
            activity("c", 6, 2, weight=2),
        ),
        lags=(Lag(before="a", after="c"),),
    )
    seen, _ = Environment(project).reset()
    # In mean durations, of 4: a starts now or never if all ends at 8; b has 4 ticks to spare.
    a = [2 / 4, 0, 1 / 3, 8 / 4, 1 / 4, 0, 0, 3 / 2]
    b = [4 / 4, 4 / 4, 0, 4 / 4, 4 / 4, 5 / 4, 1, 1 / 2]
    np.testing.assert_allclose(seen["tables"]["activities"], [a, b], rtol=1e-6)
    np.testing.assert_allclose(seen["tables"]["project"], [[0, 0, 1]])


class Linked(Asking, frozen=True):
    """Questions with an edge from each operation to the next, and a table without rows."""

    name = "toy/linked"
    problems = ("shop/single-machine",)

    def decider(self, scenario, streams, choose):
        return _Linking(choose)

    def most_rows(self, scenario):
        return {"operations": len(scenario.jobs), "none": 1}


class _Linking:
    def __init__(self, choose):
        self.choose = choose

    def dispatch(self, view):
        count = len(view.candidates)
        ends = [range(count - 1), range(1, count)]
        asked = question(
            {"operations": np.ones((count, 2)), "none": np.zeros((0, 3))},
            "operations",
            links={"next": ("operations", "operations", ends)},
        )
        return Start(view.candidates[self.choose(Question(asked, view.now))])


@pytest.mark.parametrize("observation", ["graph", "padded"])
def test_links_are_part_of_the_graph(observation):
    env = made("single", policy=Linked(), observation=observation).unwrapped
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(env)
    seen, _ = env.reset()
    if observation == "graph":
        assert seen["links"]["next"].tolist() == [[i, i + 1] for i in range(5)]
        assert seen["tables"]["none"].shape == (0, 3)
    else:
        assert seen["none_there"].tolist() == [0] and "links" not in seen
    assert "links" not in Environment(SINGLE).reset()[0]


class Unbounded(Asking, frozen=True):
    """Does not say how large its questions get."""

    name = "toy/unbounded"
    problems = ("shop/single-machine",)

    def decider(self, scenario, streams, choose):
        return ShopQuestions().decider(scenario, streams, choose)


def test_how_large_questions_get_is_met_in_a_run_or_given():
    assert Environment(SINGLE, Unbounded()).action_space.n == 6
    assert Environment(SINGLE, max_rows=9).action_space.n == 9
    given = Environment(SINGLE, observation="padded", max_rows={"operations": 8})
    assert given.observation_space["operations"].shape == (8, 7)
    assert given.observation_space["shop"].shape == (1, 4)
    with pytest.raises(UserError, match=r"max_rows=\{'operations': 6\}"):
        Environment(SINGLE, max_rows=4).reset()


def test_an_action_that_may_not_be_taken_stands_for_the_next_or_is_refused():
    env = Environment(SINGLE, max_rows=9)
    env.reset(seed=0)
    *_, info = env.step(8)
    assert info["illegal"]
    legal = Environment(SINGLE, max_rows=9)
    legal.reset(seed=0)
    *_, told = legal.step(0)
    assert "illegal" not in told
    assert env._asked.batch.tables["operations"].tolist() == (
        legal._asked.batch.tables["operations"].tolist()
    )
    strict = Environment(SINGLE, max_rows=9, illegal="refuse")
    strict.reset()
    with pytest.raises(IllegalDecision, match="these may be chosen: 0, 1, 2"):
        strict.step(8)


def test_after_the_end_and_after_closing_it_has_to_be_reset():
    env = Environment(SINGLE)
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(0)
    episode(env, first)
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(0)
    env.reset()
    env.close()
    assert not env.action_masks().any()
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(0)


class Guarded(Asking, frozen=True):
    """Tells when an episode is left."""

    name = "toy/guarded"
    problems = ("shop/single-machine",)

    def decider(self, scenario, streams, choose):
        return _Guarding(choose)


LEFT = []


class _Guarding:
    def __init__(self, choose):
        self.choose = choose

    def dispatch(self, view):
        try:
            rows = np.ones((len(view.candidates), 1))
            return Start(view.candidates[self.choose(Question(question({"a": rows}, "a")))])
        except BaseException as error:
            LEFT.append(type(error).__name__)
            raise


def test_closing_and_resetting_end_the_episode_that_runs():
    env = Environment(SINGLE, Guarded())
    env.reset()
    LEFT.clear()
    env.reset()
    assert LEFT == ["GreenletExit"]
    env.close()
    assert LEFT == ["GreenletExit"] * 2


def test_an_environment_that_fails_says_where():
    class Broken(Guarded, frozen=True):
        def decider(self, scenario, streams, choose):
            return object()

    with pytest.raises(RunError, match="episode 'one machine', seed 0"):
        Environment(SINGLE, Broken())


class Failing(Guarded, frozen=True):
    """Fails after the third question."""

    def decider(self, scenario, streams, choose):
        left = [3]

        def counted(asked):
            left[0] -= 1
            return choose(asked) if left[0] >= 0 else 1 // 0

        return _Guarding(counted)


def test_a_run_that_fails_is_over():
    env = Environment(SINGLE, Failing(), max_rows=6)
    env.reset()
    env.step(0)
    env.step(0)
    with pytest.raises(RunError, match=r"seed .*ZeroDivisionError"):
        env.step(0)
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(0)
    env.reset()
    env.step(0)


def test_registered_names():
    for name, full in NAMES.items():
        env = made(name)
        assert env.spec.id == full
        env.reset(seed=0)
        env.step(int(env.unwrapped.action_masks().argmax()))
        env.close()
    by_name = gymnasium.make("hocket/shop-job-shop-v0", scenario="shop/ta01")
    assert by_name.action_space.n == 15
    with pytest.raises(NotApplicable, match=r"for shop/project, not shop/job-shop"):
        gymnasium.make("hocket/shop-project-v0", scenario=SHOP)


def test_environments_side_by_side():
    many = gymnasium.vector.SyncVectorEnv([lambda: Environment(SINGLE, observation="padded")] * 3)
    observations, info = many.reset(seed=1)
    assert observations["operations"].shape == (3, 6, 7)
    _, rewards, *_ = many.step(info["action_mask"].argmax(1))
    assert rewards.shape == (3,)


def test_what_cannot_be_an_environment():
    alone = SingleMachine(name="alone", jobs=(SingleJob(name="j", duration=3),))
    with pytest.raises(UserError, match="asks nothing in alone"):
        Environment(alone)
    with pytest.raises(UserError, match="needs a scenario"):
        Environment([])
    with pytest.raises(NotApplicable, match="is made for shop/job-shop"):
        Environment(PROJECT, ShopQuestions())


def test_padding_refuses_other_questions():
    env = Environment(SINGLE, observation="padded")
    with pytest.raises(UserError, match="hold no table 'activities'"):
        padded(question({"activities": [[1.0]]}, "activities"), env.observation_space)
    with pytest.raises(UserError, match="has 1 features, the observations 7"):
        padded(question({"operations": [[1.0]]}, "operations"), env.observation_space)


def test_projects_start_what_has_to_start_first():
    seen = 0
    for seed in range(30):
        project = small(random.Random(seed), activities=5, lags=True, stock=False)
        try:
            _, info = episode(Environment(project, ProjectQuestions()), at_random(seed))
        except (RunError, UserError):
            continue  # a dead end, which no dispatcher takes back, or nothing to decide
        assert problem_type(project).get("check")(project, info["timeline"]) == []
        seen += 1
    assert seen >= 5


def test_questions_about_many_kinds_of_shops_can_all_be_answered():
    for blocking in ("no", "swap", "no-swap"):
        base = Blocking(jobs=5, machines=3).make(1)
        scenario = msgspec.structs.replace(base, blocking=blocking)
        _, info = episode(Environment(scenario), at_random(1))
        assert problem_type(scenario).get("check")(scenario, info["timeline"]) == []


def test_the_objective_of_a_cluster():
    env = Environment(CLUSTER, DispatchQuestions(objective="ttft_p99"))
    _, info = episode(env, first)
    assert info["cost"] == info["metrics"]["ttft_p99"]
    with pytest.raises(UserError, match="unknown objective 'speed'"):
        DispatchQuestions(objective="speed")


def test_without_gymnasium_it_says_what_to_install():
    code = (
        "import sys; sys.modules['gymnasium'] = None\n"
        "from hocket.core.errors import MissingExtra\n"
        "try: import hocket.learn.env\n"
        "except MissingExtra as error: print(error)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "pip install 'hocket[learn]'" in told.stdout
