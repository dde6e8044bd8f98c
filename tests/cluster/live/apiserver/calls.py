"""A request, and what it means: the verb, and of which resource."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.cluster.live.apiserver import protobuf
from tests.cluster.live.apiserver.errors import bad_request, no_such_path
from tests.cluster.live.apiserver.resources import NAMESPACES, Resource, by_path

_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch"}


@dataclass(frozen=True)
class Target:
    """What a path names. `resource` is None for what is no object, such as discovery."""

    resource: Resource | None
    version: str = ""
    namespace: str = ""
    name: str = ""
    sub: str = ""


@dataclass
class Call:
    """One request, as tests can read it afterwards; `code` is that of the answer, 0 for none.

    `verb` and `resource` are as in RBAC rules: ``create`` of ``pods/eviction``.
    """

    method: str
    path: str
    query: dict[str, str]
    headers: Mapping[str, str]
    body: bytes
    target: Target = field(default_factory=lambda: Target(None))
    user: str = ""
    code: int = 0

    @classmethod
    def of(cls, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Call:
        parts = urlsplit(url)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        return cls(method, parts.path.rstrip("/") or "/", query, dict(headers), body)

    @property
    def watches(self) -> bool:
        return self.method == "GET" and self.query.get("watch", "") in ("true", "1")

    @property
    def verb(self) -> str:
        if self.method in ("GET", "HEAD"):
            if self.target.resource is None or self.target.name:
                return "get"
            return "watch" if self.watches else "list"
        if self.method == "DELETE":
            return "delete" if self.target.name else "deletecollection"
        return _VERBS.get(self.method, self.method.lower())

    @property
    def resource(self) -> str:
        if self.target.resource is None:
            return ""
        plural, sub = self.target.resource.plural, self.target.sub
        return f"{plural}/{sub}" if sub else plural

    def is_of(self, resource: str) -> bool:
        """Whether it is about a resource; an old address of bindings counts as the new one."""
        old = self.resource == "bindings" and resource == "pods/binding"
        return resource in ("", self.resource) or old

    @property
    def group(self) -> str:
        return self.target.resource.group if self.target.resource else ""

    @property
    def dry(self) -> bool:
        return self.query.get("dryRun") == "All"

    def json(self) -> Any:
        """The body; None if it is empty."""
        if not self.body:
            return None
        if self.headers.get("Content-Type", "").startswith(protobuf.CONTENT_TYPE):
            return protobuf.decoded(self.body)
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise bad_request(f"the object provided is unrecognized: {error}") from error

    def object(self) -> dict[str, Any]:
        body = self.json()
        if not isinstance(body, dict):
            raise bad_request("the object provided is unrecognized: it is no object")
        return body

    def __str__(self) -> str:
        place = f"{self.target.namespace}/" if self.target.namespace else ""
        return f"{self.verb} {self.resource or self.path} {place}{self.target.name} -> {self.code}"


def target(path: str) -> Target:
    """What a path names; 404 if the server has no such thing."""
    parts = path.strip("/").split("/")
    if parts[0] == "api" and len(parts) > 2:
        return _target("", parts[1], parts[2:])
    if parts[0] == "apis" and len(parts) > 3:
        return _target(parts[1], parts[2], parts[3:])
    return Target(None)


def _target(group: str, version: str, rest: list[str]) -> Target:
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in NAMESPACES.subresources:
        namespace, rest = rest[1], rest[2:]
    plural, name, sub, *more = [*rest, "", ""][: max(len(rest), 3)]
    resource = by_path(group, version, plural)
    if resource is None or more or (sub and sub not in resource.subresources):
        raise no_such_path()
    if bool(namespace) and not resource.namespaced:
        raise no_such_path()
    return Target(resource, version, namespace, name, sub)
