"""What a gateway is told: its backends, its policy, and the bounds that it keeps.

A YAML, TOML or JSON file, or the flags of ``hocket gateway``. All times are in seconds; 0 is no
limit where a limit is meant.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec

from hocket.core import files, structured
from hocket.core.convert import convert, located
from hocket.core.errors import HocketError, InputError, Problem

Seconds = Annotated[float, msgspec.Meta(gt=0)]
Limit = Annotated[float, msgspec.Meta(ge=0)]
Count = Annotated[int, msgspec.Meta(ge=0)]
Positive = Annotated[int, msgspec.Meta(ge=1)]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:\-]{0,63}\Z")


class Backend(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One inference engine with an OpenAI-compatible server.

    - `url`: where it listens, with a path if its API lies below one: ``http://10.0.0.7:8000``
    - `name`: what logs and metrics call it; by default host and port of `url`
    - `models`: what it serves; by default what its ``/v1/models`` says
    - `key_env`: the environment variable that holds the API key it asks for
    - `health`: the path that answers 200 while it can serve
    - `metrics`: the path of its Prometheus metrics; empty asks for none, and the gateway counts
      for itself
    - `in_flight`: most requests sent to it at a time; 0 is no bound. Only what the engines have no
      room for waits in the gateway, so only with it do fair shares and priorities there matter
    - `resume`: whether a stream of it that breaks off, or that the policy wants moved, may go on
      elsewhere from the tokens it has had. The engine has to take prompts of token ids and to
      tell the ids of what it generates (``return_token_ids``, as vLLM does)
    - `blocks`, `block_size`: key-value memory, where its metrics do not tell it; 0 is unknown
    - `draining`: whether it gets no new requests
    """

    url: str
    name: str = ""
    models: tuple[str, ...] = ()
    key_env: str = ""
    health: str = "/health"
    metrics: str = "/metrics"
    in_flight: Count = 0
    resume: bool = False
    blocks: Count = 0
    block_size: Count = 0
    draining: bool = False

    @property
    def label(self) -> str:
        """The name that logs, metrics and decisions use."""
        if self.name:
            return self.name
        try:
            return urlsplit(self.url).netloc.rpartition("@")[2]
        except ValueError:  # it is no URL, as `problems` tells
            return self.url

    @property
    def base(self) -> str:
        """The URL without a slash at its end."""
        return self.url.rstrip("/")

    def problems(self, path: str) -> Iterator[Problem]:
        """What is wrong with it, beyond types."""
        try:
            parts = urlsplit(self.url)
            sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            yield Problem(f"{path}.url", f"{self.url!r} is no URL; write http://HOST:PORT")
            return
        if not sound or parts.query or parts.fragment:
            yield Problem(f"{path}.url", f"{self.url!r} is no server's URL; write http://HOST:PORT")
        elif parts.username is not None or parts.password is not None:
            message = "holds a password; put the key into an environment variable, see key_env"
            yield Problem(f"{path}.url", message)
        elif parts.path.rstrip("/").endswith("/v1"):
            yield Problem(f"{path}.url", "ends in /v1; leave that out, the gateway adds it")
        if self.name and not _NAME.match(self.name):
            message = f"{self.name!r} is no name; use letters, digits, and . _ - : between them"
            yield Problem(f"{path}.name", message)
        for field in ("health", "metrics"):
            if (value := getattr(self, field)) and not value.startswith("/"):
                yield Problem(f"{path}.{field}", f"{value!r} is no path; it begins with a slash")


class Tenant(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one tenant may do; tenants that are not named have the settings of `Config.others`.

    - `weight`: its share of the engines where tenants compete
    - `requests`, `tokens`: most per minute, tokens of prompts and answers together; 0 is no bound
    - `burst`: seconds' worth of these that may come at once
    - `in_flight`: most requests at a time, 0 is no bound
    - `priority`: the most urgent that its requests may claim to be; None lets them claim any.
      The smaller, the more urgent
    - `ttft`: seconds to the first token that it was promised; None stands for `Config.ttft`
    """

    weight: Annotated[float, msgspec.Meta(gt=0)] = 1.0
    requests: Limit = 0.0
    tokens: Limit = 0.0
    burst: Seconds = 10.0
    in_flight: Count = 0
    priority: int | None = None
    ttft: Seconds | None = None


class Timeouts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long to wait for a backend, in seconds; 0 waits for ever.

    `connect`: for a connection; `first`: from there to the first byte of the answer's body, which
    for an answer that is not streamed comes with the last; `gap`: between two pieces of a stream;
    `total`: for all of an answer, retries included.
    """

    connect: Limit = 2.0
    first: Limit = 300.0
    gap: Limit = 60.0
    total: Limit = 1200.0


class Health(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a backend counts as lost.

    It is asked every `period` seconds and has `timeout` seconds to answer; after `failures`
    requests in a row that failed by its fault it is left alone for `recovery` seconds, and then
    gets one on trial.
    """

    period: Seconds = 1.0
    timeout: Seconds = 2.0
    failures: Positive = 3
    recovery: Seconds = 5.0


class Bounds(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the gateway holds at most, so that no client can exhaust it.

    - `body`: bytes of a request; `headers`: bytes of its headers; `memory`: bytes of the bodies of
      all requests together
    - `requests`: being served or waiting at a time
    - `queue`: waiting for admission; `wait`: seconds that one may wait there
    """

    body: Positive = 16 * 2**20
    headers: Positive = 64 * 2**10
    memory: Positive = 2**30
    requests: Positive = 8192
    queue: Positive = 4096
    wait: Seconds = 60.0


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A gateway.

    - `policy`: who decides where a request goes: a name, a policy file, or a mapping; `seed` of
      its random numbers
    - `listen`: HOST:PORT, or PORT; `workers`: processes that listen there, each with its own view
      of the backends: it counts only its own requests, and every rate and bound holds for each
    - `retries`: how often a request that failed before its first byte is sent to another backend
    - `moves`: how often one stream may go on elsewhere
    - `ttft`: seconds to the first token that users were promised; requests for which it cannot be
      kept are refused with 429. None promises nothing
    - `scrape`: seconds between two readings of a backend's metrics
    - `drain`: seconds that running streams get after SIGTERM
    - `tenants`: by name; `others`: every tenant that is not named
    - `keys`: the file of hashed API keys; without one, whoever reaches the gateway may use it and
      says in ``x-hocket-tenant`` on whose behalf
    - `record`: where decisions are written, for ``hocket gateway --replay``
    - `log`: whether ``all`` requests are logged, or only ``failures``
    """

    backends: Annotated[tuple[Backend, ...], msgspec.Meta(min_length=1)]
    policy: str | dict[str, Any] = "serving/least-outstanding"
    seed: Count = 0
    listen: str = "127.0.0.1:8100"
    workers: Positive = 1
    retries: Count = 2
    moves: Count = 3
    timeouts: Timeouts = Timeouts()
    health: Health = Health()
    bounds: Bounds = Bounds()
    ttft: Seconds | None = None
    scrape: Seconds = 0.25
    drain: Limit = 30.0
    tenants: dict[str, Tenant] = {}
    others: Tenant = Tenant()
    keys: str = ""
    record: str = ""
    log: Literal["all", "failures"] = "all"

    def tenant(self, name: str) -> Tenant:
        """The settings of a tenant."""
        return self.tenants.get(name, self.others)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of `listen`. Raises ValueError if it is none."""
        host, _, port = self.listen.rpartition(":")
        if not port.isdecimal() or int(port) > 65535:
            raise ValueError(f"{self.listen!r} is no HOST:PORT, such as 127.0.0.1:8100")
        return host.strip("[]") or "127.0.0.1", int(port)

    def problems(self) -> Iterator[Problem]:
        """What is wrong with it, beyond types."""
        seen: dict[str, int] = {}
        for place, backend in enumerate(self.backends):
            path = f"backends[{place}]"
            yield from backend.problems(path)
            first = seen.setdefault(backend.label, place)
            if first != place:
                message = f"is named {backend.label!r} as backends[{first}]; give it another name"
                yield Problem(path, message)
        try:
            _ = self.address
        except ValueError as error:
            yield Problem("listen", str(error))
        for name in self.tenants:
            if not _NAME.match(name):
                yield Problem(f"tenants.{name}", "is no name; use letters, digits, and . _ - :")
        if self.workers > 1 and self.record:
            message = "one process writes the record of decisions; set workers to 1"
            yield Problem("record", message)
        yield from _policy_problems(self.policy)
        if self.keys and not Path(self.keys).is_file():
            yield Problem("keys", f"there is no file {self.keys}; see hocket gateway --new-key")


def _policy_problems(policy: str | dict[str, Any]) -> Iterator[Problem]:
    from hocket.core.load import load_policy
    from hocket.serving.roles.policy import ServingPolicy

    try:
        found = load_policy(policy)
    except HocketError as error:
        yield Problem("policy", str(error))
        return
    if not isinstance(found, ServingPolicy):
        yield Problem("policy", f"{found.name} dispatches no requests; serving/llumnix is one")


def checked(config: Config, source: str = "gateway") -> Config:
    """The config itself. Raises InputError with everything that is wrong with it."""
    if problems := list(config.problems()):
        raise InputError(source, problems)
    return config


def from_data(data: Any, source: str = "gateway") -> Config:
    """A config from plain data. Raises InputError with every problem."""
    return checked(convert(data, Config, source=source), source)


def data_of(path: Path) -> dict[str, Any]:
    """The mapping that a config file holds. Raises InputError if it holds none."""
    text, name = files.text(path), files.display(path)
    data = structured.parse(text, structured.KINDS.get(files.suffix(path), "yaml"), name)
    if not isinstance(data, dict):
        raise InputError(name, ["a gateway's file is a mapping; begin with backends:"])
    return data


def read(path: Path) -> Config:
    """The config in a file. Raises InputError with every problem, each with its line."""
    data, name = data_of(path), files.display(path)
    kind = structured.KINDS.get(files.suffix(path), "yaml")
    lines = partial(structured.lines, files.text(path), kind)
    config = convert(data, Config, source=name, lines=lines)
    if problems := list(config.problems()):
        raise InputError(name, located(problems, lines))
    return config
