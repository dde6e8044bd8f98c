"""Flexible job shops as text."""

from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from hocket.core.errors import InputError
from hocket.shop.formats import FORMATS, fjsplib
from hocket.shop.generate import named
from hocket.shop.generate.random_shops import Flexible, Setups
from hocket.shop.model import JobShop
from tests.shop.formats.shops import flexible_shops

KACEM = "2 3 1.5\n2  1 1 5  2 2 4 3 6\n1  3 1 2 2 2 3 9\n"


def choices(shop: JobShop) -> list[list[list[tuple[int, int]]]]:
    """Machines from 0 and durations of every operation."""
    index = {machine.name: m for m, machine in enumerate(shop.machines)}
    return [
        [[(index[c.machine], c.duration) for c in o.choices()] for o in job.operations]
        for job in shop.jobs
    ]


def complaints(text: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        fjsplib.read(text, "bad.fjs")
    return [str(problem) for problem in caught.value.problems]


def test_read() -> None:
    shop = fjsplib.read(KACEM, "kacem.fjs")
    assert shop.name == "kacem" and len(shop.machines) == 3
    assert choices(shop) == [[[(0, 5)], [(1, 4), (2, 6)]], [[(0, 2), (1, 2), (2, 9)]]]
    assert [f.name for f in FORMATS if f.sniff("kacem.txt", KACEM)] == ["fjsplib"]


@settings(deadline=None)
@given(flexible_shops())
def test_round_trip(shop: JobShop) -> None:
    assert fjsplib.read(fjsplib.write(shop), "shop.fjs") == shop


@settings(max_examples=25, deadline=None)
@given(shop=flexible_shops())
def test_peer_reads_what_we_write(shop: JobShop, tmp_path_factory: pytest.TempPathFactory) -> None:
    peer = pytest.importorskip("fjsplib")
    file = Path(tmp_path_factory.mktemp("fjs")) / "shop.fjs"
    file.write_text(fjsplib.write(shop))
    theirs = peer.read(file)
    assert (theirs.num_jobs, theirs.num_machines) == (len(shop.jobs), len(shop.machines))
    assert theirs.jobs == choices(shop)


def test_peer_reads_generated_shops_as_we_do(tmp_path: Path) -> None:
    peer = pytest.importorskip("fjsplib")
    for seed in range(5):
        shop = Flexible(jobs=20, machines=9, alternatives=6).make(seed)
        file = tmp_path / f"{seed}.fjs"
        file.write_text(fjsplib.write(shop))
        assert peer.read(file).jobs == choices(fjsplib.read(file.read_text()))


def test_classic_shops_too() -> None:
    assert fjsplib.read(fjsplib.write(named("dmu41")), "dmu41.fjs") == named("dmu41")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["the file is empty"]),
        ("2\n", ["line 1: the first line must hold the numbers of jobs and machines"]),
        ("1 x\n1 1 1 5\n", ["line 1: 'x' is not a whole number"]),
        ("1 2000000\n1 1 1 5\n", ["line 1: 2000000 machines; there must be from 1 to 1000000"]),
        ("2 2\n1 1 1 5\n", ["line 2: 1 rows of 2"]),
        ("1 2\n1 1 1 5\n1 1 1 5\n", ["line 3: 2 rows, but only 1 jobs are announced"]),
        ("1 2\n0\n", ["line 2: jobs[0]: a job must have at least one operation"]),
        ("1 2\n2 1 1 5\n", ["line 2: jobs[0]: the row ends after 1 of 2 operations"]),
        ("1 2\n1 2 1 5 2\n", ["line 2: jobs[0].operations[0]: 2 machines announced, so 4 numbers"]),
        ("1 2\n1 1 1 5 7 7\n", ["line 2: jobs[0]: 2 numbers too many after its 1 operations"]),
        (
            "1 2\n1 1 0 5\n",
            ["line 2: jobs[0].operations[0]: there is no machine 0; they are 1 to 2"],
        ),
        ("1 2\n1 0\n", ["line 2: jobs[0].operations[0]: no machine can do this operation"]),
        ("1 2\n1 2 1 5 1 6\n", ["line 2: jobs[0].operations[0]: machine 1 is given twice"]),
        ("1 1\n1 1 1 -5\n", ["line 2: '-5' is negative"]),
        ("1 1\n1 1 1 nan\n", ["line 2: 'nan' is not a whole number"]),
        ("1 1\n999999999999999999 1 1 5\n", ["line 2: jobs[0]: the row ends after 1 of 9999"]),
        ("\x00\x01", ["line 1: this is no text file"]),
        (
            "2 2\n1 1 3 5\n1 1 1 1e3 9\n1 1 1 5\n",
            [
                "line 2: jobs[0].operations[0]: there is no machine 3",
                "line 3: '1e3' is not a whole number",
                "line 4: 3 rows, but only 2 jobs are announced",
            ],
        ),
    ],
)
def test_what_is_wrong_and_where(text: str, expected: list[str]) -> None:
    found = complaints(text)
    assert len(found) == len(expected)
    for complaint, start in zip(found, expected, strict=True):
        assert complaint.startswith(start)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60) | st.text("0123 -\n", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        shop = fjsplib.read(text, "any")
    except InputError as error:
        assert error.problems
    else:
        assert list(shop.problems()) == []


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(KACEM)), st.integers(0, 9), st.sampled_from(["", "0", "9", "\n", "2 "]))
def test_a_damaged_file_is_read_or_refused(at: int, gone: int, put: str) -> None:
    try:
        shop = fjsplib.read(KACEM[:at] + put + KACEM[at + gone :])
    except InputError as error:
        assert error.problems
    else:
        assert list(shop.problems()) == []


def test_writing_refuses_to_lose_anything() -> None:
    with pytest.raises(InputError, match="setups: would be lost"):
        fjsplib.write(Setups().make(0))
