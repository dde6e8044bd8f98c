"""Requests as they are read, and answers as vLLM writes them, byte for byte repeatable."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.serving.live.gateway.engine import model

CREATED = 1_700_000_000
SIGNED = {"system_fingerprint": "vllm-0.32.0-tests"}


def dumps(value: Any) -> bytes:
    """Compact JSON, as pydantic writes it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def event(value: Any) -> bytes:
    """One server-sent event."""
    return b"data: " + dumps(value) + b"\n\n"


def refusal(message: str, status: int = 400) -> dict[str, Any]:
    """The body of an error."""
    kind = "NotFoundError" if status == 404 else "BadRequestError"
    return {"error": {"message": message, "type": kind, "param": None, "code": status}}


class Refused(Exception):
    """A request that the engine cannot serve."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.message, self.status = message, status


@dataclass
class Call:
    """A request for an answer."""

    chat: bool
    id: str
    model: str
    prompt: list[int]
    limit: int
    least: int
    ends: bool
    stream: bool
    ids: bool
    usage: bool
    continuous: bool
    choices: int
    cached: int = 0
    said: dict[int, int] = field(default_factory=dict)

    @classmethod
    def read(cls, body: bytes, *, chat: bool, request_id: str, longest: int) -> Call:
        """Raises Refused where vLLM would."""
        try:
            asked = json.loads(body)
        except ValueError:
            raise Refused("the body is no JSON") from None
        if not isinstance(asked, dict):
            raise Refused("the body is no object")
        prompt = prompt_of(asked, chat=chat)
        limit = asked.get("max_completion_tokens") if chat else None
        limit = asked.get("max_tokens") if limit is None else limit
        limit = (longest - len(prompt) if chat else 16) if limit is None else limit
        if not isinstance(limit, int) or limit < 1 or len(prompt) + limit > longest:
            raise Refused(f"max_tokens={limit} cannot be, with {len(prompt)} tokens of prompt")
        options = asked.get("stream_options") or {}
        mark = request_id or f"{zlib.crc32(dumps(asked.get('messages') or prompt)):08x}"
        return cls(
            chat=chat,
            id=f"{'chatcmpl' if chat else 'cmpl'}-{mark}",
            model=str(asked.get("model", "tiny")),
            prompt=prompt,
            limit=limit,
            least=int(asked.get("min_tokens") or 0),
            ends=not asked.get("ignore_eos"),
            stream=asked.get("stream") is True,
            ids=bool(asked.get("return_token_ids")),
            usage=bool(options.get("include_usage")),
            continuous=bool(options.get("continuous_usage_stats")),
            choices=int(asked.get("n") or 1),
        )

    def steps(self) -> Iterator[list[tuple[int, int, str, str | None]]]:
        """Token after token, of all choices: ``(choice, token, text, finish_reason)``."""
        answers = [
            model.answer(self.prompt, self.limit, choice=choice, ends=self.ends, least=self.least)
            for choice in range(self.choices)
        ]
        spelling = [model.Spelling(self.prompt) for _ in answers]
        for place in range(max(map(len, answers))):
            step = []
            for choice, said in enumerate(answers):
                if place < len(said):
                    token, last = said[place], place + 1 == len(said)
                    why = None if not last else "stop" if token == model.END else "length"
                    step.append((choice, token, spelling[choice].text(token, final=last), why))
            yield step

    def counted(self) -> dict[str, Any]:
        """The usage so far."""
        answered = sum(self.said.values())
        return {
            "prompt_tokens": len(self.prompt),
            "total_tokens": len(self.prompt) + answered,
            "completion_tokens": answered,
        }

    def opening(self) -> bytes:
        """Events before the first token."""
        if not self.chat:
            return b""
        events = []
        for choice in range(self.choices):
            delta = {"role": "assistant", "content": ""}
            told = {"index": choice, "delta": delta, "logprobs": None, "finish_reason": None}
            chunk = self._chunk([told])
            chunk["prompt_token_ids"] = self.prompt if self.ids else None
            chunk["prompt_text"] = None
            if self.continuous:
                chunk["usage"] = self.counted()
            events.append(event(chunk))
        return b"".join(events)

    def told(self, choice: int, token: int, text: str, why: str | None) -> bytes:
        """The event of one token."""
        first = choice not in self.said
        self.said[choice] = self.said.get(choice, 0) + 1
        ids = [token] if self.ids else None
        one: dict[str, Any]
        if self.chat:
            delta = {"content": text}
            one = {"index": choice, "delta": delta, "logprobs": None, "finish_reason": why}
            if why is not None:
                one["stop_reason"] = None
            one["token_ids"] = ids
        else:
            prompt = self.prompt if self.ids and first else None
            one = {"index": choice, "text": text, "logprobs": None, "finish_reason": why}
            one |= {"stop_reason": None, "prompt_token_ids": prompt, "token_ids": ids}
        chunk = self._chunk([one])
        if why is not None and not self.usage:
            chunk |= SIGNED
        if self.continuous:
            chunk["usage"] = self.counted()
        return event(chunk)

    def closing(self) -> bytes:
        """Events after the last token."""
        end = b"data: [DONE]\n\n"
        return (
            event(self._chunk([]) | {"usage": self.counted()} | SIGNED) if self.usage else b""
        ) + end

    def whole(self, answers: dict[int, tuple[list[int], str, str]]) -> dict[str, Any]:
        """The body of an answer in one piece, from ``{choice: (tokens, text, why)}``."""
        choices: list[dict[str, Any]] = []
        for choice, (tokens, text, why) in answers.items():
            self.said[choice] = len(tokens)
            ids = tokens if self.ids else None
            prompt = self.prompt if self.ids else None
            if self.chat:
                message = {"role": "assistant", "content": text, "refusal": None, "tool_calls": []}
                one = {"index": choice, "message": message, "logprobs": None}
                one |= {"finish_reason": why, "stop_reason": None, "token_ids": ids}
            else:
                one = {"index": choice, "text": text, "logprobs": None, "finish_reason": why}
                one |= {"stop_reason": None, "token_ids": ids, "prompt_logprobs": None}
                one["prompt_token_ids"] = prompt
            choices.append(one)
        body = self._chunk(choices, kind="chat.completion" if self.chat else "text_completion")
        body |= {"service_tier": None} | SIGNED
        body["usage"] = self.counted() | {"prompt_tokens_details": {"cached_tokens": self.cached}}
        if self.chat:
            body["prompt_token_ids"] = self.prompt if self.ids else None
        return body

    def _chunk(self, choices: list[dict[str, Any]], kind: str = "") -> dict[str, Any]:
        kind = kind or ("chat.completion.chunk" if self.chat else "text_completion")
        start = {"id": self.id, "object": kind, "created": CREATED, "model": self.model}
        return start | {"choices": choices}


def prompt_of(asked: dict[str, Any], *, chat: bool) -> list[int]:
    """The tokens of the prompt. Raises Refused where there are none."""
    if chat:
        messages = asked.get("messages")
        if not isinstance(messages, list) or not messages:
            raise Refused("messages are missing")
        if not all(isinstance(message, dict) for message in messages):
            raise Refused("a message is no object")
        return model.tokenize(model.rendered(messages))
    prompt = asked.get("prompt")
    if isinstance(prompt, str) and prompt:
        return model.tokenize(prompt)
    if isinstance(prompt, list) and prompt and all(type(token) is int for token in prompt):
        if not all(0 <= token <= model.END for token in prompt):
            raise Refused("a token of the prompt is outside the vocabulary")
        return prompt
    raise Refused("the prompt is neither a text nor tokens")
