"""Files that no reader was made for: every one is read, or refused with an InputError."""

import random
from pathlib import Path

import pytest

from hocket.core.errors import InputError
from hocket.core.load import load
from hocket.taskgraph.formats import FORMATS
from hocket.taskgraph.formats.dot import write as write_dot
from hocket.taskgraph.formats.ds3_write import write as write_ds3
from hocket.taskgraph.generate import named
from tests.taskgraph.formats.test_stg import PLAIN
from tests.taskgraph.formats.test_wfcommons import NEW, OLD, changed

TEXTS = {
    "ds3": write_ds3(named("canonical")),
    "dot": write_dot(named("canonical")),
    "stg": PLAIN,
    "wfcommons": changed(OLD, "name", "old"),
    "wfcommons-new": changed(NEW, "name", "new"),
}
READERS = {format_.name: format_.read for format_ in FORMATS}


def test_every_format_has_a_name_of_its_own() -> None:
    assert len({format_.name for format_ in FORMATS}) == len(FORMATS)
    suffixes = [suffix for format_ in FORMATS for suffix in format_.suffixes]
    assert len({*suffixes}) == len(suffixes)


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_is_known_by_one_reader(name: str) -> None:
    knows = [one.name for one in FORMATS if one.sniff("x", TEXTS[name])]
    assert knows[0] == name.partition("-")[0]
    assert {one.partition("-")[0] for one in knows} == {knows[0]}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", TEXTS)
def test_mutilated_texts(reader: str, name: str) -> None:
    """Bytes deleted, doubled, swapped and replaced; cut anywhere; also in the wrong reader."""
    rng = random.Random(f"{reader} {name}")
    text = TEXTS[name]
    for _ in range(60):
        damaged = list(text)
        for _ in range(rng.randint(1, 6)):
            at = rng.randrange(len(damaged))
            change = rng.randrange(4)
            if change == 0:
                del damaged[at : at + rng.randint(1, 20)]
            elif change == 1:
                damaged[at:at] = damaged[at : at + rng.randint(1, 30)]
            elif change == 2:
                damaged[at] = rng.choice('0-9.{}[]"#\n\t e∞')
            else:
                damaged = damaged[: max(1, at)]
            if not damaged:
                break
        try:
            scenario = READERS[reader]("".join(damaged), "x")
        except InputError as error:
            assert error.problems and len(error.problems) <= 1000
        else:
            assert not list(scenario.problems())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00\x01\x02" * 99,
        b"\x7fELF" + bytes(range(256)),
        b"\x1f\x8b\x08 no gzip",
        "\ufeff".encode(),
        "add_new_resource CPU".encode("utf-16"),
        b"digraph {" + b"{" * 100_000,
        b'{"workflow":' + b"[" * 100_000,
        b'{"workflow": {"tasks": [' + b'{"name": "a"},' * 1000,
        b"9" * 100_000,
        b"digraph { a [weight=" + b"9" * 100_000 + b"] }",
        b"2\n0 0 0\n1 " + b"9" * 5000 + b" 1 0\n",
        b"job_name " + b"x" * 100_000,
    ],
    ids=range(13),
)
@pytest.mark.parametrize("suffix", ["", ".dot", ".stg", ".ds3", ".json"])
def test_hostile_bytes(tmp_path: Path, data: bytes, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    path.write_bytes(data)
    with pytest.raises(InputError) as caught:
        load(path)
    assert len(str(caught.value)) < 20_000


@pytest.mark.parametrize(
    "text",
    [
        "job_name J\nadd_new_tasks 100000\n" + "t 0\n" * 60_000,
        "add_new_resource CPU P 0 1 3 none\n" + "x y z\n" * 60_000,
        "digraph {" + "a->b;" * 60_000 + "}",
        "3\n" + "0 0 0\n" * 60_000,
    ],
    ids=["ds3 job", "ds3 soc", "dot", "stg"],
)
def test_a_mistake_on_every_line_of_a_large_file(text: str) -> None:
    reader = next(one.read for one in FORMATS if one.sniff("x.txt", text[:4096]))
    with pytest.raises(InputError) as caught:
        reader(text, "x.txt")
    assert 1 <= len(caught.value.problems) <= 1000
