"""Backends as the gateway deals with them: when they are asked, and with which headers."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("aiohttp")

from hocket.core.errors import UserError
from hocket.serving.live.gateway.config import from_data
from hocket.serving.live.gateway.upstream import Upstreams

Pairs = list[tuple[bytes, bytes]]


def made(*backends: dict[str, Any], own_keys: bool = False) -> Upstreams:
    listed = [
        {"url": f"http://127.0.0.1:{9 + i}", "name": f"b{i}"} | b for i, b in enumerate(backends)
    ]
    found = Upstreams(from_data({"backends": listed}), lambda: 0, own_keys=own_keys)
    for one in found.all.values():
        one.probed(True, 3)
    return found


def test_who_may_be_asked() -> None:
    found = made({"models": ["m"]}, {"models": ["m", "n"]}, {"models": ["m"], "draining": True})
    assert found.names("m", 0) == ["b0", "b1"]
    assert found.names("n", 0) == ["b1"] and found.names("x", 0) == []
    assert found.names("", 0) == ["b0", "b1"]
    assert found.names("m", 0, avoid=["b0"]) == ["b1"]
    for _ in range(3):
        found.all["b0"].breaker.failed(0)
    assert found.names("m", 0) == ["b1"]
    assert found.names("m", 5_000_000) == ["b0", "b1"]
    found.all["b0"].breaker.began(5_000_000)
    assert found.names("m", 5_000_000) == ["b1"]  # its one trial is under way


def test_probes() -> None:
    one = made({}).all["b0"]
    for _ in range(2):
        one.probed(False, 3)
        assert one.healthy
    one.probed(True, 3)
    one.probed(False, 3)
    one.probed(False, 3)
    assert one.healthy
    one.probed(False, 3)
    assert not one.healthy
    one.probed(True, 3)
    assert one.healthy


def test_models() -> None:
    found = made({"models": ["m"]}, {"models": ["m", "n"]})
    assert [entry["id"] for entry in found.listing()] == ["m", "n"]
    assert found.known("n") and not found.known("x") and found.only_model() == ""
    assert made({"models": ["m"]}, {"models": ["m"]}).only_model() == "m"
    assert made({}).known("anything")  # nobody knows yet
    for _ in range(3):
        found.all["b1"].probed(False, 3)
    assert [entry["id"] for entry in found.listing()] == ["m"]


CLIENT: Pairs = [
    (b"host", b"gateway"), (b"content-length", b"9"), (b"content-type", b"text/json"),
    (b"authorization", b"Bearer mine"), (b"connection", b"close, X-Private"),
    (b"x-private", b"1"), (b"keep-alive", b"1"), (b"te", b"trailers"), (b"upgrade", b"h2c"),
    (b"accept-encoding", b"gzip"), (b"x-hocket-tenant", b"t"), (b"traceparent", b"00-1"),
    (b"x-request-id", b"theirs"), (b"expect", b"100-continue"), (b"accept", b"*/*"),
]  # fmt: skip


def sent(found: Upstreams) -> dict[str, str]:
    pairs = found.headers(found.all["b0"], CLIENT, "r1")
    assert len({name.lower() for name, _ in pairs}) == len(pairs)
    return {name.lower(): value for name, value in pairs}


def test_headers_that_go_on() -> None:
    assert sent(made({})) == {
        "content-type": "application/json", "x-request-id": "r1", "traceparent": "00-1",
        "accept": "*/*", "authorization": "Bearer mine",
    }  # fmt: skip


def test_clients_keys_stay_here() -> None:
    assert "authorization" not in sent(made({}, own_keys=True))


def test_the_backends_own_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ENGINE_KEY", raising=False)
    with pytest.raises(UserError, match="ENGINE_KEY"):
        made({"key_env": "ENGINE_KEY"})
    monkeypatch.setenv("ENGINE_KEY", "theirs")
    for own in (False, True):
        assert (
            sent(made({"key_env": "ENGINE_KEY"}, own_keys=own))["authorization"] == "Bearer theirs"
        )


def test_the_longest_context() -> None:
    one = made({"models": ["m"]}).all["b0"]
    assert one.longest("m") == 0
    one.models = {"m": {"id": "m", "max_model_len": 4096}, "n": {"max_model_len": "x"}}
    assert (one.longest("m"), one.longest("n"), one.longest("z")) == (4096, 0, 0)
