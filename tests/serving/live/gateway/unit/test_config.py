"""The gateway's settings: from files and data, with all their problems at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hocket.core.errors import InputError
from hocket.serving.live.gateway.config import Config, Tenant, from_data, read

ONE: dict[str, Any] = {"backends": [{"url": "http://127.0.0.1:8000"}]}


def problems(**fields: Any) -> list[str]:
    with pytest.raises(InputError) as caught:
        from_data(ONE | fields)
    return [str(problem) for problem in caught.value.problems]


def test_defaults() -> None:
    config = from_data(ONE)
    assert config.backends[0].label == "127.0.0.1:8000"
    assert config.address == ("127.0.0.1", 8100)
    assert config.workers == 1 and config.retries == 2 and not config.backends[0].resume


def test_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text(
        """
        backends:
          - {url: "http://10.0.0.7:8000/", name: left, models: [m], resume: true, in_flight: 4}
          - {url: "https://[::1]:8443/engine", key_env: KEY, metrics: "", blocks: 9}
        policy: {policy: serving/llumnix, threshold: 2}
        listen: "[::]:80"
        timeouts: {first: 5}
        tenants: {blue: {weight: 2, requests: 60}}
        others: {in_flight: 1}
        """
    )
    config = read(path)
    left, right = config.backends
    assert (left.label, left.base, left.models) == ("left", "http://10.0.0.7:8000", ("m",))
    assert (right.label, right.base) == ("[::1]:8443", "https://[::1]:8443/engine")
    assert config.address == ("::", 80)
    assert config.timeouts.first == 5 and config.timeouts.connect == 2
    assert config.tenant("blue").weight == 2
    assert config.tenant("red") == Tenant(in_flight=1)


def test_all_problems_at_once_with_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text(
        "backends:\n"
        "  - {url: http://one:1/v1}\n"
        "  - {url: ftp://two, name: 'a b'}\n"
        "  - {url: http://one:1, heath: /}\n"
        "policy: serving/llumix\n"
        "listen: here\n"
        "retries: -1\n"
    )
    with pytest.raises(InputError) as caught:
        read(path)
    told = {(problem.line, problem.path) for problem in caught.value.problems}
    assert told == {
        (2, "backends[0].url"), (3, "backends[1].url"), (3, "backends[1].name"), (4, "backends[2]"),
        (4, "backends[2].heath"), (5, "policy"), (6, "listen"), (7, "retries"),
    }  # fmt: skip


@pytest.mark.parametrize(
    "url",
    [
        "", "http://", "localhost:8000", "//x", "file:///etc/passwd", "http://a:0", "http://a:99999",
        "http://a:b", "http://a?x=1", "http://a#x", "http://[::1", "http://me:secret@a",
    ],
)  # fmt: skip
def test_no_url(url: str) -> None:
    (problem,) = problems(backends=[{"url": url}])
    assert problem.startswith("backends[0].url") and "secret" not in problem


@pytest.mark.parametrize("listen", ["", "a:", "a:b", "a:70000", "a:-1"])
def test_no_address(listen: str) -> None:
    (problem,) = problems(listen=listen)
    assert problem.startswith("listen")


def test_a_port_alone_is_on_this_machine_only() -> None:
    assert from_data(ONE | {"listen": "80"}).address == ("127.0.0.1", 80)


def test_what_makes_no_sense_together(tmp_path: Path) -> None:
    assert "workers" in problems(workers=2, record="x.jsonl")[0]
    assert "serving/llumnix" in problems(policy="shop/spt")[0]
    assert "no file" in problems(keys=str(tmp_path / "none.yaml"))[0]
    assert problems(backends=[]) and problems(tenants={"a b": {}}) and problems(ttft=0)
    assert problems(tenants={"a": {"weight": 0}}) and problems(health={"period": 0})


def test_no_file(tmp_path: Path) -> None:
    path = tmp_path / "list.yaml"
    path.write_text("- a\n")
    with pytest.raises(InputError, match="mapping"):
        read(path)
    with pytest.raises(InputError, match="no such file"):
        read(tmp_path / "none.yaml")


def test_it_travels_to_workers() -> None:
    import pickle

    config = from_data(ONE | {"tenants": {"blue": {"priority": -3}}})
    assert pickle.loads(pickle.dumps(config)) == config
    assert isinstance(config, Config)
