"""The gateway's own answers, in the shape of OpenAI's errors."""

from __future__ import annotations

import msgspec

Headers = list[tuple[bytes, bytes]]

_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    429: "rate_limit_error",
}


def error(status: int, message: str, *, code: str | None = None, param: str | None = None) -> bytes:
    """The body of an error."""
    kind = _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    told = {"message": message, "type": kind, "param": param, "code": code}
    return msgspec.json.encode({"error": told})


def event(status: int, message: str, *, code: str | None = None) -> bytes:
    """The event that ends a stream that cannot go on. No ``[DONE]`` follows it."""
    return b"data: " + error(status, message, code=code) + b"\n\n"


def json_headers(body: bytes, *, retry_after: float | None = None) -> Headers:
    """Headers of a JSON body; `retry_after` is in seconds and told in whole ones, at least 1."""
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]
    if retry_after is not None:
        headers.append((b"retry-after", str(max(1, -int(-retry_after // 1))).encode()))
    return headers
