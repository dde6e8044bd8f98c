from typing import Annotated, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hocket.core.convert import convert
from hocket.core.errors import InputError
from hocket.core.scenario import Scenario, Ticks


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Fixed(Part, tag_field="kind", tag="fixed"):
    value: int


class Drawn(Part, tag_field="kind", tag="drawn"):
    low: Annotated[float, msgspec.Meta(gt=0, lt=10)]
    high: float = 9.0

    def __post_init__(self):
        if self.high < self.low:
            raise ValueError(f"high {self.high} is below low {self.low}")


class Item(Part):
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=5, pattern="^[a-z]*$")]
    time: Ticks | None = None
    rate: float = 1.0
    even: Annotated[int, msgspec.Meta(multiple_of=2)] = 0
    law: Fixed | Drawn | None = None


class Plan(Scenario, tag_field="problem", tag="toy/plan"):
    items: tuple[Item, ...]
    start: Ticks = 0
    mode: Literal["no", "swap", "no-swap"] = "no"
    strict: bool = False
    need: dict[str, Annotated[int, msgspec.Meta(ge=0)]] = {}
    steps: dict[int, str] = {}
    pair: tuple[int, str] = (0, "")
    either: int | str = 0
    count: Annotated[tuple[int, ...], msgspec.Meta(max_length=2)] = ()
    anything: object = None


def problems(data, kind=Plan, **options):
    with pytest.raises(InputError) as caught:
        convert(data, kind, source="plan.yaml", **options)
    return [str(problem) for problem in caught.value.problems]


def one(**fields):
    (found,) = problems({"items": [], **fields})
    return found


def test_a_hint_is_given_only_where_the_number_is_exact():
    assert one(start=1e15).endswith("got 1000000000000000.0; write 1000000000000000")
    assert one(start=1e300).endswith("got 1e+300")


def test_sound_data_become_an_object():
    data = {"problem": "toy/plan", "items": [{"name": "a", "law": {"kind": "fixed", "value": 1}}]}
    assert convert(data, Plan, source="") == Plan(items=(Item(name="a", law=Fixed(value=1)),))


def test_every_problem_is_found_at_once():
    data = {
        "items": [{"nam": "a"}, {"name": "b", "time": -5}, 3],
        "start": "soon",
        "mode": "swop",
        "strict": 1,
    }
    assert problems(data) == [
        "items[0].nam: unknown field: did you mean 'name'?",
        "items[0].name: missing",
        "items[1].time: must be >= 0, got -5",
        "items[2]: expected the fields of Item, got 3",
        "start: expected a time such as 90 or '90 s', got text 'soon'",
        "mode: expected one of no, no-swap, swap, got text 'swop': did you mean 'swap'?",
        "strict: expected true or false, got 1; write true",
    ]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"items": {"name": "a"}}, "items: expected a list, got names with values"),
        ({"items": "abc"}, "items: expected a list, got text 'abc'"),
        ({"items": None}, "items: expected a list, got nothing"),
        ({"start": 5.0}, "start: expected a whole number, got 5.0; write 5"),
        ({"start": 2.5}, "start: expected a whole number of ticks, got 2.5; use a finer time_unit"),
        ({"start": "5"}, "start: expected a whole number, got text '5'; write 5"),
        ({"start": True}, "start: expected a whole number, got true"),
        ({"start": float("nan")}, "start: expected a whole number, got nan"),
        ({"start": 2**50}, "start: must be <= 1099511627776, got 1125899906842624"),
        ({"start": 10**30}, "start: must be <= 1099511627776, got a number of over 18 digits"),
        ({"start": []}, "start: expected a whole number, got a list"),
        ({"strict": "yes"}, "strict: expected true or false, got text 'yes'; write true"),
        ({"strict": "off"}, "strict: expected true or false, got text 'off'; write false"),
        ({"mode": False}, "mode: expected one of no, no-swap, swap, got false"),
        ({"name": 7}, "name: expected text, got 7; put it in quotes"),
        ({"name": None}, "name: expected text, got nothing"),
        ({"name": "\ud800"}, "name: text with half a surrogate pair, which is no valid Unicode"),
        ({"need": {"a": -1}}, "need.a: must be >= 0, got -1"),
        ({"need": {1: 1}}, "need.1: expected text, got 1; put it in quotes"),
        ({"need": {"\ud800": 1}}, "need.\\ud800: text with half a surrogate pair"),
        ({"\x1b[2J": 1}, "\\x1b[2J: unknown field"),
        ({"anything": {"\ud800": 1}}, "anything.\\ud800: text with half a surrogate pair"),
        ({"need": []}, "need: expected names with values, got a list"),
        ({"steps": {"x": "a"}}, "steps.x: expected a whole number, got text 'x'"),
        ({"pair": [1]}, "pair: expected 2 values, got 1"),
        ({"pair": [1, 2]}, "pair[1]: expected text, got 2; put it in quotes"),
        ({"pair": 1}, "pair: expected a list, got 1"),
        ({"either": 1.5}, "either: expected a whole number or text, got 1.5"),
        ({"count": [1, 2, 3]}, "count: must have at most 2 entries, got 3"),
        ({"anything": float("inf")}, "anything: inf is no number to compute with; write a finite"),
        ({"anything": {"a": {1}}}, "anything.a: expected plain data, got a set"),
        ({"problem": "toy/plam"}, "problem: expected 'toy/plan', got text 'toy/plam'"),
        ({"stat": 1}, "stat: unknown field: did you mean 'start'"),
    ],
)
def test_messages_of_a_scenario(fields, message):
    assert one(**fields).startswith(message)


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({"name": ""}, "name: must have at least 1 characters, got 0"),
        ({"name": "abcdef"}, "name: must have at most 5 characters, got 6"),
        ({"name": "A"}, "name: must match '^[a-z]*$', got text 'A'"),
        ({"rate": "1.5"}, "rate: expected a number, got text '1.5'; write 1.5"),
        ({"rate": float("nan")}, "rate: nan is no number to compute with; write a finite one"),
        ({"rate": True}, "rate: expected a number, got true"),
        ({"even": 3}, "even: must be a multiple of 2, got 3"),
        ({"law": {"value": 1}}, "law.kind: missing; one of fixed, drawn"),
        (
            {"law": {"kind": "fixd"}},
            "law.kind: expected one of fixed, drawn, got text 'fixd': did you mean 'fixed'?",
        ),
        ({"law": {"kind": "fixed"}}, "law.value: missing"),
        ({"law": {"kind": "fixed", "valu": 1, "value": 1}}, "law.valu: unknown field"),
        ({"law": {"kind": "drawn", "low": 0}}, "law.low: must be > 0, got 0"),
        ({"law": {"kind": "drawn", "low": 10.0}}, "law.low: must be < 10, got 10.0"),
        ({"law": {"kind": "drawn", "low": 9.5}}, "law: high 9.0 is below low 9.5"),
        ({"law": 5}, "law: expected the fields of Fixed or the fields of Drawn or nothing, got 5"),
    ],
)
def test_messages_of_a_part(item, message):
    (found,) = problems({"items": [{"name": "ok"}, {"name": "a"} | item]})
    assert found.startswith(f"items[1].{message}")


def test_what_structs_refuse_comes_with_the_rest():
    data = {"items": [{"name": "a", "law": {"kind": "drawn", "low": 9.5}}], "start": -1}
    assert problems(data) == [
        "items[0].law: high 9.0 is below low 9.5",
        "start: must be >= 0, got -1",
    ]


@pytest.mark.parametrize(
    ("text", "unit", "ticks"),
    [
        ("90 s", "s", 90),
        ("90s", "s", 90),
        ("1.5 h", "min", 90),
        ("1/3 h", "min", 20),
        ("2e3 ms", "s", 2),
        ("0 day", "ns", 0),
        (" 1 min ", "s", 60),
    ],
)
def test_times_with_a_unit(text, unit, ticks):
    data = {"items": [{"name": "a", "time": text}], "time_unit": unit}
    assert convert(data, Plan, source="").items[0].time == ticks


@pytest.mark.parametrize(
    ("text", "unit", "message"),
    [
        ("90 s", "min", "start: '90 s' is 1.5 min, no whole number of ticks"),
        ("90 s", "tick", "start: '90 s' has a unit, but time_unit is 'tick'; set it, e.g. to s"),
        ("90 sec", "s", "start: '90 sec' has no known unit of time"),
        ("-90 s", "s", "start: must be >= 0, got -90"),
        ("1e99999999 s", "s", "start: expected a time such as 90 or '90 s'"),
        ("1/0 s", "s", "start: '1/0 s' is not a time"),
        ("9" * 80 + " s", "s", "start: expected a time such as 90 or '90 s'"),
        ("90", "s", "start: expected a whole number, got text '90'; write 90"),
        ("", "s", "start: expected a time such as 90 or '90 s', got text ''"),
    ],
)
def test_times_that_do_not_fit(text, unit, message):
    assert one(start=text, time_unit=unit).startswith(message)


def test_problems_get_the_line_of_their_path_or_of_what_encloses_it():
    known = {"start": 2, "items": 3, "items[0]": 4}
    data = {"items": [{"nam": "a"}], "start": -1}
    assert problems(data, lines=lambda: known) == [
        "line 2: start: must be >= 0, got -1",
        "line 4: items[0].nam: unknown field: did you mean 'name'?",
        "line 4: items[0].name: missing",
    ]


def test_nesting_is_bounded_also_where_data_contain_themselves():
    loop = []
    loop += [loop, loop, {"a": loop}]
    assert one(anything=loop) == "nested more than 64 deep"


def test_what_occurs_in_many_places_is_told_once():
    shared = [float("nan")]
    for _ in range(40):
        shared = [shared, shared]
    assert one(anything=shared).endswith("nan is no number to compute with; write a finite one")


def test_keys_of_files_may_be_numbers():
    assert convert({"items": [], "steps": {"3": "x"}}, Plan, source="").steps == {3: "x"}


FIELDS = (
    "items start mode need pair either anything name time_unit time law kind low value problem "
    "strict count steps rate x"
)
keys = st.sampled_from(FIELDS.split())
leaves = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.sampled_from([2**41, 2**70, 10**400, 5.0, 0.5, float("nan"), float("inf"), "\udc00"])
    | st.sampled_from(["a", "no", "swap", "90 s", "1 h", "5", "fixed", "drawn", "s", "toy/plan"])
)
anything = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=15,
)
laws = st.fixed_dictionaries(
    {"kind": st.sampled_from(["fixed", "drawn"])},
    optional={"value": st.integers() | leaves, "low": st.integers(1, 20) | leaves},
)
items = st.fixed_dictionaries(
    {"name": st.sampled_from(["a", "bc"])}, optional={"time": leaves, "law": laws, "rate": leaves}
)
nearly = st.fixed_dictionaries(
    {"items": st.lists(items | leaves, max_size=3)},
    optional={"start": leaves, "mode": leaves, "need": anything, "pair": anything, "name": leaves},
)


@given(anything | nearly)
def test_anything_is_an_object_or_an_input_error(data):
    try:
        usual = msgspec.convert(data, Plan)
    except (msgspec.ValidationError, UnicodeEncodeError):
        usual = None
    try:
        found = convert(data, Plan, source="")
    except InputError as error:
        assert error.problems
        refused = ("no number to compute with", "no valid Unicode")
        if usual is not None:
            assert all(any(word in p.message for word in refused) for p in error.problems)
    else:
        assert isinstance(found, Plan)
        assert usual is None or found == usual


@given(nearly, st.sampled_from(["s", "min"]))
def test_the_walk_finds_what_the_fast_path_finds(data, unit):
    """A time with a unit forces the walk; the result is that of the same data with ticks."""
    data = {key: value for key, value in data.items() if key != "start"} | {"time_unit": unit}
    try:
        direct = convert(data | {"start": 60 if unit == "s" else 1}, Plan, source="")
    except InputError as error:
        assert problems(data | {"start": "1 min"}) == [str(p) for p in error.problems]
    else:
        assert convert(data | {"start": "1 min"}, Plan, source="") == direct
