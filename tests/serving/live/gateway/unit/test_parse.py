"""What the gateway understands of a request, and what it refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hocket.serving.live.gateway.parse import Ask, BadRequest, parse
from hocket.serving.live.gateway.prefix import digests


def asked(kind: Any = "completions", **fields: Any) -> Ask:
    return parse(kind, json.dumps({"model": "m"} | fields).encode(), id="r")


def test_a_completion() -> None:
    ask = asked(prompt="x" * 400, max_tokens=7, stream=True, priority=-2)
    assert (ask.kind, ask.model, ask.prompt, ask.size) == ("completions", "m", 100, 400)
    assert (ask.limit, ask.stream, ask.priority, ask.exact) == (7, True, -2, False)
    assert ask.prefix == digests("x" * 400)
    assert json.loads(ask.body)["max_tokens"] == 7


def test_token_ids_are_counted_exactly() -> None:
    ids = list(range(130))
    ask = asked(prompt=ids)
    assert (ask.prompt, ask.exact, ask.size, ask.prefix) == (130, True, 0, digests(ids))
    assert asked(prompt=[[1, 2], [3]]).prompt == 3
    assert asked(prompt=[]).prompt == 0


def test_several_texts_count_as_one_after_another() -> None:
    assert asked(prompt=["ab", "cd"]).size == 4


def test_bytes_count_and_not_letters() -> None:
    assert asked(prompt="é" * 100).size == 200
    assert asked(prompt="").prompt == 1


def test_a_conversation() -> None:
    told = [
        {"role": "system", "content": "be kind"},
        {"role": "user", "content": [{"type": "text", "text": "hi"}, {"type": "image_url"}]},
        {"role": "assistant", "content": None, "tool_calls": []},
    ]
    ask = asked("chat", messages=told)
    assert ask.size == len("\nsystem\nbe kind\nuser\nhi\nassistant\n")
    longer = asked("chat", messages=[*told, {"role": "user", "content": "more " * 200}])
    assert longer.prefix[: len(ask.prefix)] == ask.prefix


@pytest.mark.parametrize(
    ("kind", "fields", "limit"),
    [
        ("completions", {}, 16),
        ("completions", {"max_tokens": None}, 16),
        ("completions", {"max_tokens": 0}, 0),
        ("completions", {"max_tokens": -5}, 0),
        ("chat", {}, 0),
        ("chat", {"max_tokens": 9}, 9),
        ("chat", {"max_tokens": 9, "max_completion_tokens": 3}, 3),
    ],
)
def test_limits(kind: str, fields: dict[str, Any], limit: int) -> None:
    prompt = {"messages": []} if kind == "chat" else {"prompt": "x"}
    assert asked(kind, **prompt, **fields).limit == limit


def test_hints() -> None:
    ask = asked(prompt="x", vllm_xargs={"tenant": "blue", "expected_tokens": 120, "other": []})
    assert (ask.tenant, ask.expected) == ("blue", 120)
    for nonsense in (True, "9", -1, 0, 2**40, [1], None):
        assert asked(prompt="x", vllm_xargs={"expected_tokens": nonsense}).expected == 0


def test_whose_request_it_is() -> None:
    body = json.dumps({"prompt": "x", "vllm_xargs": {"tenant": "body"}}).encode()
    header = {b"x-hocket-tenant": b"header"}
    assert parse("completions", body, tenant="key", headers=header).tenant == "key"
    assert parse("completions", body, headers=header).tenant == "header"
    assert parse("completions", body).tenant == "body"
    for bad in (b"", b"x" * 65, b"a\nb", b"\x7f"):
        found = parse("completions", b'{"prompt":"x"}', headers={b"x-hocket-tenant": bad})
        assert found.tenant == "default"


def test_priorities_are_bounded() -> None:
    assert asked(prompt="x", priority=-(10**12)).priority == -1000
    body = b'{"prompt":"x","priority":-5}'
    assert parse("completions", body, most_urgent=-1).priority == -1
    assert parse("completions", body, most_urgent=-9).priority == -5


def test_choices() -> None:
    assert asked(prompt="x", n=3).choices == 3
    assert asked(prompt="x", n=None, best_of=2).choices == 2


@pytest.mark.parametrize(
    ("kind", "body", "param"),
    [
        ("completions", b"", None),
        ("completions", b"{", None),
        ("completions", b"[]", None),
        ("completions", b"null", None),
        ("completions", b'{"model":"m"}', "prompt"),
        ("completions", b'{"prompt":null}', "prompt"),
        ("completions", b'{"prompt":3}', "prompt"),
        ("completions", b'{"prompt":{"a":1}}', "prompt"),
        ("completions", b'{"prompt":["a",3]}', "prompt"),
        ("completions", b'{"prompt":[1.5]}', "prompt"),
        ("completions", b'{"prompt":"x","max_tokens":"7"}', "max_tokens"),
        ("completions", b'{"prompt":"x","stream":"yes"}', "stream"),
        ("completions", b'{"prompt":"x","model":4}', "model"),
        ("completions", b'{"prompt":"\xff"}', None),
        ("chat", b'{"prompt":"x"}', "messages"),
        ("chat", b'{"messages":"x"}', "messages"),
        ("chat", b'{"messages":["x"]}', "messages"),
        ("chat", b'{"messages":[{"role":3}]}', "messages"),
        ("completions", b'{"prompt":' + b"[" * 100_000, None),
        ("chat", b'{"messages":' + b"[" * 100_000 + b"]" * 100_000 + b"}", None),
    ],
)
def test_what_is_no_request_is_refused(kind: Any, body: bytes, param: str | None) -> None:
    with pytest.raises(BadRequest) as caught:
        parse(kind, body)
    assert caught.value.status == 400 and len(caught.value.message) < 300
    if param is not None:
        assert caught.value.param == param


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(["model", "prompt", "messages", "n", "stream", "priority", "vllm_xargs"])


@given(st.sampled_from(["completions", "chat"]), st.dictionaries(NAMES, JSON))
def test_any_object_is_a_request_or_refused(kind: Any, fields: dict[str, Any]) -> None:
    try:
        ask = parse(kind, json.dumps(fields).encode())
    except BadRequest:
        return
    assert ask.prompt >= 0 and ask.limit >= 0 and ask.choices >= 1
    assert 0 <= ask.expected < 2**31 and abs(ask.priority) <= 1000


@given(st.binary(max_size=60))
def test_any_bytes_are_refused_or_a_request(body: bytes) -> None:
    try:
        parse("completions", body)
    except BadRequest as error:
        assert error.status == 400
