"""The authors' coefficients: as in their files, and what is asked for and not there."""

import csv

import pytest

from hocket.core.errors import NotApplicable, UnknownName
from hocket.serving.cost.distserve import load
from hocket.serving.disaggregation import published
from tests.data import shared


@pytest.mark.parametrize("engine", published.ENGINES)
@pytest.mark.parametrize("model", ["opt-13b", "opt-66b"])
def test_times_are_those_of_the_authors_file(engine, model):
    name = f"profiler-a100-80g.{engine}.json"
    path = shared("serving", "profiles", "distserve_a100_80g", name)
    for tp, costs in published.times(model, engine).items():
        assert costs == load(path, f"facebook/{model}", tp)


def test_memory_is_that_of_the_authors_file():
    path = shared("serving", "profiles", "distserve_a100_80g", "max_num_tokens.csv")
    with path.open() as lines:
        rows = list(csv.DictReader(lines))
    found = {
        (f"facebook/{model}", *cut): tokens
        for model in published.MODELS
        for cut, tokens in published.memory(model).items()
    }
    assert found == {
        (row["model"], int(row["tp"]), int(row["pp"])): int(row["max_num_tokens"]) for row in rows
    }


def test_what_was_not_published():
    assert sorted(published.times("opt-66b")) == [2, 3, 4, 8]
    assert published.times("opt-175b") == {} and published.memory("opt-175b")[8, 1] == 59520
    assert (1, 1) not in published.memory("opt-66b")
    with pytest.raises(NotApplicable, match="there are for 2, 3, 4, 8"):
        published.coefficients("opt-66b", 1)
    with pytest.raises(NotApplicable, match="there are for none"):
        published.coefficients("opt-175b", 8, "vllm")
    with pytest.raises(UnknownName, match="opt-13b"):
        published.coefficients("opt13b", 1)
    with pytest.raises(UnknownName, match="engine"):
        published.times("opt-13b", "sglang")
