"""API keys: hashed at rest, compared in constant time, read again when their file changes."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hocket.core.errors import InputError, UserError
from hocket.serving.live.gateway import keys as module
from hocket.serving.live.gateway.keys import MOST, Keys, hash_key, new_key

ALICE, BOB = "hk-alice-0123456789abcdef", "hk-bob-0123456789abcdef"


def file(path: Path, tenants: dict[str, str], now: int = 0) -> Path:
    """A key file, by the key of each tenant."""
    entries = [{"tenant": tenant, "hash": hash_key(key)} for key, tenant in tenants.items()]
    path.write_text(json.dumps({"keys": entries}))
    os.utime(path, ns=(now, now))
    return path


def test_a_hash_is_salted_sha256_of_the_key() -> None:
    salt = bytes(range(16))
    told = hash_key(ALICE, salt)
    assert told == f"sha256:{salt.hex()}:{hashlib.sha256(salt + ALICE.encode()).hexdigest()}"
    assert hash_key(ALICE) != hash_key(ALICE)
    assert ALICE not in told


def test_new_keys_are_long_and_different() -> None:
    made = {new_key() for _ in range(100)}
    assert len(made) == 100 and all(len(key) > 40 for key in made)
    assert all(hash_key(key) for key in made)


def test_short_keys_are_refused() -> None:
    with pytest.raises(UserError, match="at least 20 characters"):
        hash_key("secret")


@pytest.mark.parametrize("suffix", [".yaml", ".json"])
def test_keys_name_their_tenant(tmp_path: Path, suffix: str) -> None:
    keys = Keys(file(tmp_path / f"keys{suffix}", {ALICE: "alice", BOB: "bob"}))
    for _ in range(2):  # the second time from what is remembered
        assert [keys.tenant(key) for key in (ALICE, BOB)] == ["alice", "bob"]
        assert keys.tenant(ALICE[:-1]) is None
        assert keys.tenant("") is None
        assert keys.tenant("\ud800") is None
    assert len(keys) == 2


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return Keys(file(tmp_path_factory.mktemp("keys") / "keys.json", {ALICE: "alice"}))


@given(text=st.text(max_size=40) | st.integers(0, len(ALICE)).map(lambda n: ALICE[:n] + "x"))
def test_no_other_text_is_a_key(alone: Keys, text: str) -> None:
    assert alone.tenant(text) is None
    assert alone.tenant(ALICE) == "alice"


def test_every_hash_is_compared_in_constant_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = Keys(file(tmp_path / "keys.yaml", {ALICE: "alice", BOB: "bob"}))
    compared: list[bool] = []
    real = module.hmac.compare_digest

    def compare(a: bytes, b: bytes) -> bool:
        compared.append(real(a, b))
        return compared[-1]

    monkeypatch.setattr(module.hmac, "compare_digest", compare)
    assert keys.tenant(ALICE) == "alice"
    assert compared == [True, False]
    assert keys.tenant("x" * 30) is None
    assert compared[2:] == [False, False]


def test_the_process_holds_no_key(tmp_path: Path) -> None:
    keys = Keys(file(tmp_path / "keys.yaml", {ALICE: "alice"}))
    keys.tenant(ALICE)
    assert ALICE not in repr(vars(keys)) and ALICE.encode() not in repr(vars(keys)).encode()


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    path = file(tmp_path / "keys.json", {ALICE: "alice"})
    keys = Keys(path)
    assert not keys.refresh()
    assert keys.tenant(ALICE) == "alice"
    file(path, {BOB: "bob"}, now=10**9)
    assert keys.tenant(ALICE) == "alice"
    assert keys.refresh() and not keys.refresh()
    assert (keys.tenant(ALICE), keys.tenant(BOB)) == (None, "bob")


@pytest.mark.parametrize("broken", ["{", None])
def test_a_file_that_goes_wrong_leaves_the_keys_that_were(
    tmp_path: Path, broken: str | None
) -> None:
    path = file(tmp_path / "keys.json", {ALICE: "alice"})
    keys = Keys(path)
    if broken is None:
        path.unlink()
    else:
        path.write_text(broken)
    with pytest.raises(InputError):
        keys.refresh()
    assert not keys.refresh()  # told once
    with pytest.raises(InputError):
        keys.reload()
    assert keys.tenant(ALICE) == "alice"
    file(path, {BOB: "bob"}, now=2 * 10**9)
    assert keys.refresh()
    assert keys.tenant(BOB) == "bob"


def test_all_that_is_wrong_is_told_at_once_and_no_secret_with_it(tmp_path: Path) -> None:
    path = tmp_path / "keys.yaml"
    good = hash_key(ALICE)
    path.write_text(
        f"""keys:
  - {{tenant: a, hash: {good}}}
  - {{tenant: b, hash: hk-plain-text-of-a-key-000}}
  - {{tenant: c, hash: {good}}}
  - {{tenant: "", hash: {good.upper()}}}
  - {{tenant: d, key: hk-another-plain-key-00}}
"""
    )
    with pytest.raises(InputError) as caught:
        Keys(path)
    assert [(problem.line, problem.path) for problem in caught.value.problems] == [
        (3, "keys[1].hash"),
        (4, "keys[2].hash"),
        (5, "keys[3].tenant"),
        (5, "keys[3].hash"),
        (6, "keys[4].key"),
        (6, "keys[4].hash"),
    ]
    assert "plain" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "keys: [hk-secret-0123456789]",
        "keys: hk-secret-0123456789",
        "[hk-secret-0123456789]",
        "hk-secret-0123456789",
        "hk-secret-0123456789: alice",
        "keys: {hk-secret-0123456789: alice}",
        "keys: [{tenant: a, hk-secret-0123456789: x}]",
        "keys: [{tenant: a, hash: {hk-secret-0123456789: x}}]",
        "keys: [{tenant: [hk-secret-0123456789], hash: 1}]",
        "keys: [{tenant: a, hash: 'hk-secret-0123456789}]",
        "keys: [{tenant: a, hash: &hk-secret-0123456789 *hk-secret-0123456788}]",
    ],
)
def test_a_key_in_any_wrong_place_is_not_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "keys.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        Keys(path)
    assert "secret" not in str(caught.value)


def test_entries_may_stand_alone(tmp_path: Path) -> None:
    path = tmp_path / "keys.yaml"
    path.write_text(f"- {{tenant: alice, hash: {hash_key(ALICE)}}}\n- {{tenant: bob, hash: x}}\n")
    with pytest.raises(InputError) as caught:
        Keys(path)
    assert [(one.line, one.path) for one in caught.value.problems] == [(2, "keys[1].hash")]
    path.write_text(path.read_text().splitlines()[0])
    assert Keys(path).tenant(ALICE) == "alice"


def test_the_same_hash_twice_is_a_mistake(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    entry = {"tenant": "a", "hash": hash_key(ALICE)}
    path.write_text(json.dumps({"keys": [entry, entry | {"tenant": "b"}]}))
    with pytest.raises(InputError, match=r"keys\[1\]\.hash: the same as keys\[0\]\.hash"):
        Keys(path)


def test_how_many_there_can_be_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    entry = {"tenant": "a", "hash": "sha256:" + "0" * 32 + ":" + "0" * 64}
    path.write_text(json.dumps({"keys": [entry] * (MOST + 1)}))
    with pytest.raises(InputError):
        Keys(path)


def test_what_is_remembered_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_REMEMBERED", 1)
    keys = Keys(file(tmp_path / "keys.json", {ALICE: "alice", BOB: "bob"}))
    for _ in range(3):
        assert (keys.tenant(ALICE), keys.tenant(BOB)) == ("alice", "bob")
        assert len(keys._found) == 1
