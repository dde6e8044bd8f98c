import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hocket.core.errors import InputError, UnknownName
from hocket.core.load import load_policy, with_fields
from hocket.core.policy import spec
from hocket.core.registry import generator_class

RULE = '''
from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from hocket.core.policy import Policy


class Batching(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    size: Annotated[int, msgspec.Meta(ge=1)] = 8
    rule: Literal["fifo", "spt"] = "fifo"


class MyRule(Policy):
    """A rule to test with."""

    name = "toy/my-rule"
    problems = ("shop/job-shop",)
    k: float = 2.0
    depth: int = 3
    title: str = ""
    note: str | None = "none given"
    strict: bool = False
    rule: Literal["spt", "edd", "no"] = "spt"
    weights: tuple[float, ...] = ()
    batching: Batching = Batching()
    either: int | str = 0
'''


@pytest.fixture
def rule(tmp_path):
    path = tmp_path / "my_rule.py"
    path.write_text(RULE)
    return str(path)


def problems(call, *arguments, **fields):
    with pytest.raises(InputError) as caught:
        call(*arguments, **fields)
    return [str(problem) for problem in caught.value.problems]


def test_a_name_and_fields():
    assert str(load_policy("shop/atc")) == "shop/atc"
    assert load_policy("shop/atc", k=3).k == 3.0
    assert problems(load_policy, "shop/atc", kk=3) == ["kk: unknown field: did you mean 'k'?"]
    assert problems(load_policy, "shop/atc", k="x") == ["k: expected a number, got text 'x'"]


def test_an_unknown_policy_suggests_the_nearest():
    with pytest.raises(UnknownName, match="did you mean 'shop/atc'"):
        load_policy("shop/atcs")
    (found,) = problems(load_policy, {"policy": "shop/atcs"})
    assert found.startswith("policy: unknown policy 'shop/atcs': did you mean 'shop/atc'")


def test_plain_data_are_what_spec_gives(rule):
    policy = load_policy(rule, k=5, weights=(1.0, 2.5))
    assert load_policy({**spec(policy), "policy": rule}) == policy
    assert load_policy({"policy": "shop/atc", "k": 3}, k=4).k == 4.0
    assert problems(load_policy, {"k": 3})[0].startswith("policy: missing; it names the policy")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("p.yaml", "policy: shop/atc\nk: 3.5\n"),
        ("p.yml", "k: 3.5\npolicy: shop/atc\n"),
        ("p.toml", 'policy = "shop/atc"\nk = 3.5\n'),
        ("p.json", '{"$schema": "x", "policy": "shop/atc", "k": 3.5}'),
    ],
)
def test_policy_files(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text)
    assert load_policy(path) == load_policy(str(path)) == load_policy("shop/atc", k=3.5)


def test_problems_of_policy_files_have_lines(tmp_path):
    path = tmp_path / "p.yaml"
    path.write_text("# tuned\npolicy: shop/atc\nk: fast\nleed: 2\n")
    assert problems(load_policy, path) == [
        "line 3: k: expected a number, got text 'fast'",
        "line 4: leed: unknown field: did you mean 'lead'?",
    ]
    path.write_text("\npolicy: shop/atcs\n")
    assert problems(load_policy, path)[0].startswith("line 2: policy: unknown policy 'shop/atcs'")
    path.write_text("- 1\n")
    assert "expected keys with values" in problems(load_policy, path)[0]
    assert problems(load_policy, tmp_path / "q.yaml")[0].startswith("no such file; did you mean")


def test_a_python_file(rule, tmp_path):
    assert load_policy(rule) == load_policy(f"{rule}:MyRule")
    assert load_policy(tmp_path / "my_rule.py").depth == 3
    with pytest.raises(UnknownName, match="did you mean 'MyRule'"):
        load_policy(f"{rule}:MyRuel")


@pytest.mark.parametrize(
    ("setting", "field", "value"),
    [
        ("k=3", "k", 3.0),
        ("k = 1e-3", "k", 0.001),
        ("depth=7", "depth", 7),
        ("title=7", "title", "7"),
        ("title=null", "title", "null"),
        ("title=a: b # c", "title", "a: b # c"),
        ("title=x=y", "title", "x=y"),
        ("title=", "title", ""),
        ("title=[1", "title", "[1"),
        ("note=null", "note", None),
        ("note=3", "note", "3"),
        ("strict=true", "strict", True),
        ("rule=edd", "rule", "edd"),
        ("rule=no", "rule", "no"),
        ("weights=[1, 2.5]", "weights", (1.0, 2.5)),
        ("either=5", "either", 5),
        ("either=five", "either", "five"),
    ],
)
def test_fields_from_text(rule, setting, field, value):
    found = getattr(with_fields(load_policy(rule), [setting]), field)
    assert found == value and type(found) is type(value)
    assert getattr(with_fields(type(load_policy(rule)), [setting]), field) == value


def test_nested_fields_keep_their_siblings(rule):
    policy = with_fields(load_policy(rule, depth=9), ["batching.size=4", "k=1"])
    policy = with_fields(policy, ["batching.rule=spt"])
    assert (policy.batching.size, policy.batching.rule) == (4, "spt")
    assert (policy.depth, policy.k) == (9, 1.0)


def test_everything_wrong_with_settings_at_once(rule):
    policy = load_policy(rule)
    assert problems(
        with_fields,
        policy,
        ["dept=1", "k=fast", "strict=yes", "rule=sptt", "batching.size=0", "batching.siz=1"],
    ) == [
        "k: expected a number, got text 'fast'",
        "strict: expected true or false, got text 'yes'; write true",
        "rule: expected one of edd, no, spt, got text 'sptt': did you mean 'spt'?",
        "batching.size: must be >= 1, got 0",
        "batching.siz: unknown field: did you mean 'size'?",
        "dept: unknown field: did you mean 'depth'?",
    ]
    assert problems(with_fields, policy, ["k", "=3", "a.=1"]) == [
        "'k' sets nothing; write field=value",
        "'=3' sets nothing; write field=value",
        "'a.=1' sets nothing; write field=value",
    ]
    assert problems(with_fields, policy, ["k=1", "k=2"]) == ["k is set twice"]
    assert problems(with_fields, policy, ["k.x=1"]) == [
        "k: expected a number, got names with values"
    ]


def test_generators_have_fields_too():
    kind = generator_class("shop/taillard")
    field = msgspec.structs.fields(kind)[0].name
    assert getattr(with_fields(kind, [f"{field}=7"]), field) == 7
    assert "unknown field" in problems(with_fields, kind, ["nonsense=7"])[0]


def test_the_source_names_the_policy(rule):
    with pytest.raises(InputError, match=r"^shop/atc: k: expected"):
        with_fields(load_policy("shop/atc"), ["k=x"])


@given(st.text(max_size=20))
def test_any_setting_is_a_policy_or_an_input_error(text):
    policy = load_policy("shop/atc")
    for setting in (text, f"k={text}", f"k.{text}=1"):
        try:
            found = with_fields(policy, [setting])
        except InputError as error:
            assert error.problems
        else:
            assert type(found) is type(policy)


@given(st.floats(min_value=0, exclude_min=True, allow_infinity=False))
def test_numbers_come_through_exactly(value):
    assert with_fields(load_policy("shop/atc"), [f"k={value!r}"]).k == value
