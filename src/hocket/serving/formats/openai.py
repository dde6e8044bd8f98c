"""Logs of servers that speak OpenAI's protocol: one response per line, with its `usage`.

A line is a response itself, or holds one under `response` or `body` as gateways and batch results
do. Tokens are `usage.prompt_tokens` and `usage.completion_tokens` (or `input_tokens` and
`output_tokens`); the time is `created`, or a field such as `timestamp` beside it. The client's
`max_tokens` is read where every line has it.
"""

from __future__ import annotations

from typing import Any

from hocket.core.findings import Findings
from hocket.serving.formats.log import ARRIVAL, LIMIT, Layout, Log, log_format, log_of
from hocket.serving.formats.table import jsonl_table, keys_of

_INSIDE = ("response", "body", "result")
_LAYOUT = Layout(
    arrival=("arrival", "arrival_time", "timestamp", "time", "start_time", "created", "created_at"),
    prompt=("usage.prompt_tokens", "usage.input_tokens"),
    output=("usage.completion_tokens", "usage.output_tokens"),
    tenant=("user",),
)


def flatten(row: dict[str, Any]) -> dict[str, Any]:
    """What is needed of a line, at the top; what it says itself counts more than what is inside."""
    found: dict[str, Any] = {}
    level: Any = row
    for _ in range(len(_INSIDE)):
        for key in (*ARRIVAL, "id", "user"):
            if key in level:
                found.setdefault(key, level[key])
        for key in LIMIT:
            for place in (level, level.get("request")):
                if isinstance(place, dict) and key in place:
                    found.setdefault("limit", place[key])
        usage = level.get("usage")
        if isinstance(usage, dict):
            return found | {f"usage.{key}": value for key, value in usage.items()}
        level = next((level[key] for key in _INSIDE if isinstance(level.get(key), dict)), {})
    return found


def sniff(name: str, head: str) -> bool:
    """Whether the first line holds a response with `usage`."""
    return any(key.startswith("usage.") for key in keys_of(head, flatten))


def parse(text: str, findings: Findings) -> Log:
    """The log. Raises InputError with every problem."""
    return log_of(jsonl_table(text, findings, flatten), _LAYOUT, findings)


LOG = log_format(
    "openai-log",
    "responses of an OpenAI-compatible server, one per line, with created and usage",
    (".jsonl", ".ndjson"),
    sniff,
    parse,
)
