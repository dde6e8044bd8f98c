"""JSPLIB, OR-Library and Taillard text."""

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from hocket.core.errors import InputError, NotApplicable
from hocket.shop.formats import FORMATS, jsplib
from hocket.shop.generate import bounds, named
from hocket.shop.generate.disrupted import Disrupted
from hocket.shop.generate.random_shops import Flexible
from hocket.shop.generate.single import PottsVanWassenhove
from hocket.shop.generate.taillard import Taillard
from hocket.shop.model import JobShop
from tests.data import shared
from tests.shop.formats.shops import classic_shops

TWO = "2 2\n0 3 1 2\n1 4 0 1\n"
TAI = "jobs, machines\n2 2 7\nTimes\n3 2\n4 1\nMachines\n1 2\n2 1\n"


def rows(shop: JobShop) -> list[list[tuple[str | None, int | None]]]:
    return [[(o.machine, o.duration) for o in job.operations] for job in shop.jobs]


def complaints(text: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        jsplib.read(text, "bad.jsp")
    return [str(problem) for problem in caught.value.problems]


def sniffed(name: str, text: str) -> list[str]:
    return [f.name for f in FORMATS if f.sniff(name, text[:4096])]


@settings(deadline=None)
@given(classic_shops())
def test_round_trip(shop: JobShop) -> None:
    assert jsplib.read(jsplib.write(shop), shop.name) == shop


@settings(deadline=None)
@given(classic_shops(ragged=True))
def test_round_trip_of_jobs_that_skip_or_revisit_machines(shop: JobShop) -> None:
    assert jsplib.read(jsplib.write(shop), shop.name) == shop


def test_all_public_files() -> None:
    folder = shared("shop", "jsplib")
    files = sorted(folder.iterdir())
    assert len(files) >= 54
    for file in files:
        text = file.read_text()
        shop = jsplib.read(text, file.name)
        assert shop.name == file.name and list(shop.problems()) == []
        assert sniffed(file.name, text) == ["jsplib"]
        assert jsplib.read(jsplib.write(shop)) == shop
        known = bounds(shop.name)
        assert known is not None
        assert max(sum(o.duration or 0 for o in job.operations) for job in shop.jobs) <= known.upper


def test_public_files_as_job_shop_lib_reads_them() -> None:
    peer = pytest.importorskip("job_shop_lib").JobShopInstance
    for file in sorted(shared("shop", "jsplib").iterdir()):
        theirs = peer.from_taillard_file(file)
        shop = jsplib.read(file.read_text(), file.name)
        assert [[(f"m{o.machine_id}", o.duration) for o in job] for job in theirs.jobs] == rows(
            shop
        )


def test_the_same_instance_in_every_dress() -> None:
    plain = jsplib.read(TWO)
    orlib = " instance two\n \n +++++\n A 2x2 instance (Table 1)\n" + TWO + " +++++\n"
    dresses = [
        orlib,
        "#+++\n# instance two\n#+++\n" + TWO,
        "\ufeff" + TWO.replace("\n", "\r\n"),
        TWO.replace(" ", "\t  ") + "\n\n",
        "0 3 1 2\n1 4 0 1",
        "2 2\n0 3 1 2 # the first\n1 4 0 1 -1 -1\n",
        "Nb of jobs, Nb of Machines, Time seed\n 2 2 5\nTimes\n 3 2\n 4 1\nMachines\n 1 2\n 2 1\n",
        "2 2\ntimes\n3 2\n4 1\nmachines\n1 2\n2 1\n",
    ]
    for text in dresses:
        assert rows(jsplib.read(text)) == rows(plain)
        assert sniffed("two.txt", text) == ["jsplib"]
    assert jsplib.read(orlib, "file.txt").name == "two"
    assert jsplib.read(TWO, "folder/three.txt").name == "three"


def test_taillards_own_text_of_ta01() -> None:
    shop = named("ta01")
    times = [" ".join(str(o.duration) for o in job.operations) for job in shop.jobs]
    machines = [" ".join(str(int(o.machine[1:]) + 1) for o in j.operations) for j in shop.jobs]
    opening = "Nb of jobs, Nb of Machines, Time seed, Machine seed, Upper bound, Lower bound"
    numbers = "15 15 840612802 398197754 1231 1005"
    text = "\n".join([opening, numbers, "Times", *times, "Machines", *machines, ""])
    assert jsplib.read(text, "ta01") == shop


def test_blank_lines_cost_nothing() -> None:
    """A hundred thousand of them; anything quadratic would never end."""
    assert rows(jsplib.read("\n" * 100_000 + TWO + " \n" * 100_000)) == rows(jsplib.read(TWO))


def test_a_large_instance() -> None:
    """A hundred thousand operations; the writer and the reader agree."""
    shop = Taillard(jobs=200, machines=500).make(0)
    assert jsplib.read(jsplib.write(shop)) == shop


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["the file is empty"]),
        (" \n\t\n", ["the file is empty"]),
        ("# only a comment\n", ["there are no numbers in this file"]),
        ("PK\x03\x04 zip", ["line 1: this is no text file: it holds the character '\\x03'"]),
        ("2 2\n0 3 1 2\n\ufffd\n", ["line 3: this is no text file: it holds the character '�'"]),
        ("2 2\n0 3 1 2\n", ["line 2: 1 rows of 2: a row per job; is the file cut off?"]),
        ("1 2\n0 3 1 2\n1 1 0 1\n", ["line 3: 2 rows, but only 1 jobs are announced"]),
        ("1 2\n0 3 1 -2\n", ["line 2: '-2' is negative"]),
        ("1 2\n0 3 1 1_0\n", ["line 2: '1_0' is not a whole number"]),
        ("1 2\n0 3 1 ٣\n", ["line 2: '٣' is not a whole number"]),
        ("1 2\n0 3 1 2.0\n", ["line 2: '2.0' is not a whole number"]),
        (
            "1 2\n0 3 2 1\n",
            ["line 2: jobs[0].operations[1]: there is no machine 2; they are 0 to 1"],
        ),
        ("2 2 7\n0 3 1 2\n", ["line 1: the first line must hold the numbers of jobs and mach"]),
        ("0 2\n", ["line 1: 0 jobs; there must be from 1 to 1000000"]),
        ("1 9999999\n0 1\n", ["line 1: 9999999 machines; there must be from 1 to 1000000"]),
        ("1 1\n0 " + "9" * 5000, ["line 2: a number of 5000 digits"]),
        (TWO + "instance x\n" + TWO, ["line 4: a second instance starts here; keep one per file"]),
        (
            "2 2\nTimes\n1 2\n3 4\nMachines\n1 2\n",
            ["line 6: 1 rows of 2: a row per job under Machi"],
        ),
        (
            "1 2\nTimes\n1 2\nMachines\n1 0\n",
            ["line 5: jobs[0].operations[1]: there is no machine 0"],
        ),
        ("Times\n1\nMachines\n1\n", ["before Times there must be one row"]),
    ],
)
def test_what_is_wrong_and_where(text: str, expected: list[str]) -> None:
    found = complaints(text)
    assert len(found) == len(expected)
    for complaint, start in zip(found, expected, strict=True):
        assert complaint.startswith(start)


def test_all_problems_at_once() -> None:
    found = complaints("3 2\n0 nan 1 inf\n0 1e3 1\n5 1 1 2199023255552\n")
    assert [complaint.partition(": ")[0] for complaint in found] == ["line 2"] * 2 + [
        "line 3",
        "line 3",
        "line 4",
        "line 4",
    ]
    assert "'nan'" in found[0] and "'inf'" in found[1]
    assert "3 numbers, but 2 operations need 4" in "".join(found)
    assert "longer than 1099511627776 ticks" in "".join(found)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60) | st.text("0123 -1.#\nTimesMachn", max_size=80))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        shop = jsplib.read(text, "any")
    except InputError as error:
        assert error.problems
    else:
        assert list(shop.problems()) == []


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(TAI)), st.integers(0, 9), st.sampled_from(["", "-", "9", "\n", "Times"]))
def test_a_damaged_file_is_read_or_refused(at: int, gone: int, put: str) -> None:
    for text in (TAI, TWO):
        try:
            shop = jsplib.read(text[:at] + put + text[at + gone :])
        except InputError as error:
            assert error.problems
        else:
            assert list(shop.problems()) == []


def test_writing_refuses_to_lose_anything() -> None:
    with pytest.raises(InputError) as caught:
        jsplib.write(Disrupted(jobs=1, machines=2, shifts=1).make(0))
    lost = [str(problem) for problem in caught.value.problems]
    assert lost == [
        "noise: would be lost",
        "arrivals: would be lost",
        "machines[0].calendar: would be lost, the first of 2",
        "machines[0].breakdowns: would be lost, the first of 2",
        "jobs[0].due: would be lost",
        "YAML, TOML and JSON hold everything: write one of these",
    ]
    with pytest.raises(InputError, match="FJSPLIB holds alternatives"):
        jsplib.write(Flexible().make(0))
    with pytest.raises(NotApplicable, match="SingleMachine"):
        jsplib.write(PottsVanWassenhove().make(0))  # type: ignore[arg-type]


def test_names_stay_on_their_line() -> None:
    shop = JobShop(name="two\n9 9\nlines", jobs=named("ta01").jobs, machines=named("ta01").machines)
    assert jsplib.read(jsplib.write(shop)).name == "two 9 9 lines"
