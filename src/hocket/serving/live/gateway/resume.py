"""A stream that goes on elsewhere: abort, and resume from the tokens that have been generated.

The prompt and the tokens of the answer so far become the prompt of a new request, as an engine does
with a request that it preempts and recomputes; here another engine does. For that the engine has to
tell token ids (``return_token_ids``), and every setting of the request has to mean the same for the
rest of an answer as for the whole of it: `obstacle` says which do not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from hocket.serving.live.gateway.parse import Ask
from hocket.serving.live.gateway.sse import PATIENCE, Usage

_CARRIED = (
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "repetition_penalty",
    "ignore_eos",
    "skip_special_tokens",
    "spaces_between_special_tokens",
    "stop_token_ids",
    "logit_bias",
    "allowed_token_ids",
    "user",
    "priority",
    "vllm_xargs",
    "cache_salt",
    "seed",
    "stream_options",
    "stream_interval",
    "session_id",
)
"""Fields that are sent again as they are."""

_USED = (
    "model",
    "prompt",
    "messages",
    "max_tokens",
    "max_completion_tokens",
    "min_tokens",
    "stream",
    "return_token_ids",
    "add_special_tokens",
    "add_generation_prompt",
    "continue_final_message",
    "chat_template",
    "chat_template_kwargs",
    "documents",
    "truncate_prompt_tokens",
    "truncation_side",
    "request_id",
    "store",
    "metadata",
)
"""Fields that are replaced, or that have had their effect with the first prompt."""

_IDLE: dict[str, tuple[Any, ...]] = {
    "n": (1,),
    "best_of": (1,),
    "echo": (False,),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "stop": ([], ""),
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "tools": ([],),
    "tool_choice": ("none",),
    "parallel_tool_calls": (True, False),
    "response_format": ({"type": "text"},),
    "use_beam_search": (False,),
}
"""Fields that do no harm with these values."""

_IDS = re.compile(rb'("(?:prompt_)?token_ids":\s*)\[[\d,\s]*\]')
_BLANK = re.compile(rb"(\r?\n\r?\n)")
_LONGEST = 2**20
_DONE = b"data: [DONE]\n\n"


def obstacle(fields: Mapping[str, Any]) -> str:
    """Why a request could not be resumed; empty if it could.

    A stop text may begin before the break and end after it, penalties count the answer's tokens and
    not the prompt's, a grammar is in the midst of a rule, a seed begins a new sequence of numbers.
    """
    for name, value in fields.items():
        if value is None or name in _USED:
            continue
        if name == "seed" and fields.get("temperature") != 0:
            return "seed would begin anew"
        if name not in _CARRIED and not any(_equal(value, idle) for idle in _IDLE.get(name, ())):
            return f"{name} cannot be carried over"
    return ""


def _equal(value: Any, idle: Any) -> bool:
    """Whether two values of a body are the same: 0 is not false, as it asks for logprobs."""
    return value == idle and isinstance(value, bool) == isinstance(idle, bool)


class _Delta(msgspec.Struct, kw_only=True):
    role: str | None = None
    content: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[Any] | None = None
    function_call: Any = None

    @property
    def plain(self) -> bool:
        parsed = self.reasoning or self.reasoning_content or self.tool_calls or self.function_call
        return not parsed


class _Choice(msgspec.Struct, kw_only=True):
    index: int = 0
    text: str | None = None
    delta: _Delta | None = None
    finish_reason: str | None = None
    token_ids: list[int] | None = None
    prompt_token_ids: list[int] | None = None


class _Event(msgspec.Struct, kw_only=True):
    id: str = ""
    created: int = 0
    model: str = ""
    choices: list[_Choice] = []
    prompt_token_ids: list[int] | None = None
    error: Any = None


_EVENT = msgspec.json.Decoder(_Event)


class Story:
    """What a stream has said so far, and how it could go on.

    - `ids`: tokens of the answer; `kept`: those of them from which it can go on, which are all up
      to the last that gave text, since what follows may be half a character that the client has
      not seen. A client that asked for token ids has seen them all, and may miss that half in the
      text
    - `finished`: whether the last token has come
    - `lost`: why it can no longer be resumed; empty while it can
    - `error`: the event in which the engine told of an error, in place of further tokens
    """

    def __init__(self, ask: Ask, fields: Mapping[str, Any]) -> None:
        """`fields` are those of the request's body."""
        self.ask, self.fields = ask, fields
        self.asked = bool(fields.get("return_token_ids"))
        self.prompt: list[int] = []
        self.ids: list[int] = []
        self.kept = 0
        self.finished = False
        self.done = False
        self.lost = ""
        self.error = b""
        self.malformed = 0
        self._said = 0  # tokens up to the last that gave text
        self._began = 0
        self._resumed = False
        self._head: _Event | None = None
        self._tail = b""
        self._reported = False
        self._plain = False  # whether something has come that is no event of an answer

    def first_body(self) -> bytes:
        """The body of the first request: as it came, but for asking for token ids."""
        if self.asked:
            return self.ask.body
        return msgspec.json.encode({**self.fields, "return_token_ids": True})

    @property
    def clean(self) -> bool:
        """Whether it could be moved just now without generating a token twice."""
        textless = self.asked and not self._said
        whole = bool(self.ids) and self._said == len(self.ids)
        return (whole or textless) and not self.finished

    def feed(self, chunk: bytes) -> tuple[bytes, int]:
        """What goes on to the client of the next bytes, and how many tokens came with them.

        Events are passed whole, so that the stream never breaks within one. An event that tells of
        an error is kept in `error`, and nothing passed from there on.
        """
        *parts, self._tail = _BLANK.split(self._tail + chunk)
        before, passed = len(self.ids), []
        for part, end in zip(parts[::2], parts[1::2], strict=True):
            passed.append(self._event(part, end))
            if self.error:
                break
        if len(self._tail) > _LONGEST:
            self.lost = "an event is too long"
            passed.append(self._tail)
            self._tail = b""
        return b"".join(passed), len(self.ids) - before

    def rest_of_bytes(self) -> bytes:
        """What has come of an event whose end has not; for a stream that has ended so."""
        tail, self._tail = self._tail, b""
        return tail

    def _event(self, part: bytes, end: bytes) -> bytes:
        """One event as it goes on to the client; nothing if it only tells what nobody asked for."""
        raw = part + end
        if not part.startswith(b"data:"):
            self._plain = True
            return raw
        payload = part[5:].strip()
        if payload == b"[DONE]":
            self.done = self._plain = True
            return raw
        try:
            event = _EVENT.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self.malformed += 1
            self._plain = True
            self.lost = "an event could not be read"
            return raw
        if event.error is not None and not self.finished:
            self.error = raw
            return b""
        self._observe(event)
        if self._resumed:
            return self._translated(payload)
        if self.asked:
            return raw
        if event.choices and all(_says_nothing(choice) for choice in event.choices):
            return b""
        return _IDS.sub(rb"\1null", raw)

    def _observe(self, event: _Event) -> None:
        """Learn from an event."""
        if self._head is None:
            self._head = event
        if not self._resumed and event.prompt_token_ids:
            self.prompt = event.prompt_token_ids
        for choice in event.choices:
            if not self._resumed and choice.prompt_token_ids:
                self.prompt = choice.prompt_token_ids
            text = choice.text
            if choice.delta is not None:
                text = choice.delta.content
                if not choice.delta.plain:
                    self.lost = "the engine has parsed what it generated"
            ids = choice.token_ids or []
            self.ids += ids
            if text and not ids and not self.finished:
                self.lost = "the engine tells no token ids"
            if text and ids:
                self._said = len(self.ids)
            self.kept = len(self.ids) if self.asked else self._said
            if choice.finish_reason:
                self.finished = True
        if not event.choices:
            self._reported = True

    @property
    def shows(self) -> bool:
        """Whether anything has come that the client would see, or that cannot be held longer."""
        told = self.kept or self.finished or self._plain or self.lost
        return bool(told or len(self.ids) > PATIENCE)

    @property
    def usage(self) -> Usage:
        """Tokens so far."""
        return Usage(prompt_tokens=len(self.prompt), completion_tokens=len(self.ids))

    def left(self, longest: int) -> int:
        """Tokens that the answer may still have; -1 if nobody knows."""
        if self.ask.limit:
            return self.ask.limit - self.kept
        return longest - len(self.prompt) - self.kept if longest else -1

    def resumable(self, longest: int) -> str:
        """Why it cannot go on elsewhere; empty if it can."""
        if self.lost:
            return self.lost
        if not self.finished and not self.prompt:
            return "the engine has not told the ids of the prompt"
        if not self.finished and self.left(longest) < 0:
            return "it is not known how long the answer may be"
        return ""

    def rest(self, longest: int) -> bytes | None:
        """The body of the request that goes on; None if only the end is missing."""
        left = self.left(longest)
        if self.finished or left <= 0:
            return None
        del self.ids[self.kept :]
        self._began, self._resumed, self._tail, self.error = self.kept, True, b"", b""
        body = {name: self.fields[name] for name in _CARRIED if self.fields.get(name) is not None}
        body |= {
            "model": self.fields.get("model") or (self._head.model if self._head else ""),
            "prompt": self.prompt + self.ids,
            "max_tokens": left,
            "stream": True,
            "return_token_ids": True,
        }
        if least := (self.fields.get("min_tokens") or 0) - self.kept:
            body["min_tokens"] = max(0, least)
        return msgspec.json.encode(body)

    def ending(self) -> bytes:
        """The events that are missing where the engine was lost after the last token."""
        events = []
        if not self.finished:
            events.append(self._framed([self._choice("", "length", None)]))
        options = self.fields.get("stream_options") or {}
        if options.get("include_usage") and not self._reported:
            events.append(self._framed([], self._usage(len(self.ids))))
        return b"".join(b"data: " + msgspec.json.encode(e) + b"\n\n" for e in events) + _DONE

    def _translated(self, payload: bytes) -> bytes:
        """An event of the request that went on, as one of the stream that it continues."""
        found = msgspec.json.decode(payload)
        choices = [
            self._choice(
                choice.get("text") or "",
                choice.get("finish_reason"),
                choice.get("token_ids"),
                choice.get("stop_reason"),
            )
            for choice in found.get("choices") or []
        ]
        usage = found.get("usage")
        if usage:
            usage = self._usage(self._began + (usage.get("completion_tokens") or 0))
        event = self._framed(choices, usage)
        return b"data: " + msgspec.json.encode(event) + b"\n\n"

    def _framed(
        self, choices: list[dict[str, Any]], usage: dict[str, int] | None = None
    ) -> dict[str, Any]:
        head = self._head or _Event()
        kind = "chat.completion.chunk" if self.ask.kind == "chat" else "text_completion"
        event: dict[str, Any] = {
            "id": head.id,
            "object": kind,
            "created": head.created,
            "model": head.model,
            "choices": choices,
        }
        return event | ({"usage": usage} if usage else {})

    def _choice(
        self, text: str, reason: str | None, ids: list[int] | None, stop: Any = None
    ) -> dict[str, Any]:
        chat = self.ask.kind == "chat"
        said = {"delta": {"content": text}} if chat else {"text": text}
        choice = {"index": 0, **said, "logprobs": None, "finish_reason": reason}
        if reason or not chat:
            choice["stop_reason"] = stop
        if not chat:
            choice["prompt_token_ids"] = None
        return choice | {"token_ids": ids if self.asked else None}

    def _usage(self, answer: int) -> dict[str, int]:
        prompt = len(self.prompt)
        return {
            "prompt_tokens": prompt,
            "total_tokens": prompt + answer,
            "completion_tokens": answer,
        }


def _says_nothing(choice: _Choice) -> bool:
    """Whether a piece of a chat is there only for its token ids."""
    delta = choice.delta
    if delta is None or choice.finish_reason is not None or not choice.token_ids:
        return False
    return delta.role is None and delta.content is None and delta.plain


def story_of(ask: Ask) -> Story | None:
    """The story that a stream will tell; None if it could not be resumed."""
    if not ask.stream or ask.choices != 1:
        return None
    fields = msgspec.json.decode(ask.body)
    if obstacle(fields):
        return None
    prompt = fields.get("prompt")
    if isinstance(prompt, list) and not all(type(token) is int for token in prompt):
        return None
    story = Story(ask, fields)
    try:
        story.first_body()
    except (OverflowError, ValueError):  # numbers that JSON can hold, and no encoder of it
        return None
    return story
