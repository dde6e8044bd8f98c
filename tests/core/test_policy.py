import copy
import pickle
from typing import ClassVar

import pytest

from hocket.core.policy import Policy, spec, summary
from hocket.core.streams import Streams
from hocket.shop.policies.rules import ATC, SPT


class Nested(Policy, frozen=True):
    """With fields of several kinds.

    And a second paragraph.
    """

    name: ClassVar[str] = "test/nested"
    size: int
    inner: ATC = ATC()
    names: tuple[str, ...] = ()
    table: dict[str, int] = {}


def test_a_policy_prints_what_differs_from_its_defaults():
    assert str(SPT()) == "shop/spt"
    assert str(ATC()) == "shop/atc"
    assert str(ATC(k=3.5)) == "shop/atc(k=3.5)"
    assert str(ATC(lead=0.0, k=1)) == "shop/atc(k=1, lead=0.0)"
    assert str(Nested(size=2)) == "test/nested(size=2)"
    assert str(Nested(size=2, table={"a": 1})) == "test/nested(size=2, table={'a': 1})"


def test_its_plain_data():
    assert spec(ATC(k=3.0)) == {"policy": "shop/atc", "k": 3.0, "lead": 2.0}
    assert spec(Nested(size=1, names=("x",))) == {
        "policy": "test/nested",
        "size": 1,
        "inner": {"k": 2.0, "lead": 2.0},
        "names": ("x",),
        "table": {},
    }


def test_equality_hash_copies_and_pickles():
    assert ATC(k=2) == ATC()
    assert ATC(k=3) != ATC()
    assert SPT() != ATC()
    assert len({ATC(k=3), ATC(k=3), ATC()}) == 2
    for policy in (ATC(k=3), Nested(size=1, inner=ATC(k=9), table={"a": 1})):
        assert pickle.loads(pickle.dumps(policy)) == policy
        assert copy.deepcopy(policy) == policy


def test_a_policy_cannot_be_changed():
    with pytest.raises(AttributeError):
        ATC().k = 3.0
    with pytest.raises(AttributeError):
        SPT().anything = 1
    with pytest.raises(TypeError, match="size"):
        Nested()


def test_a_policy_without_begin_says_so():
    with pytest.raises(NotImplementedError, match=r"Nested has no begin\(scenario, streams\)"):
        Nested(size=1).begin(None, Streams(0))


def test_the_summary_is_the_first_line():
    assert summary(Nested) == "With fields of several kinds."
    assert summary(SPT) == "Shortest processing time."
    assert summary(type("Bare", (), {})) == ""


def test_long_fields_are_told_by_number_and_digest():
    class Plan(Policy, frozen=True):
        name = "toy/plan"
        steps: tuple[str, ...] = ()

    short, long, other = (
        Plan(steps=("a", "b")),
        Plan(steps=("x" * 50,) * 9),
        Plan(steps=("y",) * 99),
    )
    assert str(short) == "toy/plan(steps=('a', 'b'))"
    assert str(long).startswith("toy/plan(steps=<9: ")
    assert len({str(plan) for plan in (short, long, other)}) == 3
    assert str(long) == str(Plan(steps=("x" * 50,) * 9))
