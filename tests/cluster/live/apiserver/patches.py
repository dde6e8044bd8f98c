"""The patches of the Kubernetes API: JSON merge, strategic merge (approximated), JSON patch."""

from __future__ import annotations

import copy
import json
from typing import Any

import yaml

from tests.cluster.live.apiserver.errors import ApiError, Json, bad_request, unsupported

MERGE_KEYS = {
    "addresses": "type",
    "conditions": "type",
    "containers": "name",
    "initContainers": "name",
    "ephemeralContainers": "name",
    "env": "name",
    "volumes": "name",
    "volumeMounts": "mountPath",
    "imagePullSecrets": "name",
    "ownerReferences": "uid",
    "schedulingGates": "name",
    "taints": "key",
    "topologySpreadConstraints": "topologyKey",
    "hostAliases": "ip",
    "ports": "containerPort",
    "secrets": "name",
}
"""Lists of objects that a strategic merge joins, and by which key; all others are replaced."""

MERGED_WORDS = ("finalizers", "podCIDRs")
"""Lists of plain values that a strategic merge joins."""


def apply(kind: str, body: bytes, obj: Json) -> Json:
    """The object after a patch; `kind` is its content type."""
    if kind == "application/json-patch+json":
        return json_patch(obj, _parsed(body))
    if kind == "application/merge-patch+json":
        return _object(merge(obj, _object(_parsed(body))))
    if kind == "application/strategic-merge-patch+json":
        return strategic(obj, _object(_parsed(body)))
    if kind == "application/apply-patch+yaml":
        return strategic(obj, _object(yaml.safe_load(body)))
    raise unsupported(f"the body of the request was in an unknown format: {kind!r}")


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError as error:
        raise bad_request(f"error decoding patch: {error}") from error


def _object(patch: Any) -> Json:
    if not isinstance(patch, dict):
        raise bad_request("error decoding patch: it is no object")
    return patch


def merge(obj: Any, patch: Any) -> Any:
    """RFC 7396: null deletes, objects merge, everything else replaces."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = dict(obj) if isinstance(obj, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge(result.get(key), value)
    return result


def strategic(obj: Any, patch: Json) -> Json:
    """A merge that joins the well-known lists by their keys, and knows ``$patch``."""
    if patch.get("$patch") == "replace":
        return {key: copy.deepcopy(value) for key, value in patch.items() if key != "$patch"}
    result = dict(obj) if isinstance(obj, dict) else {}
    if "$retainKeys" in patch:
        result = {key: value for key, value in result.items() if key in patch["$retainKeys"]}
    for key, value in patch.items():
        if key.startswith("$deleteFromPrimitiveList/"):
            _, _, name = key.partition("/")
            result[name] = [one for one in result.get(name) or [] if one not in value]
        elif key.startswith("$"):
            continue
        elif value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            result[key] = strategic(result.get(key), value)
        elif isinstance(value, list):
            result[key] = _joined(key, result.get(key) or [], value)
        else:
            result[key] = value
    return result


def _joined(name: str, old: list[Any], new: list[Any]) -> list[Any]:
    if name in MERGED_WORDS:
        return old + [one for one in new if one not in old]
    key = MERGE_KEYS.get(name)
    if key is None or not all(isinstance(one, dict) for one in new):
        return copy.deepcopy(new)
    if any(one.get("$patch") == "replace" for one in new):
        return [one for one in new if "$patch" not in one]
    result = list(old)
    for one in new:
        found = next((i for i, have in enumerate(result) if have.get(key) == one.get(key)), None)
        if one.get("$patch") == "delete":
            result = [have for have in result if have.get(key) != one.get(key)]
        elif found is None:
            result.append(copy.deepcopy(one))
        else:
            result[found] = strategic(result[found], one)
    return result


def json_patch(obj: Json, operations: Any) -> Json:
    """RFC 6902."""
    if not isinstance(operations, list):
        raise bad_request("error decoding patch: it is no list of operations")
    result = copy.deepcopy(obj)
    for operation in operations:
        try:
            _operate(result, operation)
        except (KeyError, IndexError, ValueError, TypeError) as error:
            why = f"the server rejected our request due to an error in our request: {operation}"
            raise ApiError(422, "Invalid", why) from error
    return result


def _operate(document: Any, operation: Json) -> None:
    act, path = operation["op"], _pointer(operation["path"])
    if act == "test":
        if _at(document, path) != operation["value"]:
            raise ValueError("the test failed")
    elif act == "remove":
        _take(document, path)
    elif act in ("add", "replace"):
        if act == "replace":
            _take(document, path)
        _insert(document, path, operation["value"])
    elif act in ("move", "copy"):
        source = _pointer(operation["from"])
        value = _take(document, source) if act == "move" else copy.deepcopy(_at(document, source))
        _insert(document, path, value)
    else:
        raise ValueError(act)


def _pointer(text: str) -> list[str]:
    if not text.startswith("/"):
        raise ValueError(text)
    return [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:]]


def _at(document: Any, path: list[str]) -> Any:
    for part in path:
        document = document[int(part)] if isinstance(document, list) else document[part]
    return document


def _take(document: Any, path: list[str]) -> Any:
    parent = _at(document, path[:-1])
    return parent.pop(int(path[-1])) if isinstance(parent, list) else parent.pop(path[-1])


def _insert(document: Any, path: list[str], value: Any) -> None:
    parent = _at(document, path[:-1])
    if not isinstance(parent, list):
        parent[path[-1]] = value
    elif path[-1] == "-":
        parent.append(value)
    else:
        parent.insert(int(path[-1]), value)
