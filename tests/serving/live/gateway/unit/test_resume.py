"""Stories of streams: what is remembered, what goes on to the client, and how they go on."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hocket.serving.live.gateway.parse import Kind, parse
from hocket.serving.live.gateway.resume import Story, obstacle, story_of

PROMPT = [7, 8, 9]


def begun(kind: Kind = "completions", **fields: Any) -> Story:
    said: dict[str, Any] = {"prompt": "x"} if kind == "completions" else {"messages": []}
    body = {"model": "m", "stream": True, "max_tokens": 10, **said, **fields}
    story = story_of(parse(kind, json.dumps(body).encode(), id="r"))
    assert story is not None
    return story


def line(data: Any) -> bytes:
    return b"data: " + json.dumps(data, separators=(",", ":")).encode() + b"\n\n"


def chunk(text: str, ids: list[int] | None, *, first: bool = False, **fields: Any) -> bytes:
    choice = {
        "index": 0, "text": text, "finish_reason": None,
        "prompt_token_ids": PROMPT if first else None, "token_ids": ids,
    }  # fmt: skip
    return line({"id": "c", "created": 5, "model": "m", "choices": [choice | fields]})


DONE = b"data: [DONE]\n\n"
END = chunk("c", [3], finish_reason="length")
STREAM = chunk("a", [1], first=True) + chunk("b", [2]) + b": still here\n\n" + END + DONE


@pytest.mark.parametrize(
    "fields",
    [
        {}, {"temperature": 0.7, "top_p": 1, "stop": None}, {"n": 1, "logprobs": None},
        {"stop": []}, {"tools": []}, {"seed": 4, "temperature": 0}, {"frequency_penalty": 0.0},
        {"response_format": {"type": "text"}}, {"parallel_tool_calls": True},
        {"chat_template_kwargs": {"x": 1}, "ignore_eos": True, "min_tokens": 3},
    ],
)  # fmt: skip
def test_what_can_be_resumed(fields: dict[str, Any]) -> None:
    assert obstacle(fields) == ""


@pytest.mark.parametrize(
    "fields",
    [
        {"stop": ["x"]}, {"stop": "x"}, {"n": 2}, {"logprobs": 0}, {"logprobs": True},
        {"echo": True}, {"tools": [{}]}, {"tool_choice": "auto"}, {"seed": 4}, {"suffix": "x"},
        {"presence_penalty": 0.1}, {"response_format": {"type": "json_object"}},
        {"structured_outputs": {}}, {"something_new": 1}, {"bad_words": ["x"]}, {"best_of": 2},
        {"seed": 4, "temperature": 0.5}, {"use_beam_search": True}, {"prompt_logprobs": 1},
    ],
)  # fmt: skip
def test_what_cannot(fields: dict[str, Any]) -> None:
    assert next(iter(fields)) in obstacle(fields)


def test_requests_without_a_story() -> None:
    for fields in ({"stream": False}, {"n": 2}, {"stop": "x"}, {"prompt": ["a", "b"]},
                   {"prompt": [[1], [2]]}):  # fmt: skip
        body = {"model": "m", "prompt": "x", "stream": True} | fields
        assert story_of(parse("completions", json.dumps(body).encode())) is None


def test_ids_are_asked_for_and_kept_from_the_client() -> None:
    story = begun()
    assert json.loads(story.first_body())["return_token_ids"] is True
    passed, count = story.feed(STREAM)
    plain = STREAM
    for ids in (b"[7,8,9]", b"[1]", b"[2]", b"[3]"):
        plain = plain.replace(b'token_ids":' + ids, b'token_ids":null')
    assert passed == plain and count == 3
    assert (story.prompt, story.ids, story.kept) == (PROMPT, [1, 2, 3], 3)
    assert story.finished and story.done


def test_a_client_that_asks_for_ids_gets_the_very_bytes() -> None:
    story = begun(return_token_ids=True)
    assert story.first_body() == story.ask.body
    assert story.feed(STREAM) == (STREAM, 3)


def test_text_that_looks_like_ids_is_text() -> None:
    story = begun()
    tricky = chunk('"token_ids":[1,2]', [4])
    passed, _ = story.feed(tricky)
    assert json.loads(passed[6:])["choices"][0]["text"] == '"token_ids":[1,2]'


@given(st.lists(st.integers(0, len(STREAM))))
def test_it_does_not_matter_how_it_is_cut(cuts: list[int]) -> None:
    story, passed = begun(return_token_ids=True), b""
    for start, end in itertools.pairwise(sorted({0, *cuts, len(STREAM)})):
        piece, _ = story.feed(STREAM[start:end])
        passed += piece
        assert passed == b"" or passed.endswith(b"\n\n")  # only whole events
    assert (passed, story.ids, story.done) == (STREAM, [1, 2, 3], True)


@given(st.binary(max_size=300))
def test_any_bytes_can_pass(data: bytes) -> None:
    story = begun(return_token_ids=True)
    passed, _ = story.feed(data)
    if not story.error:
        assert passed + story.rest_of_bytes() == data


def test_an_event_that_never_ends_is_passed_on() -> None:
    story, passed = begun(), b""
    for _ in range(40):
        passed += story.feed(b"x" * 65536)[0]
    assert story.lost and len(passed) > 2**20


def test_it_goes_on_from_the_last_whole_character() -> None:
    story = begun(temperature=0.5, user="me", min_tokens=4)
    story.feed(chunk("a", [1], first=True) + chunk("", [2]) + chunk("é", [3]) + chunk("", [4]))
    assert not story.clean and story.kept == 3 and story.resumable(0) == ""
    rest = json.loads(story.rest(0) or b"")
    assert rest == {
        "model": "m", "prompt": [*PROMPT, 1, 2, 3], "max_tokens": 7, "stream": True,
        "return_token_ids": True, "temperature": 0.5, "user": "me", "min_tokens": 1,
    }  # fmt: skip


def test_a_client_that_has_seen_the_ids_keeps_them() -> None:
    story = begun(return_token_ids=True)
    story.feed(chunk("a", [1], first=True) + chunk("", [2]))
    assert story.kept == 2 and not story.clean


def test_without_any_text_ids_are_all_there_is() -> None:
    story = begun(return_token_ids=True)
    story.feed(chunk("", [1], first=True) + chunk("", [2]))
    assert story.clean and story.kept == 2
    story = begun()
    story.feed(chunk("", [1], first=True) + chunk("", [2]))
    assert not story.clean and story.kept == 0


def test_what_follows_continues_the_stream() -> None:
    story = begun(stream_options={"include_usage": True})
    story.feed(chunk("a", [1], first=True) + chunk("b", [2]))
    story.rest(0)
    other = chunk("c", [3]).replace(b'"id":"c","created":5', b'"id":"new","created":9')
    usage = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
    passed, count = story.feed(other + END + line({"id": "new", "choices": [], "usage": usage}))
    events = [json.loads(part[6:]) for part in passed.split(b"\n\n")[:-1]]
    assert count == 2 and story.ids == [1, 2, 3, 3]
    assert {(e["id"], e["created"], e["object"]) for e in events} == {("c", 5, "text_completion")}
    assert [c["text"] for e in events for c in e["choices"]] == ["c", "c"]
    assert all(c["token_ids"] is None for e in events for c in e["choices"])
    assert events[-1]["usage"] == {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}


def test_a_chat_goes_on_as_a_completion_and_looks_like_a_chat() -> None:
    story = begun("chat")
    head = {"id": "c", "created": 5, "model": "m"}
    role = {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}
    said = {"index": 0, "delta": {"content": "a"}, "finish_reason": None, "token_ids": [1]}
    story.feed(line(head | {"choices": [role], "prompt_token_ids": PROMPT}))
    story.feed(line(head | {"choices": [said]}))
    assert json.loads(story.rest(0) or b"")["prompt"] == [*PROMPT, 1]
    passed, _ = story.feed(chunk("b", [2], finish_reason="stop"))
    event = json.loads(passed[6:])
    assert event["object"] == "chat.completion.chunk"
    (choice,) = event["choices"]
    assert choice["delta"] == {"content": "b"} and choice["finish_reason"] == "stop"


def test_pieces_of_a_chat_that_only_tell_ids_are_left_out() -> None:
    story = begun("chat")
    silent = {"index": 0, "delta": {}, "finish_reason": None, "token_ids": [1]}
    assert story.feed(line({"choices": [silent]})) == (b"", 1)
    asked = begun("chat", return_token_ids=True)
    assert asked.feed(line({"choices": [silent]}))[0] != b""


@pytest.mark.parametrize("said", [{"reasoning": "hm"}, {"tool_calls": [{}]}])
def test_what_the_engine_has_parsed_cannot_go_on(said: dict[str, Any]) -> None:
    story = begun("chat")
    choice = {"index": 0, "delta": said, "token_ids": [1]}
    story.feed(line({"choices": [choice], "prompt_token_ids": PROMPT}))
    assert "parsed" in story.resumable(100)


def test_whether_the_client_would_see_anything() -> None:
    story = begun()
    assert not story.shows
    story.feed(chunk("", [1], first=True))
    assert not story.shows
    story.feed(chunk("", [1]) * 8)
    assert story.shows
    for data in (chunk("a", [1]), END, DONE, b": ping\n\n", b"data: {nonsense\n\n"):
        story = begun()
        story.feed(data)
        assert story.shows
    asked = begun(return_token_ids=True)
    asked.feed(chunk("", [1], first=True))
    assert asked.shows


def test_engines_that_tell_no_ids_cannot_be_left() -> None:
    story = begun()
    story.feed(chunk("a", None))
    assert "no token ids" in story.resumable(100)
    assert "prompt" in begun().resumable(100)


def test_how_long_the_rest_may_be() -> None:
    story = begun("chat", max_tokens=None)
    choice = {"index": 0, "delta": {"content": "a"}, "token_ids": [1]}
    story.feed(line({"choices": [choice], "prompt_token_ids": PROMPT}))
    assert story.left(0) == -1 and "how long" in story.resumable(0)
    assert story.left(100) == 96 and story.resumable(100) == ""
    assert json.loads(story.rest(100) or b"")["max_tokens"] == 96


def test_where_only_the_end_is_missing_it_is_told() -> None:
    story = begun(stream_options={"include_usage": True})
    story.feed(chunk("a", [1], first=True) + END)
    assert story.rest(0) is None
    usage, done = story.ending().split(b"\n\n")[:2]
    assert json.loads(usage[6:])["usage"]["completion_tokens"] == 2
    assert done == b"data: [DONE]"
    story = begun(max_tokens=1)
    story.feed(chunk("a", [1], first=True))
    assert story.rest(0) is None
    assert (
        json.loads(story.ending().split(b"\n\n")[0][6:])["choices"][0]["finish_reason"] == "length"
    )


def test_an_error_is_kept_and_what_came_before_passed_on() -> None:
    story = begun(return_token_ids=True)
    error = line({"error": {"message": "dead", "code": 500}})
    passed, count = story.feed(chunk("a", [1], first=True) + error + DONE)
    assert passed == chunk("a", [1], first=True) and count == 1
    assert story.error == error and not story.done
