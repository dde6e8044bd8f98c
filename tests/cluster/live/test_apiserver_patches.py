"""Patches: JSON merge (the examples of RFC 7396), JSON patch, and strategic merge."""

import json

import pytest

from tests.cluster.live.apiserver import ApiError, patches

# RFC 7396, appendix A; those whose result is an object.
RFC_7396 = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]


@pytest.mark.parametrize(("before", "patch", "after"), RFC_7396)
def test_merge(before, patch, after) -> None:
    assert patches.merge(before, patch) == after


@pytest.mark.parametrize(
    ("operations", "after"),
    [
        ([{"op": "add", "path": "/c", "value": 1}], {"a": [1, 2], "b": {"x/y": 1}, "c": 1}),
        ([{"op": "add", "path": "/a/-", "value": 3}], {"a": [1, 2, 3], "b": {"x/y": 1}}),
        ([{"op": "add", "path": "/a/0", "value": 0}], {"a": [0, 1, 2], "b": {"x/y": 1}}),
        ([{"op": "remove", "path": "/a/0"}], {"a": [2], "b": {"x/y": 1}}),
        ([{"op": "replace", "path": "/b/x~1y", "value": 9}], {"a": [1, 2], "b": {"x/y": 9}}),
        ([{"op": "move", "from": "/b", "path": "/c"}], {"a": [1, 2], "c": {"x/y": 1}}),
        (
            [
                {"op": "test", "path": "/a/1", "value": 2},
                {"op": "copy", "from": "/a", "path": "/b/z"},
            ],
            {"a": [1, 2], "b": {"x/y": 1, "z": [1, 2]}},
        ),
    ],
)
def test_json_patch(operations, after) -> None:
    before = {"a": [1, 2], "b": {"x/y": 1}}
    assert patches.json_patch(before, operations) == after
    assert before == {"a": [1, 2], "b": {"x/y": 1}}


@pytest.mark.parametrize(
    "operations",
    [
        [{"op": "test", "path": "/a", "value": 2}],
        [{"op": "remove", "path": "/none"}],
        [{"op": "jump", "path": "/a"}],
        [{"path": "/a"}],
        [{"op": "add", "path": "a", "value": 1}],
    ],
)
def test_json_patches_that_fail(operations) -> None:
    with pytest.raises(ApiError) as caught:
        patches.json_patch({"a": 1}, operations)
    assert caught.value.code == 422


def test_strategic_merge_joins_lists_by_their_keys() -> None:
    conditions = [{"type": "Ready", "status": "True"}, {"type": "Old", "status": "True"}]
    status = {"conditions": conditions, "phase": "Running"}
    patch = {
        "conditions": [
            {"type": "Ready", "status": "False"},
            {"type": "New", "status": "True"},
            {"type": "Old", "$patch": "delete"},
        ],
        "phase": None,
    }
    assert patches.strategic(status, patch) == {
        "conditions": [{"type": "Ready", "status": "False"}, {"type": "New", "status": "True"}]
    }


def test_strategic_merge_replaces_other_lists_and_on_demand() -> None:
    spec = {"tolerations": [{"key": "a"}], "taints": [{"key": "x"}], "finalizers": ["f"]}
    patch = {
        "tolerations": [{"key": "b"}],
        "taints": [{"$patch": "replace"}, {"key": "y"}],
        "finalizers": ["g"],
        "$deleteFromPrimitiveList/finalizers": ["f"],
    }
    assert patches.strategic(spec, patch) == {
        "tolerations": [{"key": "b"}],
        "taints": [{"key": "y"}],
        "finalizers": ["g"],
    }


@pytest.mark.parametrize(
    ("kind", "body", "code"),
    [
        ("text/plain", b"{}", 415),
        ("application/merge-patch+json", b"{", 400),
        ("application/merge-patch+json", b"[]", 400),
        ("application/json-patch+json", b"{}", 400),
    ],
)
def test_patches_that_are_none(kind, body, code) -> None:
    with pytest.raises(ApiError) as caught:
        patches.apply(kind, body, {})
    assert caught.value.code == code


def test_yaml_is_read_for_server_side_apply() -> None:
    body = json.dumps({"spec": {"a": 1}}).encode()
    assert patches.apply("application/apply-patch+yaml", body, {}) == {"spec": {"a": 1}}
