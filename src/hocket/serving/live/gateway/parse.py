"""What a client asks for, as far as the gateway has to understand it.

Only the few fields by which requests are admitted and dispatched are decoded; the body itself goes
to the engine as it came.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from hocket.serving.live.gateway.prefix import digests

Kind = Literal["completions", "chat"]
_Prompt = str | list[int | str | list[int]]
BYTES_PER_TOKEN = 4.0
"""Of English text, roughly; `estimate.Estimator` learns better from the answers."""

_DEFAULT_LIMIT = 16
"""Tokens of a completion that names no limit, in OpenAI's API; a chat has none then."""


_EXTREME = 1000
"""Priorities beyond are taken for it: queues keep a class for each."""


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """One request.

    - `id`: unique among those being served; `tenant`: on whose behalf
    - `prompt`: its tokens: exact where token ids were given (`exact`), else estimated from bytes
    - `limit`: most tokens of the answer, 0 for none
    - `priority`: the smaller the more urgent, 0 is normal
    - `expected`: tokens that the client expects of the answer, 0 where it did not say
    - `stream`: whether it wants events; `choices`: how many answers
    - `prefix`: digests of the prompt's chunks, for dispatch to where they may be cached
    - `arrival`: ticks (microseconds) of the gateway's clock; `body`: as it came
    - `size`: bytes of text in the prompt
    """

    id: str
    tenant: str
    kind: Kind
    model: str
    prompt: int
    limit: int = 0
    priority: int = 0
    expected: int = 0
    stream: bool = False
    choices: int = 1
    prefix: tuple[int, ...] = ()
    arrival: int = 0
    body: bytes = b""
    size: int = 0
    exact: bool = False


class BadRequest(Exception):
    """The client's mistake; `param` is the field that is wrong."""

    def __init__(self, message: str, param: str | None = None, status: int = 400) -> None:
        super().__init__(message)
        self.message, self.param, self.status = message, param, status


class _Fields(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of both kinds that matter here; null counts as absent."""

    model: str | None = None
    prompt: _Prompt | None = None
    messages: msgspec.Raw = msgspec.Raw()
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    priority: int | None = None
    stream: bool | None = None
    n: int | None = None
    best_of: int | None = None
    vllm_xargs: dict[str, Any] | None = None


class _Message(msgspec.Struct, frozen=True, kw_only=True):
    role: str = ""
    content: Any = None


_FIELDS = msgspec.json.Decoder(_Fields)
_MESSAGES = msgspec.json.Decoder(list[_Message])


def parse(
    kind: Kind,
    body: bytes,
    *,
    id: str = "",
    tenant: str = "",
    arrival: int = 0,
    headers: Mapping[bytes, bytes] | None = None,
    most_urgent: int | None = None,
    tokens_per_byte: float = 1 / BYTES_PER_TOKEN,
) -> Ask:
    """The Ask in a body. Raises BadRequest if the body is no such request.

    `tenant` is whom the API key named, empty if nobody was asked for one: then the header
    ``x-hocket-tenant`` or the hint in the body counts. `most_urgent` bounds the priority that the
    client claims.
    """
    fields = _decoded(body)
    hints = fields.vllm_xargs or {}
    tokens, size, exact, prefix = _prompt(kind, fields, tokens_per_byte)
    limit = fields.max_completion_tokens if kind == "chat" else None
    limit = limit if limit is not None else fields.max_tokens
    if limit is None:
        limit = _DEFAULT_LIMIT if kind == "completions" else 0
    priority = min(_EXTREME, max(-_EXTREME, fields.priority or 0))
    return Ask(
        id=id,
        tenant=tenant or tenant_of(headers or {}, hints),
        kind=kind,
        model=fields.model or "",
        prompt=tokens,
        limit=max(0, limit),
        priority=priority if most_urgent is None else max(priority, most_urgent),
        expected=_expected(hints),
        stream=bool(fields.stream),
        choices=max(1, fields.n or 1, fields.best_of or 1),
        prefix=prefix,
        arrival=arrival,
        body=body,
        size=size,
        exact=exact,
    )


def with_priority(body: bytes, priority: int) -> bytes:
    """A body in which the priority is another; all else is as it came."""
    fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    fields["priority"] = msgspec.Raw(str(priority).encode())
    return msgspec.json.encode(fields)


def tenant_of(headers: Mapping[bytes, bytes], hints: Mapping[str, Any]) -> str:
    """The tenant that a client names itself: header before hint, ``default`` without either."""
    told = headers.get(b"x-hocket-tenant", b"").decode("utf-8", "replace") or hints.get("tenant")
    if not isinstance(told, str) or not 0 < len(told) <= 64 or not told.isprintable():
        return "default"
    return told


def _decoded(body: bytes) -> _Fields:
    try:
        return _FIELDS.decode(body)
    except msgspec.ValidationError as error:
        text = str(error)
        reason, _, path = text.partition(" - at `$")
        param = path.strip("`.").partition("[")[0] or None
        message = f"{param}: {reason}" if param else "the body is a JSON object with the request"
        raise BadRequest(message, param) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"the body is no JSON: {error}") from None


def _prompt(
    kind: Kind, fields: _Fields, tokens_per_byte: float
) -> tuple[int, int, bool, tuple[int, ...]]:
    """Tokens, bytes of text, whether the tokens are exact, and digests of the prompt."""
    if kind == "chat":
        if bytes(fields.messages) in (b"", b"null"):
            raise BadRequest("messages: missing; a chat has at least one", "messages")
        text = _conversation(fields.messages)
    elif fields.prompt is None:
        raise BadRequest("prompt: missing", "prompt")
    else:
        text, ids = _parts(fields.prompt)
        if ids is not None:
            return len(ids), 0, True, digests(ids)
    size = len(text.encode("utf-8", "surrogatepass"))
    return max(1, round(size * tokens_per_byte)), size, False, digests(text)


def _parts(prompt: _Prompt) -> tuple[str, list[int] | None]:
    """The text of a prompt, or its token ids. Several prompts count as one after another."""
    if isinstance(prompt, str):
        return prompt, None
    ids = [part for part in prompt if isinstance(part, int)]
    texts = [part for part in prompt if isinstance(part, str)]
    if texts:
        if len(texts) != len(prompt):
            raise BadRequest("prompt: a list holds texts, or token ids, not both", "prompt")
        return "".join(texts), None
    for part in prompt:
        if isinstance(part, list):
            ids += part
    return "", ids


def _conversation(raw: msgspec.Raw) -> str:
    """The text of a conversation, roles included, in order; pictures and the like are left out."""
    try:
        messages = _MESSAGES.decode(raw)
    except msgspec.DecodeError:
        wanted = "messages: expected a list of objects with role and content"
        raise BadRequest(wanted, "messages") from None
    except RecursionError:
        raise BadRequest("messages: nested too deeply", "messages") from None
    parts: list[str] = []
    for message in messages:
        parts.append(f"\n{message.role}\n")
        content = message.content
        if isinstance(content, str):
            parts.append(content)
        elif isinstance(content, list):
            parts += [
                part["text"]
                for part in content
                if isinstance(part, dict) and isinstance(part.get("text"), str)
            ]
    return "".join(parts)


def _expected(hints: Mapping[str, Any]) -> int:
    told = hints.get("expected_tokens", 0)
    if isinstance(told, bool) or not isinstance(told, int | float):
        return 0
    return int(told) if 0 < told < 2**31 else 0
