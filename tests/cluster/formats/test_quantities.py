"""Quantities: the values of Kubernetes' own rules, and what it refuses."""

import math
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hocket.cluster.formats.quantities import LARGEST, amount, expand, quantity, written
from hocket.core.errors import InputError

# Text, value rounded up to whole units, value in thousandths rounded up.
GOLDEN = [
    ("0", 0, 0),
    ("1", 1, 1000),
    ("+1", 1, 1000),
    ("-0", 0, 0),
    ("007", 7, 7000),
    ("1.", 1, 1000),
    (".5", 1, 500),
    ("0.5", 1, 500),
    ("2.5", 3, 2500),
    ("0.0001", 1, 1),
    ("1n", 1, 1),
    ("1000000n", 1, 1),
    ("1000001n", 1, 2),
    ("1u", 1, 1),
    ("1500u", 1, 2),
    ("100m", 1, 100),
    ("1500m", 2, 1500),
    ("0.1m", 1, 1),
    ("2k", 2000, 2_000_000),
    ("1M", 10**6, 10**9),
    ("1.5G", 1_500_000_000, 1_500_000_000_000),
    ("3T", 3 * 10**12, 3 * 10**15),
    ("2P", 2 * 10**15, 2 * 10**18),
    ("1Ki", 1024, 1_024_000),
    ("1.5Gi", 1_610_612_736, 1_610_612_736_000),
    ("0.1Ki", 103, 102_400),
    ("0.001Ki", 2, 1024),
    ("63284Mi", 66_358_083_584, 66_358_083_584_000),
    ("1Ti", 2**40, 2**40 * 1000),
    ("1e3", 1000, 10**6),
    ("1E3", 1000, 10**6),
    ("12E0", 12, 12_000),
    ("1e+3", 1000, 10**6),
    ("1e-3", 1, 1),
    ("25e-1", 3, 2500),
    ("1.234e2", 124, 123_400),
    ("1e-999999999", 1, 1),
    ("0e999999999", 0, 0),
]

LARGE = [("4E", 4 * 10**18), ("1Pi", 2**50), ("2Ei", 2**61), ("4Ei", 2**62)]

REFUSED = [
    ("", "no quantity"),
    (" ", "no quantity"),
    ("-", "no quantity"),
    (".", "no quantity"),
    ("Gi", "no quantity"),
    ("aoeu", "no quantity"),
    (".i", "no quantity"),
    ("12 GB", "write G, without a space and without B"),
    ("1gb", "write G"),
    ("1GiB", "write Gi"),
    ("512mb", "write M"),
    ("1K", "write k"),
    ("1ki", "write Ki"),
    ("1 m", "unknown unit ' m'"),
    ("1e", "write E"),
    ("1ee3", "unknown unit"),
    ("1e3.5", "unknown unit"),
    ("1.1.M", "unknown unit '.M'"),
    ("1+1.0M", "unknown unit"),
    ("0.1mi", "write Mi"),
    ("1i", "unknown unit"),
    ("0x10", "unknown unit"),
    ("1_000", "unknown unit"),
    ("1,5", "unknown unit ',5'"),
    ("\u0661", "no quantity"),
    ("1\n", "unknown unit"),
    ("-1", "negative"),
    ("-1m", "negative"),
    ("-0.5Gi", "negative"),
    ("12E", "too large"),
    ("5Ei", "too large"),
    ("1e19", "too large"),
    ("1e999999999", "too large"),
    ("9" * 60, "too large"),
    ("9" * 5000, "no quantity"),
    (-1, "negative"),
    (2**63, "too large"),
    (10**5000, "too large"),
    (float("nan"), "no quantity"),
    (float("inf"), "no quantity"),
    (True, "no quantity"),
    (None, "no quantity"),
    ([1], "no quantity"),
]


@pytest.mark.parametrize(("text", "whole", "milli"), GOLDEN)
def test_golden(text: str, whole: int, milli: int) -> None:
    assert quantity(text) == whole
    assert quantity(text, milli=True) == milli


@pytest.mark.parametrize(("text", "whole"), LARGE)
def test_large(text: str, whole: int) -> None:
    assert quantity(text) == whole


def test_so_much_in_thousandths_is_refused() -> None:
    with pytest.raises(ValueError, match="'4Ei' is too large"):
        quantity("4Ei", milli=True)


@pytest.mark.parametrize(("value", "told"), REFUSED, ids=range(len(REFUSED)))
def test_refused(value: object, told: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        quantity(value)  # type: ignore[arg-type]
    assert told in str(caught.value)
    assert len(str(caught.value)) < 200


def test_numbers_count_as_they_are_written() -> None:
    assert quantity(2) == 2
    assert quantity(2, milli=True) == 2000
    assert quantity(0.1, milli=True) == 100
    assert quantity(1e3) == 1000
    assert quantity(0.5) == 1


SUFFIXES = {
    "n": Fraction(1, 10**9),
    "u": Fraction(1, 10**6),
    "m": Fraction(1, 1000),
    "": Fraction(1),
    **{s: Fraction(1000) ** (i + 1) for i, s in enumerate("kMGTPE")},
    **{f"{s}i": Fraction(1024) ** (i + 1) for i, s in enumerate("KMGTPE")},
    **{f"e{e}": Fraction(10) ** e for e in range(-12, 13)},
    **{f"E{e:+d}": Fraction(10) ** e for e in range(-12, 13)},
}


@given(
    whole=st.integers(0, 10**6),
    part=st.text("0123456789", max_size=12),
    suffix=st.sampled_from(sorted(SUFFIXES)),
    milli=st.booleans(),
)
def test_is_the_exact_value_rounded_up(whole: int, part: str, suffix: str, milli: bool) -> None:
    text = f"{whole}.{part}{suffix}" if part else f"{whole}{suffix}"
    exact = Fraction(f"{whole}.{part or 0}") * SUFFIXES[suffix] * (1000 if milli else 1)
    expected = -(-exact.numerator // exact.denominator)
    if expected > LARGEST:
        with pytest.raises(ValueError, match="too large"):
            quantity(text, milli=milli)
    else:
        assert quantity(text, milli=milli) == expected


@given(st.integers(0, LARGEST), st.sampled_from(["milli_cpu", "memory", "pods", "x.io/y"]))
def test_what_is_written_reads_back(count: int, resource: str) -> None:
    name, text = written(resource, count)
    assert amount(name, text) == count
    assert name == ("cpu" if resource == "milli_cpu" else resource)


@given(st.text(max_size=12))
def test_any_text_is_a_number_or_a_clear_error(text: str) -> None:
    try:
        value = quantity(text)
    except ValueError as error:
        assert str(error)
    else:
        assert 0 <= value <= LARGEST


def test_expand_makes_base_units() -> None:
    data = {
        "nodes": [{"name": "a", "allocatable": {"cpu": 4, "memory": "16Gi", "pods": 110}}],
        "pods": [
            {"name": "p", "requests": {"cpu": "500m", "memory": 1000, "nvidia.com/gpu": "1"}},
            {"name": "q", "requests": {"milli_cpu": 250, "memory": 1e3}},
            {"name": "r", "requests": {"cpu": 0.25}},
            {"name": "s"},
        ],
    }
    found = expand(data)
    assert found["nodes"][0]["allocatable"] == {
        "milli_cpu": 4000,
        "memory": 16 * 2**30,
        "pods": 110,
    }
    assert [pod.get("requests") for pod in found["pods"]] == [
        {"milli_cpu": 500, "memory": 1000, "nvidia.com/gpu": 1},
        {"milli_cpu": 250, "memory": 1000},
        {"milli_cpu": 250},
        None,
    ]
    assert data["pods"][0]["requests"]["cpu"] == "500m", "the caller's data stay as they are"


def test_expand_tells_every_problem_with_its_path() -> None:
    data = {
        "nodes": [{"allocatable": {"cpu": "four"}}],
        "pods": [
            {"requests": {"memory": "1 GB"}},
            {"requests": {"cpu": 1, "milli_cpu": 1}},
            {"requests": {"milli_cpu": "500m"}},
            {"requests": {"nvidia.com/gpu": -1}},
        ],
    }
    with pytest.raises(InputError) as caught:
        expand(data)
    assert [problem.path for problem in caught.value.problems] == [
        "nodes[0].allocatable.cpu",
        "pods[0].requests.memory",
        "pods[1].requests.cpu",
        "pods[2].requests.milli_cpu",
        "pods[3].requests.nvidia.com/gpu",
    ]
    assert "cpu: 500m" in caught.value.problems[3].message


@pytest.mark.parametrize("odd", [None, 3, "text", [None], [3], [{"requests": 3}], {"a": 1}])
def test_expand_leaves_wrong_shapes_to_the_conversion(odd: object) -> None:
    assert expand({"pods": odd})["pods"] == odd
    odd_amounts = {"requests": {"memory": None, "pods": [1], "x": True}}
    assert expand({"pods": [odd_amounts]})["pods"] == [odd_amounts]


@given(
    st.decimals(0, 10**6, places=6, allow_nan=False),
    st.sampled_from(["", "n", "u", "m", "k", "M", "G", "Ki", "Mi", "Gi"]),
)
def test_agrees_with_the_official_client(number: Decimal, suffix: str) -> None:
    """Which reads the same text exactly, without rounding up."""
    parse = pytest.importorskip("kubernetes.utils.quantity").parse_quantity
    text = f"{number:f}{suffix}"
    assert quantity(text, milli=True) == math.ceil(Fraction(parse(text)) * 1000)
