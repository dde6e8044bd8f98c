from pathlib import Path

import pytest

from hocket.core.errors import InputError, UnknownName
from hocket.serving.cost import DistServe
from hocket.serving.cost.distserve import load
from hocket.serving.model.cluster import Pool
from tests.data import shared

PUBLISHED = DistServe(
    prefill=(18.1025, 0.101912, 7.12226e-6),
    small=(19.9347, 6.26936e-4, 0.038507),
    large=(7.16619, 5.798e-4, 0.158311),
)


def test_prefill_follows_the_published_form() -> None:
    model = PUBLISHED.model(Pool())
    lengths = [512, 1024]
    form = 18.1025 + 0.101912 * 1536 + 7.12226e-6 * (512**2 + 1024**2)
    around = 1 + 2 + 1e-4 * 1536  # each stage, and the first one per iteration and token
    seconds = model.iteration([(n, 0) for n in lengths], 0, 0)
    assert seconds * 1e3 == pytest.approx(form + around)


@pytest.mark.parametrize(("requests", "triple"), [(94, PUBLISHED.small), (95, PUBLISHED.large)])
def test_decode_changes_at_the_threshold(requests: int, triple: tuple[float, float, float]) -> None:
    a, b, c = triple
    context = 300 * requests
    tokens = context + requests
    expected = a + b * tokens + c * requests + 2 + 1e-4 * context
    assert PUBLISHED.model(Pool()).decode(requests, context) * 1e3 == pytest.approx(expected)


def test_a_pipeline_divides_the_forms_but_not_what_surrounds_them() -> None:
    two = PUBLISHED.model(Pool(pp=2))
    form = 18.1025 + 0.101912 * 512 + 7.12226e-6 * 512**2
    assert two.iteration([(512, 0)], 0, 0) * 1e3 == pytest.approx(form / 2 + 2 * 1 + 2 + 1e-4 * 512)


def test_chunks_of_a_prompt_have_the_squares_of_the_whole() -> None:
    model = PUBLISHED.model(Pool())
    whole = model.iteration([(1024, 0)], 0, 0)
    parts = model.iteration([(512, 0)], 0, 0) + model.iteration([(512, 512)], 0, 0)
    assert (parts - whole) * 1e3 == pytest.approx(18.1025 + 3)


def test_the_artifact_is_read() -> None:
    path = shared("serving", "profiles", "distserve_a100_80g", "profiler-a100-80g.distserve.json")
    found = load(path, "facebook/opt-13b", 1)
    assert found.prefill == pytest.approx(PUBLISHED.prefill, rel=1e-4)
    assert found.small == pytest.approx(PUBLISHED.small, rel=1e-4)
    assert found.large == pytest.approx(PUBLISHED.large, rel=1e-4)
    assert found.threshold == 95
    with pytest.raises(UnknownName, match="opt-13b"):
        load(path, "facebook/opt-31b", 1)
    with pytest.raises(UnknownName, match="degree tp"):
        load(path, "facebook/opt-13b", 3)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"m": {"1": {"prefill": [1, 2]}}}', "no coefficients of DistServe"),
        ('{"m": [1]}', "no coefficients of DistServe"),
        ('{"m": {', "line 1"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "profile.json"
    path.write_text(text)
    with pytest.raises(InputError, match=said):
        load(path, "m", 1)


def test_negative_constants_are_problems() -> None:
    config = DistServe(prefill=(-1, 0.1, -7e-6), small=(1, 1, 1), large=(1, 1, 1))
    (problem,) = config.problems("cost", Pool())
    assert problem.path == "cost.prefill"  # a negative quadratic part alone is published, and fine
