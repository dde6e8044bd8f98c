"""Which groups, versions and resources there are: what clients ask first."""

from __future__ import annotations

from typing import Any

from tests.cluster.live.apiserver.errors import Json
from tests.cluster.live.apiserver.resources import SERVED, Resource

VERSION = {
    "major": "1",
    "minor": "32",
    "gitVersion": "v1.32.4",
    "gitCommit": "0" * 40,
    "gitTreeState": "clean",
    "buildDate": "2025-04-22T16:02:58Z",
    "goVersion": "go1.23.6",
    "compiler": "gc",
    "platform": "linux/amd64",
}

_SUB_KINDS = {
    "binding": ("Binding", "", ""),
    "eviction": ("Eviction", "policy", "v1"),
}


def document(path: str) -> Json | str | None:
    """What is at a path that names no object; None if nothing is."""
    parts = path.strip("/").split("/")
    if path in ("/healthz", "/livez", "/readyz"):
        return "ok"
    if path == "/version":
        return VERSION
    if path == "/api":
        return {"kind": "APIVersions", "apiVersion": "v1", "versions": ["v1"]}
    if path == "/apis":
        groups = [_group(name) for name in _groups() if name]
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
    if parts[0] == "openapi":
        return _openapi("/".join(parts[1:]))
    if parts[0] == "api" and len(parts) == 2:
        return _resources("", parts[1])
    if parts[0] == "apis" and len(parts) == 2 and parts[1] in _groups():
        return {"kind": "APIGroup", "apiVersion": "v1"} | _group(parts[1])
    if parts[0] == "apis" and len(parts) == 3:
        return _resources(parts[1], parts[2])
    return None


def _groups() -> dict[str, tuple[str, ...]]:
    return {resource.group: resource.versions for resource in SERVED}


def _group(name: str) -> Json:
    versions = [{"groupVersion": f"{name}/{v}", "version": v} for v in _groups()[name]]
    return {"name": name, "versions": versions, "preferredVersion": versions[0]}


def _resources(group: str, version: str) -> Json | None:
    served = [r for r in SERVED if r.group == group and version in r.versions]
    if not served:
        return None
    entries: list[Json] = []
    for resource in served:
        entries.append(
            {
                "name": resource.plural,
                "singularName": resource.kind.lower(),
                "namespaced": resource.namespaced,
                "kind": resource.kind,
                "verbs": list(resource.verbs),
                "shortNames": list(resource.short),
            }
        )
        entries += [_subresource(resource, sub) for sub in resource.subresources]
    full = f"{group}/{version}" if group else version
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": full,
        "resources": entries,
    }


def _subresource(resource: Resource, sub: str) -> Json:
    kind, group, version = _SUB_KINDS.get(sub, (resource.kind, "", ""))
    verbs = ["create"] if sub in _SUB_KINDS else ["get", "patch", "update"]
    entry: Json = {
        "name": f"{resource.plural}/{sub}",
        "singularName": "",
        "namespaced": resource.namespaced,
        "kind": kind,
        "verbs": verbs,
    }
    return entry | {"group": group, "version": version} if group else entry


def _openapi(rest: str) -> Json | None:
    """Just enough of OpenAPI v3 for kubectl to leave the checking of fields to the server."""
    if rest == "v3":
        roots = {
            f"apis/{group}/{version}" if group else f"api/{version}"
            for group, versions in _groups().items()
            for version in versions
        }
        return {
            "paths": {root: {"serverRelativeURL": f"/openapi/v3/{root}"} for root in sorted(roots)}
        }
    parts = rest.split("/")
    if parts[:2] == ["v3", "api"] and len(parts) == 3:
        return _schema("", parts[2])
    if parts[:2] == ["v3", "apis"] and len(parts) == 4:
        return _schema(parts[2], parts[3])
    return None


def _schema(group: str, version: str) -> Json:
    paths: dict[str, Any] = {}
    root = f"/apis/{group}/{version}" if group else f"/api/{version}"
    for resource in SERVED:
        if resource.group != group or version not in resource.versions:
            continue
        place = "/namespaces/{namespace}" if resource.namespaced else ""
        paths[f"{root}{place}/{resource.plural}/{{name}}"] = {
            "patch": {
                "x-kubernetes-group-version-kind": {
                    "group": group,
                    "version": version,
                    "kind": resource.kind,
                },
                "parameters": [
                    {"name": name, "in": "query", "schema": {"type": "string"}}
                    for name in ("dryRun", "fieldManager", "fieldValidation")
                ],
            }
        }
    info = {"title": "Kubernetes", "version": VERSION["gitVersion"]}
    return {"openapi": "3.0.0", "info": info, "paths": paths, "components": {"schemas": {}}}
