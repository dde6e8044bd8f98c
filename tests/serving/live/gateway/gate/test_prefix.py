"""Digests of prompts, and the memory of what a backend was sent."""

from __future__ import annotations

from collections import OrderedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hocket.serving.live.gateway.prefix import BYTES, IDS, Memory, digests

texts = st.text(max_size=3 * BYTES)
ids = st.lists(st.integers(0, 2**31), max_size=3 * IDS)


def common(first: tuple[int, ...], second: tuple[int, ...]) -> int:
    """How many digests two prompts share from the beginning."""
    return next(
        (i for i, (x, y) in enumerate(zip(first, second, strict=False)) if x != y),
        min(len(first), len(second)),
    )


@given(texts, texts, texts)
def test_texts_share_as_many_digests_as_whole_chunks(head: str, one: str, other: str) -> None:
    a, b = (head + one).encode(), (head + other).encode()
    same = next(
        (i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b))
    )
    assert common(digests(head + one), digests(head + other)) == same // BYTES
    assert len(digests(head + one)) == len(a) // BYTES


@given(ids, ids, ids)
def test_ids_share_as_many_digests_as_whole_chunks(
    head: list[int], one: list[int], other: list[int]
) -> None:
    a, b = head + one, head + other
    same = next(
        (i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b))
    )
    assert common(digests(a), digests(b)) == same // IDS
    assert len(digests(a)) == len(a) // IDS


def test_a_chunk_counts_only_after_the_same_beginning() -> None:
    one, two, end = "a" * BYTES, "b" * BYTES, "c" * BYTES
    assert digests(one + end)[1] != digests(two + end)[1]


def test_text_and_ids_have_no_digest_in_common() -> None:
    raw = b"\x61" * (8 * IDS)
    number = int.from_bytes(raw[:8], "little")
    assert not set(digests(raw.decode())) & set(digests([number] * IDS))


@pytest.mark.parametrize(
    "prompt", ["", [], "\ud800" * 300, [-1] * 64, [2**63] * 200, [2**200] * 64]
)
def test_whatever_a_client_sends_has_digests(prompt: str | list[int]) -> None:
    found = digests(prompt)
    assert found == digests(prompt)
    assert all(0 <= digest < 2**64 for digest in found)


class Plain:
    """The memory as its rules say it: a list in order of use, and a search from the beginning."""

    def __init__(self, most: int) -> None:
        self.most, self.known = most, OrderedDict[int, None]()

    def add(self, prefix: tuple[int, ...]) -> None:
        for digest in reversed(prefix[: self.most]):
            self.known.pop(digest, None)
            self.known[digest] = None
        while len(self.known) > self.most:
            self.known.popitem(last=False)

    def match(self, prefix: tuple[int, ...]) -> int:
        return next((i for i, d in enumerate(prefix) if d not in self.known), len(prefix))


# Chains of digests that branch: what stands for a chunk includes all that is before it.
chains = st.lists(st.integers(0, 2), max_size=6).map(
    lambda way: tuple(hash(tuple(way[: i + 1])) for i in range(len(way)))
)


@given(st.integers(1, 8), st.lists(chains, max_size=30))
def test_memory_finds_by_halves_what_a_search_from_the_beginning_finds(
    most: int, sent: list[tuple[int, ...]]
) -> None:
    memory, plain = Memory(most), Plain(most)
    for prefix in sent:
        assert memory.match(prefix) == plain.match(prefix)
        memory.add(prefix)
        plain.add(prefix)
        assert memory.match(prefix) == min(most, len(prefix))
        assert len(memory) == len(plain.known) <= most


def test_the_end_of_the_oldest_prompt_is_forgotten_first() -> None:
    memory = Memory(5)
    memory.add((1, 2, 3))
    memory.add((7, 8, 9))
    assert memory.match((1, 2, 3)) == 2
    memory.add((1,))
    memory.add((10, 11))
    assert (memory.match((1, 2, 3)), memory.match((7, 8, 9))) == (1, 2)


def test_memory_can_be_made_smaller_and_emptied() -> None:
    memory = Memory(5)
    memory.add((1, 2, 3, 4))
    memory.resize(2)
    assert memory.match((1, 2, 3, 4)) == 2
    memory.clear()
    assert (memory.match((1,)), len(memory)) == (0, 0)
