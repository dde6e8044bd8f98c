import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hocket.core.disturb.noise import LogNormal
from hocket.core.errors import InputError, NotApplicable, UserError
from hocket.core.streams import Streams
from hocket.learn import weights
from hocket.learn.asking import Episode
from hocket.shop.check.jobshop import check
from hocket.shop.check.single import check as check_single
from hocket.shop.generate import Disrupted, PottsVanWassenhove
from hocket.shop.generate.random_shops import Flexible, Setups
from hocket.shop.neural.arena import ActiveSchedules
from hocket.shop.neural.forward import shapes
from hocket.shop.policies.neural import Neural
from hocket.shop.simulate.jobshop import simulate
from hocket.shop.simulate.single import simulate as simulate_single
from tests.shop.policies.test_plans import is_active
from tests.shop.published import FT06, LA01
from tests.shop.simulate.cases import parse, shop, shops

DISRUPTED = Disrupted(jobs=8, machines=4).make(1)


@pytest.fixture(scope="module")
def untrained(tmp_path_factory) -> Neural:
    """The rule with random weights, which choose neither well nor always the same row."""
    rng = np.random.default_rng(0)
    arrays = {name: rng.normal(0, 0.3, shape) for name, shape in shapes(16, 5).items()}
    path = tmp_path_factory.mktemp("weights") / "random.safetensors"
    weights.save(path, arrays, weights.metadata(Neural()))
    return Neural(weights=str(path))


@settings(max_examples=60, deadline=None)
@given(shops(blocking=("no",)), st.integers(0, 2))
def test_it_copes_with_every_shop_that_it_does_not_refuse(untrained, world, seed):
    if untrained.refuses(world):
        with pytest.raises(NotApplicable):
            simulate(world, untrained, seed=seed)
        return
    timeline = simulate(world, untrained, seed=seed)
    assert check(world, timeline) == []


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), min_size=1, max_size=5),
        min_size=1,
        max_size=5,
    ),
    st.integers(1, 5),
)
def test_what_is_built_in_lock_step_is_what_the_simulator_does(untrained, jobs, samples):
    world = shop([*jobs, [(3, 1)]])
    policy = Neural(weights=untrained.weights, samples=samples)
    timeline = simulate(world, policy, seed=samples)
    assert check(world, timeline) == []
    if all(duration for job in jobs for _, duration in job):  # else one may fit into no time
        assert is_active(world, timeline)
    arena = untrained.arena([Episode(world, 0)])
    assert isinstance(arena, ActiveSchedules)
    score = untrained.scorer(weights.load(untrained))
    while (asked := arena.asked()) is not None:
        arena.answer(np.array([score(asked.batch).argmax()]))
    assert timeline.end <= arena.costs()[0]
    if samples == 1:
        assert timeline.end == arena.costs()[0]


def test_the_decider_that_asks_makes_the_same_schedule_as_the_rule(untrained):
    score = untrained.scorer(weights.load(untrained))

    class Asked:
        name, problems = untrained.name, untrained.problems

        def begin(self, scenario, streams):
            return untrained.decider(scenario, streams, lambda q: int(score(q.batch).argmax()))

    for world in (parse(FT06), parse(LA01), DISRUPTED):
        spans = list(simulate(world, untrained, seed=1).spans("run"))
        assert list(simulate(world, Asked(), seed=1).spans("run")) == spans


def test_more_samples_are_never_worse_and_the_seed_decides_which(untrained):
    world = parse(LA01)
    few, many = (Neural(weights=untrained.weights, samples=n) for n in (8, 100))
    ends = [simulate(world, policy, seed=3).end for policy in (untrained, few, many)]
    assert ends[0] > ends[1] >= ends[2]
    spans = [list(simulate(world, few, seed=seed).spans("run")) for seed in (3, 3, 4)]
    assert spans[0] == spans[1] != spans[2]


def test_a_cold_temperature_is_greedy(untrained):
    world = parse(LA01)
    cold = Neural(weights=untrained.weights, samples=5, temperature=1e-6)
    assert list(simulate(world, cold).spans("run")) == list(simulate(world, untrained).spans("run"))


def test_jobs_that_arrive_later_are_planned_when_they_arrive(untrained):
    world = Disrupted(jobs=8, machines=4, availability=1.0, variation=0.0).make(1)
    timeline = simulate(world, untrained, seed=2)
    assert check(world, timeline) == []
    assert {s.reason for s in timeline.spans("run")} == {"next in the plan"}


def test_a_late_machine_shifts_the_plan_and_does_not_change_it(untrained):
    world = parse(LA01, noise=LogNormal(cv=0.5))
    late = simulate(world, untrained, seed=1)
    assert check(world, late) == []

    def order(timeline):
        spans = sorted(timeline.spans("run"), key=lambda s: (s.lane, s.start))
        return [(s.lane, s.name) for s in spans]

    assert order(late) == order(simulate(parse(LA01), untrained))


def test_single_machine(untrained):
    world = PottsVanWassenhove(jobs=12).make(1)
    timeline = simulate_single(world, untrained)
    assert check_single(world, timeline) == []
    assert timeline.end == sum(job.duration for job in world.jobs)


REFUSED = [
    (parse(FT06, blocking="swap"), "buffers"),
    (parse(FT06, no_wait=True), "buffers"),
    (Setups(jobs=3, machines=2).make(0), "setup times"),
    (Flexible(jobs=3, machines=4).make(0), "one machine each"),
]


@pytest.mark.parametrize(("world", "why"), REFUSED)
def test_it_refuses_what_it_was_not_made_for(untrained, world, why):
    with pytest.raises(NotApplicable, match=why):
        simulate(world, untrained)
    with pytest.raises(NotApplicable, match=why):
        untrained.arena([Episode(world, 0)])


def test_settings_that_cannot_be_sampled():
    for wrong in ({"samples": 0}, {"temperature": 0.0}, {"temperature": float("nan")}):
        with pytest.raises(ValueError, match="at least 1"):
            Neural(**wrong)


def test_weights_of_another_shape_or_policy_are_refused(tmp_path, untrained):
    arrays = {name: np.zeros(shape) for name, shape in shapes(4, 3).items()}
    path = tmp_path / "other.safetensors"
    other = Neural(weights=str(path))
    weights.save(path, arrays | {"own.weight": np.zeros((4, 5))}, weights.metadata(Neural()))
    with pytest.raises(UserError, match=r"own\.weight"):
        other.begin(parse(FT06), Streams(0))
    weights.save(
        path, {n: a for n, a in arrays.items() if n != "score.bias"}, weights.metadata(Neural())
    )
    with pytest.raises(UserError, match=r"score\.bias"):
        other.begin(parse(FT06), Streams(0))
    (tmp_path / "pickle.safetensors").write_bytes(b"\x80\x04not safe")
    with pytest.raises(InputError):
        Neural(weights=str(tmp_path / "pickle.safetensors")).begin(parse(FT06), Streams(0))


@pytest.mark.parametrize("world", [parse(FT06, noise=LogNormal(cv=0.3)), DISRUPTED])
def test_uncertain_shops_are_trained_on_in_the_simulator(untrained, world):
    pytest.importorskip("greenlet")
    arena = untrained.arena([Episode(world, 1)])
    assert not isinstance(arena, ActiveSchedules)
    score = untrained.scorer(weights.load(untrained))
    while (asked := arena.asked()) is not None:
        arena.answer(np.array([score(asked.batch).argmax()]))
    assert arena.costs()[0] == simulate(world, untrained, seed=1).end
