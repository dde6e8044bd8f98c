"""Counting events as they pass, however they are cut into pieces."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hocket.serving.live.gateway.sse import Scanner, Usage, error_status, usage_of


def event(**fields: Any) -> bytes:
    return b"data: " + json.dumps(fields).encode() + b"\n\n"


def piece(text: str = "a") -> bytes:
    return event(id="x", choices=[{"index": 0, "text": text}])


ROLE = event(choices=[{"delta": {"role": "assistant", "content": ""}}])
SAID = event(choices=[{"delta": {"content": "a"}}])
USAGE = event(choices=[], usage={"prompt_tokens": 9, "completion_tokens": 4})
DONE = b"data: [DONE]\n\n"
STREAM = b": hello\n\n" + ROLE + SAID + SAID + b"event: x\nid: 3\n" + SAID + USAGE + DONE


def seen(data: bytes, cuts: list[int] | None = None) -> Scanner:
    scanner, told, places = Scanner(), 0, sorted({0, *(cuts or []), len(data)})
    for start, end in itertools.pairwise(places):
        told += scanner.feed(data[start:end])
    scanner.finish()
    assert told == scanner.tokens
    return scanner


def facts(scanner: Scanner) -> tuple[Any, ...]:
    return scanner.tokens, scanner.malformed, scanner.done, scanner.error, scanner.usage


def test_a_stream() -> None:
    usage = Usage(prompt_tokens=9, completion_tokens=4)
    assert facts(seen(STREAM)) == (3, 0, True, b"", usage)


def test_both_ends_of_lines() -> None:
    assert facts(seen(STREAM.replace(b"\n", b"\r\n"))) == facts(seen(STREAM))


@given(st.lists(st.integers(0, len(STREAM))))
def test_it_does_not_matter_how_it_is_cut(cuts: list[int]) -> None:
    assert facts(seen(STREAM, cuts)) == facts(seen(STREAM))


@given(st.binary(max_size=200), st.lists(st.integers(0, 200)))
def test_any_bytes_can_pass(data: bytes, cuts: list[int]) -> None:
    cuts = [cut for cut in cuts if cut < len(data)]
    assert facts(seen(data, cuts)) == facts(seen(data))


def test_what_is_malformed_is_counted() -> None:
    assert seen(b"data: {nonsense\n\n" + piece() + DONE).malformed == 1
    assert seen(b"nonsense\n\n" + piece() + DONE).malformed == 1
    assert seen(piece() + b'data: {"id":').malformed == 1
    assert seen(piece() + b'data: {"id":').tokens == 1


def test_a_line_without_end_is_given_up() -> None:
    scanner = Scanner()
    scanner.feed(piece() + b"data: {")
    for _ in range(40):
        scanner.feed(b"x" * 65536)
    assert scanner.malformed == 1 and len(scanner._tail) <= 2**20
    scanner.feed(b"}\n\n" + piece())
    assert (scanner.tokens, scanner.malformed) == (2, 1)


def test_text_that_looks_like_fields_is_text() -> None:
    tricky = piece('"choices":[] "usage":{} data: [DONE]\n\n')
    scanner = seen(tricky)
    assert (scanner.tokens, scanner.done, scanner.usage) == (1, False, None)


def test_an_error_event() -> None:
    scanner = seen(piece() + event(error={"message": "no", "code": 500}) + DONE)
    assert scanner.error.startswith(b"data: {") and scanner.done and scanner.tokens == 1
    assert error_status(scanner.error) == 500


@pytest.mark.parametrize(
    ("data", "shows"),
    [
        (ROLE, False), (piece(""), False), (ROLE + piece(""), False), (event(choices=[]), True),
        (SAID, True), (piece("a"), True), (b": ping\n", True), (b"nonsense\n", True), (DONE, True),
        (event(choices=[{"text": "", "token_ids": [1]}]), True),
        (event(choices=[{"text": "", "finish_reason": "stop"}]), True),
        (event(choices=[{"delta": {"content": None, "reasoning": "hm"}}]), True),
        (piece("") * 8, False), (piece("") * 9, True), (event(error={}), False),
    ],
)  # fmt: skip
def test_whether_a_client_would_see_anything(data: bytes, shows: bool) -> None:
    assert seen(data).shows is shows


@pytest.mark.parametrize("end", [0, 1, 2, 7, 20])
def test_whether_it_is_within_an_event(end: int) -> None:
    scanner = Scanner()
    scanner.feed(piece())
    assert not scanner.within
    scanner.feed(piece()[:end])
    assert scanner.within is (end > 0)
    scanner.feed(piece()[end:])
    assert not scanner.within
    scanner.feed(piece()[:-1])
    assert scanner.within


def test_the_status_of_an_error() -> None:
    assert error_status(event(error={"code": 503})) == 503
    assert error_status(event(error={"code": "400"})) == 400
    assert error_status(event(error={"code": "broken"})) == 500
    assert error_status(event(error={"message": "no"})) == 500
    assert error_status(b'data: {"error": {"code": 4') == 500
    assert error_status(b"") == 500


def test_usage_of_an_answer() -> None:
    assert usage_of(b'{"usage":{"prompt_tokens":1,"x":2}}') == Usage(prompt_tokens=1)
    for body in (b"", b"{}", b"[]", b'{"usage":3}', b'{"usage":null}', b"\xff", b"[" * 10**5):
        assert usage_of(body) is None
