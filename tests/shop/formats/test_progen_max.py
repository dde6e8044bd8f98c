import random
from pathlib import Path

import psplib
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hocket.core.errors import InputError
from hocket.shop.exact.project import solve
from hocket.shop.formats.progen_max import FORMAT, read, sniff
from hocket.shop.formats.psplib import FORMAT as PSPLIB
from hocket.shop.model import Lag, Mode

# Two activities on one resource; the second starts at most 4 after the first.
TINY = """\
2\t1\t0\t0
0\t1\t2\t1\t2\t[0]\t[0]
1\t1\t2\t2\t3\t[1]\t[3]
2\t1\t2\t1\t3\t[-4]\t[2]
3\t1\t0
0\t1\t0\t0
1\t1\t3\t2
2\t1\t2\t2
3\t1\t0\t0
3
"""


def refused(text: str) -> InputError:
    with pytest.raises(InputError) as caught:
        read(text, "tiny.sch")
    return caught.value


def test_a_tiny_file() -> None:
    project = read(TINY, "tiny.sch")
    assert [a.name for a in project.activities] == ["0", "1", "2", "3"]
    assert project.activities[1].modes == (Mode(duration=3, demands={"R1": 2}),)
    assert project.lags[2:5] == (
        Lag(before="1", after="2", least=1, since="start", of="start"),
        Lag(before="1", after="3", least=3, since="start", of="start"),
        Lag(before="2", after="1", least=-4, since="start", of="start"),
    )
    assert solve(project, workers=1).value == 5
    tighter = TINY.replace("[-4]", "[-2]")  # the resource is busy for 3
    solution = solve(read(tighter, "tiny.sch"), workers=1)
    assert solution.status == "infeasible"
    assert "'2' starts at most 2 after '1' starts" in solution.reason


def some_file(rng: random.Random, count: int, resources: int) -> str:
    rows = [f"{count} {resources} 0 0"]
    for i in range(count + 2):
        after = [j for j in range(count + 2) if j != i and rng.random() < 0.3]
        gaps = " ".join(f"[{rng.randint(-9, 9)}]" for _ in after)
        rows.append(f"{i}\t1\t{len(after)}\t" + "\t".join(map(str, after)) + f"\t{gaps}")
    for i in range(count + 2):
        needs = "\t".join(str(rng.randint(0, 5)) for _ in range(resources))
        rows.append(f"{i}\t1\t{rng.randint(0, 9)}\t{needs}")
    rows.append("\t".join(str(rng.randint(5, 9)) for _ in range(resources)))
    return "\n".join(rows) + "\n"


@pytest.mark.parametrize("seed", range(20))
def test_the_psplib_parser_agrees(seed: int, tmp_path: Path) -> None:
    text = some_file(random.Random(seed), 3 + seed % 6, 1 + seed % 4)
    path = tmp_path / "some.sch"
    path.write_text(text)
    ours, theirs = read(text, "some.sch"), psplib.parse(path, instance_format="rcpsp_max")
    assert [r.capacity for r in ours.resources] == [r.capacity for r in theirs.resources]
    names = [r.name for r in ours.resources]
    for i, (mine, other) in enumerate(zip(ours.activities, theirs.activities, strict=True)):
        (mode,) = mine.modes
        assert mode.duration == other.modes[0].duration
        assert [mode.demands.get(n, 0) for n in names] == other.modes[0].demands
        gaps = [(int(lag.after), lag.least) for lag in ours.lags if lag.before == str(i)]
        assert gaps == list(zip(other.successors, other.delays or [], strict=True))


@pytest.mark.parametrize(
    ("old", "new", "line", "told"),
    [
        ("2\t1\t0\t0\n", "2\t1\t1\t0\n", 1, "only renewable resources"),
        ("2\t1\t0\t0\n", "2\n", 1, "expected"),
        ("2\t1\t0\t0\n", "9\t1\t0\t0\n", 10, "is the file cut off?"),
        ("[-4]", "[x]", 4, "'[x]' is no whole number in brackets"),
        ("[-4]", "", 4, "2 successors announced, 2 given, with 1 gaps"),
        ("1\t1\t2\t2\t3", "1\t1\t2\t2\t8", 3, "successor 8, but activities are 0 to 3"),
        ("1\t1\t2\t2\t3", "1\t2\t2\t2\t3", 3, "activity 1 has 2 modes"),
        ("1\t1\t2\t2\t3", "4\t1\t2\t2\t3", 3, "activity 1, modes, number of successors expected"),
        ("1\t1\t3\t2", "1\t1\t3", 7, "activity 1, mode, duration and 1 requests expected"),
        ("1\t1\t3\t2", "1\t1\t3\t9", 7, "needs more than any capacity allows"),
        ("\n3\n", "\n3\t3\n", 10, "1 capacities expected, 2 given"),
        ("1\t1\t3\t2", f"1\t1\t{10**15}\t2", None, "1099511627776"),
    ],
)
def test_broken_files_are_refused_with_the_line(
    old: str, new: str, line: int | None, told: str
) -> None:
    assert old in TINY
    error = refused(TINY.replace(old, new, 1))
    assert told in str(error)
    assert line in [problem.line for problem in error.problems]


@pytest.mark.parametrize("text", ["", "  \n", "\x00", "one two"])
def test_other_things_are_refused(text: str) -> None:
    refused(text)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(TINY) - 1), st.text(max_size=3), st.integers(0, 12))
def test_random_damage_never_ends_in_another_error(at: int, put: str, cut: int) -> None:
    try:
        project = read(TINY[:at] + put + TINY[at + cut :], "tiny.sch")
    except InputError:
        return
    assert list(project.problems()) == []


def test_files_are_recognised() -> None:
    assert sniff("psp1.sch", TINY)
    assert sniff("unnamed", TINY)
    assert not sniff("ft06.txt", "6 6\n2 1 0 3")
    assert not sniff("psp1.sch", "")
    assert not PSPLIB.sniff("psp1.sch", TINY)
    assert FORMAT.write is None
