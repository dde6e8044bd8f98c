import msgspec
import numpy as np
import pytest

from hocket.core.errors import InputError
from hocket.serving.calibrate.iterations import Iterations, iterations
from hocket.serving.calibrate.steps import FEWEST, from_steps, predicted
from hocket.serving.cost import Linear, Regime
from hocket.serving.live.record import Asked, Began, Finished, Line, Step
from hocket.serving.live.recording import recording
from hocket.serving.model.cluster import Pool
from tests.serving.twin.records import KNOWN, POOL, record, workload

SMALL = msgspec.structs.replace(POOL, kv_blocks=70)


def read(lines: list[Line]) -> Iterations:
    return iterations(recording(lines))


def asked(name: str, at: int, prompt: int) -> Asked:
    return Asked(id=name, at=at, arrival=at, prompt=prompt)


def drawn(cost: Linear, count: int = 800, seed: int = 0) -> Iterations:
    """Iterations at random, which last as `cost` says."""
    rng = np.random.default_rng(seed)
    prompt = rng.integers(0, 512, count) * (rng.random(count) < 0.4)
    decodes = rng.integers(0, 40, count)
    made = Iterations(
        end=np.arange(count),
        prompt=prompt,
        pairs=prompt * (prompt / 2 + rng.integers(0, 600, count)),
        decodes=decodes,
        context=decodes * rng.integers(50, 900, count),
        seconds=np.ones(count),
    )
    return msgspec.structs.replace(made, seconds=predicted(made, cost))


def test_steps_say_what_was_computed_with_what_before() -> None:
    found = read(
        [
            Began(block_size=32, blocks=10),
            asked("a", 0, 100),
            Step(n=0, at=0, end=10, tokens={"a": 60}),
            asked("b", 15, 30),
            Step(n=1, at=10, end=20, tokens={"a": 40}),
            Step(n=2, at=20, end=30, tokens={"a": 1, "b": 30}),
            Step(n=3, at=30, end=40, tokens={"a": 1, "b": 1}),
        ]
    )
    assert found.prompt.tolist() == [60, 40, 30, 0]
    assert found.pairs.tolist() == [60 * 30, 40 * (60 + 20), 30 * 15, 0]
    assert found.decodes.tolist() == [0, 0, 1, 2]
    assert found.context.tolist() == [0, 0, 100, 101 + 30]


def test_who_gave_way_computes_prompt_and_answer_anew_less_what_the_cache_spares() -> None:
    found = read(
        [
            Began(block_size=32, blocks=10),
            asked("a", 0, 40),
            asked("b", 0, 50),
            Step(n=0, at=0, end=10, tokens={"a": 40, "b": 50}),
            Step(n=1, at=10, end=20, tokens={"a": 1, "b": 1}),
            Step(n=2, at=20, end=30, tokens={"a": 1}, preempted=("b",)),
            Step(n=3, at=30, end=40, tokens={"a": 1, "b": 20}, cached={"b": 32}),
            Step(n=4, at=40, end=50, tokens={"a": 1, "b": 1}),
        ]
    )
    # b has answered two tokens when it gives way: 52 in all, of which 32 are still there
    assert found.prompt.tolist() == [90, 0, 0, 20, 0]
    assert found.pairs[3] == 20 * (32 + 10)
    assert found.decodes.tolist() == [0, 2, 1, 1, 2]
    assert found.context[4] == 43 + 52


def test_an_iteration_lasts_from_when_it_could_have_been_composed() -> None:
    found = read(
        [
            Began(block_size=32, blocks=10),
            asked("a", 100, 10),
            Step(n=0, at=105, end=200, tokens={"a": 10}),  # idle before: since the arrival
            Step(n=1, at=230, end=300, tokens={"a": 1}),  # busy: since the end of the last one
            Finished(id="a", at=300, generated=2),
            asked("b", 250, 10),
            Step(n=2, at=330, end=400, tokens={"b": 10}),  # it waited meanwhile
            Finished(id="b", at=405, generated=1),
            asked("c", 900, 10),
            Step(n=3, at=920, end=1000, tokens={"c": 10}),
        ]
    )
    assert np.rint(found.seconds * 1e6).tolist() == [100, 100, 100, 100]


def test_who_leaves_with_a_step_may_be_written_down_before_it() -> None:
    lines: list[Line] = [
        Began(block_size=32, blocks=10),
        asked("a", 0, 10),
        Step(n=0, at=0, end=100, tokens={"a": 10}),
        Finished(id="a", at=200, generated=2),
        Step(n=1, at=130, end=200, tokens={"a": 1}),
    ]
    assert np.rint(read(lines).seconds * 1e6).tolist() == [100, 100]


@pytest.mark.parametrize("pool", [POOL, SMALL], ids=["roomy", "preempting"])
@pytest.mark.parametrize("cached", [False, True])
def test_known_coefficients_come_back(pool: Pool, cached: bool) -> None:
    pool = msgspec.structs.replace(pool, prefix_cache=cached)
    found = from_steps(read(record(workload(rate=8.0), pool))).cost
    assert isinstance(found, Linear) and found.large is None
    # the record rounds to microseconds
    assert found.base == pytest.approx(KNOWN.base, rel=1e-4)
    assert found.per_token == pytest.approx(KNOWN.per_token, rel=1e-4)
    assert found.per_pair == pytest.approx(KNOWN.per_pair, rel=1e-2)
    assert found.per_decode == pytest.approx(KNOWN.per_decode, rel=1e-3)
    assert found.per_context == pytest.approx(KNOWN.per_context, rel=1e-2)


def test_what_an_engine_does_between_iterations_is_part_of_each() -> None:
    found = from_steps(read(record(workload(rate=8.0), between=0.003))).cost
    assert isinstance(found, Linear)
    assert found.base == pytest.approx(KNOWN.base + 0.003, rel=1e-4)


def test_a_second_regime_is_found_where_there_is_one_and_only_there() -> None:
    bent = msgspec.structs.replace(
        KNOWN, large=Regime(decodes=20, base=0.02, per_decode=6e-4, per_context=1.2e-7)
    )
    found = from_steps(drawn(bent)).cost
    assert isinstance(found, Linear) and found.large is not None
    assert found.large.decodes in range(18, 23)
    plain = from_steps(drawn(KNOWN)).cost
    assert isinstance(plain, Linear) and plain.large is None


@pytest.mark.parametrize("spikes", [0.0, 0.02])
def test_noise_leaves_the_sum_of_all_times_as_it_is(spikes: float) -> None:
    clean = drawn(KNOWN, count=2000)
    rng = np.random.default_rng(1)
    factor = rng.lognormal(-0.02, 0.2, 2000) + 30 * (rng.random(2000) < spikes)
    noisy = msgspec.structs.replace(clean, seconds=clean.seconds * factor)
    cost = from_steps(noisy).cost
    assert isinstance(cost, Linear)
    assert predicted(noisy, cost).sum() == pytest.approx(noisy.seconds.sum(), rel=1e-3)


def test_outliers_do_not_bend_the_model() -> None:
    """Five iterations with much context were held up for 0.3 s each by somebody else."""
    clean = drawn(KNOWN, count=2000)
    seconds = clean.seconds.copy()
    seconds[np.argsort(clean.context)[-5:]] += 0.3
    found = from_steps(msgspec.structs.replace(clean, seconds=seconds))
    assert found.meta["fitted by"] == "Huber"
    assert isinstance(found.cost, Linear)
    scale = seconds.sum() / clean.seconds.sum()
    assert found.cost.per_context == pytest.approx(KNOWN.per_context * scale, rel=0.05)
    assert found.cost.per_token == pytest.approx(KNOWN.per_token * scale, rel=0.05)


def test_no_coefficient_is_negative_and_no_iteration_free() -> None:
    found = drawn(Linear(base=0.0, per_token=1e-4, per_decode=1e-3))
    rng = np.random.default_rng(0)
    noisy = msgspec.structs.replace(
        found, seconds=found.seconds * rng.lognormal(0, 0.3, 800) + 1e-5
    )
    cost = from_steps(noisy).cost
    assert isinstance(cost, Linear)
    assert cost.base >= 1e-6
    assert min(cost.per_token, cost.per_pair, cost.per_decode, cost.per_context) >= 0


def test_few_iterations_are_refused() -> None:
    few = drawn(KNOWN, count=FEWEST - 1)
    with pytest.raises(InputError, match=f"{FEWEST - 1} iterations are too few"):
        from_steps(few)
