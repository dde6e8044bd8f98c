"""``hocket gateway``, but for serving itself."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

pytest.importorskip("aiohttp")

from hocket.cli import main
from hocket.serving.live.gateway.keys import Keys

ENGINE = ["--backend", "http://127.0.0.1:1"]


def test_a_sound_config(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gateway", *ENGINE, "--policy", "serving/llumnix", "--check"]) == 0
    told = capsys.readouterr().out
    assert told == "ok: 1 backend, serving/llumnix, listening on 127.0.0.1:8100\n"
    path = tmp_path / "gateway.yaml"
    path.write_text("backends: [{url: http://127.0.0.1:1, name: one}]\nretries: 5\n")
    flags = ["--retries", "1", "--resume", "--listen", "9", "--json"]
    assert main(["gateway", str(path), "--check", *flags]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["problems"] == [] and found["config"]["retries"] == 1
    assert found["config"]["backends"][0]["name"] == "one"
    assert found["config"]["backends"][0]["resume"] is True


def test_a_config_with_problems(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text("backends: [{url: x}]\nlisten: y\n")
    assert main(["gateway", str(path), "--check"]) == 1
    assert "2 problems" in capsys.readouterr().out
    assert main(["gateway", str(path), "--check", "--json"]) == 1
    assert len(json.loads(capsys.readouterr().out)["problems"]) == 2
    assert main(["gateway", str(path)]) == 2
    assert "2 problems" in capsys.readouterr().err


def test_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gateway"]) == 2
    assert "--backend" in capsys.readouterr().err
    assert main(["gateway", str(tmp_path / "none.yaml")]) == 2
    assert "no such file" in capsys.readouterr().err
    assert main(["gateway", *ENGINE, "--policy", "serving/llumix", "--check"]) == 1
    assert "serving/llumnix" in capsys.readouterr().out


def test_keys(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "keys.yaml"
    secrets = {}
    with path.open("w") as file:
        for tenant in ("search", 'od"d \\ one'):
            assert main(["gateway", "--new-key", tenant]) == 0
            told = capsys.readouterr()
            secrets[tenant] = told.err.split()[-1]
            assert secrets[tenant] not in told.out
            file.write(told.out)
        monkeypatch.setattr("sys.stdin", io.StringIO("a-key-that-was-there-before\n"))
        assert main(["gateway", "--hash-key", "old"]) == 0
        file.write(capsys.readouterr().out)
    keys = Keys(path)
    assert {keys.tenant(key): tenant for tenant, key in secrets.items()} == {
        tenant: tenant for tenant in secrets
    }
    assert keys.tenant("a-key-that-was-there-before") == "old"
    path.write_text("keys:\n" + path.read_text())
    assert len(Keys(path)) == 3


def test_keys_that_cannot_be(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["gateway", "--new-key", "x" * 65]) == 2
    monkeypatch.setattr("sys.stdin", io.StringIO("short\n"))
    assert main(["gateway", "--hash-key", "x"]) == 2
    assert "20 characters" in capsys.readouterr().err


def test_replay(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "decisions.jsonl"
    began = {"kind": "began", "policy": {"policy": "serving/round-robin"}, "seed": 3}
    request = ["r", 0, 5, 0, 0, 0, 0, 0, "t", 0, 0]
    lines = [began] + [
        {"kind": "dispatch", "at": i, "request": request, "names": ["a", "b"], "replica": name,
         "reason": "its turn"}
        for i, name in enumerate("aba")
    ]  # fmt: skip
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert main(["gateway", "--replay", str(path)]) == 0
    assert "3 decisions, all the same" in capsys.readouterr().out
    path.write_text(path.read_text().replace('"replica": "b"', '"replica": "a"'))
    assert main(["gateway", "--replay", str(path), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["different"] == 1
