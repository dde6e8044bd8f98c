"""``hocket gateway``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from hocket.cli.files import Json
from hocket.cli.output import as_json, say
from hocket.core.errors import UserError


def gateway(
    config: Annotated[
        Path | None,
        Parameter(name="CONFIG", help="YAML, TOML or JSON file; flags count more than it."),
    ] = None,
    /,
    *,
    backend: Annotated[
        tuple[str, ...],
        Parameter(negative="", help="URL of an engine, http://HOST:PORT; may be given again."),
    ] = (),
    policy: Annotated[
        str | None, Parameter(help="Name or policy file. Default: serving/least-outstanding.")
    ] = None,
    listen: Annotated[
        str | None, Parameter(help="PORT or HOST:PORT. Default: 127.0.0.1:8100.")
    ] = None,
    workers: Annotated[
        int | None, Parameter(help="Processes, each with its own view of the engines. Default: 1.")
    ] = None,
    retries: Annotated[
        int | None, Parameter(help="Further engines tried before the first byte. Default: 2.")
    ] = None,
    resume: Annotated[
        bool,
        Parameter(negative="", help="Let broken streams go on elsewhere; engines must be alike."),
    ] = False,
    ttft: Annotated[
        float | None, Parameter(help="Seconds to the first token to keep, else refuse with 429.")
    ] = None,
    keys: Annotated[
        Path | None, Parameter(help="File of hashed API keys that clients must have.")
    ] = None,
    seed: Annotated[int | None, Parameter(help="Of the policy's random numbers.")] = None,
    record: Annotated[
        Path | None, Parameter(help="Write every decision, with what it was based on, here.")
    ] = None,
    drain: Annotated[
        float | None, Parameter(help="Seconds that streams get after SIGTERM. Default: 30.")
    ] = None,
    check: Annotated[
        bool, Parameter(negative="", help="Say what is wrong with the config, and end.")
    ] = False,
    new_key: Annotated[
        str | None, Parameter(help="Print a new API key for this tenant with its hash, and end.")
    ] = None,
    hash_key: Annotated[
        str | None,
        Parameter(help="Read this tenant's API key from standard input; print its hash, and end."),
    ] = None,
    replay: Annotated[
        Path | None,
        Parameter(help="Ask the policy of a record, or --policy, the same again, and compare."),
    ] = None,
    json: Json = False,
) -> int:
    """Dispatch OpenAI-compatible requests to inference engines by a policy.

    Clients ask the gateway as they would ask one engine: completions and chats, streamed or not.
    Each request goes where the policy says, by what the engines publish of themselves and what the
    gateway counts. If an engine fails before the first byte of an answer, another is tried. SIGTERM
    or Ctrl-C lets running streams finish; a second one does not. Exit code 1 if a config has
    problems under --check, or a decision came out otherwise under --replay.

    Examples:

        hocket gateway --backend http://10.0.0.7:8000 --backend http://10.0.0.8:8000
        hocket gateway gateway.yaml --policy serving/llumnix --listen 0.0.0.0:8100
        hocket gateway gateway.yaml --check
        hocket gateway --new-key search >> keys.yaml
        hocket gateway --replay decisions.jsonl
    """
    if replay is not None:
        return _replay(replay, policy, json)
    if new_key is not None or hash_key is not None:
        return _key(new_key, hash_key)
    flags = {
        "policy": policy,
        "listen": listen,
        "workers": workers,
        "retries": retries,
        "ttft": ttft,
        "keys": None if keys is None else str(keys),
        "seed": seed,
        "record": None if record is None else str(record),
        "drain": drain,
    }
    given = {name: value for name, value in flags.items() if value is not None}
    return _serve(config, backend, given, resume, check, json)


def _serve(
    path: Path | None,
    backends: tuple[str, ...],
    flags: dict[str, Any],
    resume: bool,
    check: bool,
    json: bool,
) -> int:
    """Put file and flags together; then check, or serve."""
    from hocket.core.errors import InputError
    from hocket.serving.live.gateway.config import data_of, from_data, read

    try:
        if path is not None and not flags and not backends and not resume:
            found = read(path)
        else:
            data = {} if path is None else data_of(path)
            data |= flags
            if backends:
                data["backends"] = [{"url": url} for url in backends]
            if "backends" not in data:
                raise UserError("which engines? Give --backend URL, or --config FILE")
            if resume and isinstance(data["backends"], list):
                data["backends"] = [
                    {**one, "resume": True} if isinstance(one, dict) else one
                    for one in data["backends"]
                ]
            found = from_data(data, "hocket gateway" if path is None else str(path))
    except InputError as error:
        if not check:
            raise
        if json:
            as_json({"problems": error.problems})
        else:
            print(error)
        return 1
    if check:
        if json:
            as_json({"problems": [], "config": found})
        else:
            count = len(found.backends)
            told = "1 backend" if count == 1 else f"{count} backends"
            print(f"ok: {told}, {found.policy}, listening on {found.listen}")
        return 0
    from hocket.serving.live.gateway.server import serve

    return serve(found, lambda url: say(f"the gateway listens on {url}"))


def _key(new: str | None, known: str | None) -> int:
    """Print an entry for a file of keys."""
    import sys

    from hocket.serving.live.gateway.keys import hash_key, new_key

    if new is not None:
        key = new_key()
        say(f"the key, told only now: {key}")
    else:
        key = sys.stdin.readline().strip()
    tenant = (new if new is not None else known) or ""
    if not tenant or not tenant.isprintable() or len(tenant) > 64:
        raise UserError(f"{tenant!r} is no name of a tenant")
    quoted = tenant.replace("\\", "\\\\").replace('"', '\\"')
    print(f'- {{tenant: "{quoted}", hash: "{hash_key(key)}"}}')
    return 0


def _replay(path: Path, policy: str | None, json: bool) -> int:
    """Ask again, the recorded policy or the one that was given, and say what came of it."""
    from hocket.core.load import load_policy
    from hocket.serving.live.gateway.decisions import replay

    found = replay(path, None if policy is None else load_policy(policy))
    if json:
        as_json(found)
    else:
        print(f"{found.policy}, seed {found.seed}: {found.decisions} decisions, ", end="")
        print("all the same" if found.identical else f"{found.different} different")
        if found.first:
            print(found.first)
    return 0 if found.identical else 1
