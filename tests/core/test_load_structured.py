import json
import tomllib

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from hocket.core.errors import InputError
from hocket.core.structured import DEPTH, lines, parse


def problems(text, kind="yaml"):
    with pytest.raises(InputError) as caught:
        parse(text, kind, "file")
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("Yes", "Yes"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("null", None),
        ("12", 12),
        ("-3", -3),
        ("+4", 4),
        ("1_000", 1000),
        ("1__0", "1__0"),
        ("0x1F", 31),
        ("0o17", 15),
        ("017", "017"),
        ("-007", "-007"),
        ("1e3", 1000.0),
        ("1.5", 1.5),
        (".5", 0.5),
        ("5.", 5.0),
        ("1.5e-3", 0.0015),
        ("12:30", "12:30"),
        ("1:30:00", "1:30:00"),
        ("2024-01-31", "2024-01-31"),
        ("'12'", "12"),
        ('"true"', "true"),
        ("!!str 12", "12"),
        ("!!int 12", 12),
        (".", "."),
        ("-", [None]),
        ("90 s", "90 s"),
    ],
)
def test_yaml_words(word, value):
    found = parse(f"{word}\n", "yaml", "") if word == "-" else parse(f"a: {word}", "yaml", "")["a"]
    assert found == value and type(found) is type(value)


def test_yaml_collections_aliases_and_keys():
    text = "a: &x [1, {b: 2}]\nc: *x\n1: one\ntrue: yes\n'': z\n"
    assert parse(text, "yaml", "") == {
        "a": [1, {"b": 2}],
        "c": [1, {"b": 2}],
        "1": "one",
        "true": "yes",
        "": "z",
    }


def test_duplicate_keys_name_both_lines_and_come_all_at_once():
    found = problems("a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\nlist:\n- {x: 1, x: 2}\na: 2\n")
    assert found == [
        "line 5: b.c: this key stands here and on line 3; remove one",
        "line 7: list[0].x: this key stands here and on line 7; remove one",
        "line 8: a: this key stands here and on line 1; remove one",
    ]


def test_tabs_and_colons_are_explained():
    assert "line 2" in problems("a:\n\tb: 1")[0] and "a tab?" in problems("a:\n\tb: 1")[0]
    assert "needs quotes" in problems("a: b: c")[0]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("a: .nan", "line 1: a: .nan is no number"),
        ("a: 1\nb: -.inf", "line 2: b: -.inf is no number"),
        ("a: 1e999", "too large a number"),
        ("a: " + "9" * 5000, "5000 digits"),
        ("a: !!python/object/apply:os.system [x]", "the tag"),
        ("a: !mine 3", "the tag !mine is not read"),
        ("<<: {a: 1}", "merge keys"),
        ("a: 1\n---\nb: 2", "line 2: a second document"),
        ("a: \x01", "line 1: character U+0001"),
        ("? [1]\n: 2", "a key must be text"),
        ("? *a\n: 2", "a key must be text"),
        ("a: *x", "*x names nothing above"),
        ("a: &x [*x]", "*x names nothing above"),
        ("[" * 10**6, f"nested more than {DEPTH} deep"),
        ("a: [1", "line 1"),
    ],
)
def test_yaml_that_is_refused(text, part):
    assert part in problems(text)[0]


def test_an_alias_bomb_is_stopped():
    text = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n"
    for i in range(1, 30):
        text += f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n"
    assert "aliases unfold to more than" in problems(text)[0]


def test_lines_of_yaml_and_json():
    text = "jobs:\n- name: a\n  ops:\n  - {m: 1, d: 2}\n  - {m: 1,\n     d: 2}\n- 5\nend: 1\n"
    found = lines(text, "yaml")
    assert found["jobs"] == 1
    assert found["jobs[0]"] == found["jobs[0].name"] == 2
    assert found["jobs[0].ops[0].d"] == 4
    assert (found["jobs[0].ops[1].m"], found["jobs[0].ops[1].d"]) == (5, 6)
    assert (found["jobs[1]"], found["end"]) == (7, 8)
    assert lines('{"a": 1,\n "b": [2,\n\t3]}', "json") == {"a": 1, "b[0]": 2, "b[1]": 3, "b": 2}


def test_lines_are_absent_rather_than_wrong():
    assert lines("a = 1", "toml") == {}
    assert lines('{"a": "\\ud83d\\ude00"}', "json") == {}


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ('{"a": 1,\n "b": {"c": 1,\n "c": 2}}', "line 3: b.c: this key stands here and on line 2"),
        ('{"\\ud83d\\ude00": 1, "a": 1, "a": 2}', "key 'a' stands twice"),
        ('{"a": NaN}', "NaN is no number"),
        ('{"a": [-Infinity]}', "-Infinity is no number"),
        ('{"a": 1e999}', "too large"),
        ('{"a": ' + "9" * 5000 + "}", "too many digits"),
        ("[" * 10**5, "nested too deep"),
        ('{"a": 1,\n}', "line 2"),
        ("{'a': 1}", "line 1"),
    ],
)
def test_json_that_is_refused(text, part):
    assert part in problems(text, "json")[0]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("a = 1\nb = = 2", "line 2: invalid value"),
        ("a = nan", "nan is no number"),
        ("a = -inf", "-inf is no number"),
        ("a = 1e999", "too large"),
        ("a = " + "9" * 5000, "too many digits"),
        ("a = 1\na = 2", "cannot overwrite a value"),
        ("a = " + "[" * 10**4, "nested too deep"),
    ],
)
def test_toml_that_is_refused(text, part):
    assert part in problems(text, "toml")[0]


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=12),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=6), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(plain)
def test_json_is_read_as_the_standard_library_does(data):
    assert parse(json.dumps(data), "json", "") == data


@given(plain)
def test_yaml_agrees_with_the_usual_reader_where_the_versions_of_yaml_do(data):
    text = yaml.safe_dump(data, default_style='"')  # quotes everything, tags what is no text
    assert parse(text, "yaml", "") == yaml.safe_load(text)


@given(st.text(st.sampled_from("ab:-[]{},&*!|>'\"%#? \n\t01.eE=<~"), max_size=40))
def test_any_text_is_data_or_an_input_error(text):
    for kind in ("yaml", "json", "toml"):
        try:
            parse(text, kind, "")
        except InputError as error:
            assert error.problems
    lines(text, "yaml")


@given(st.text(st.sampled_from("ab:-[]{}, \n01'\""), max_size=30))
def test_yaml_accepts_what_the_usual_reader_does(text):
    try:
        usual = yaml.safe_load(text)
    except yaml.YAMLError:
        return
    except (ValueError, TypeError):
        return  # a list as key, or a date that is none
    try:
        found = parse(text, "yaml", "")
    except InputError as error:
        refused = ("key", "second document")
        assert all(any(word in p.message for word in refused) for p in error.problems)
    else:
        assert isinstance(found, type(usual)) or not isinstance(usual, (dict, list))


def test_toml_is_the_standard_library():
    text = "a = 1\n[b]\nc = ['x', 2.5]\n"
    assert parse(text, "toml", "") == tomllib.loads(text)


@pytest.mark.parametrize(
    ("text", "line"), [("\ud800a: 1", 1), ("a: 1\nb: \udfff\n", 2)], ids=["first", "second"]
)
def test_half_a_surrogate_pair_in_yaml_is_told_with_its_line(text, line):
    with pytest.raises(InputError, match=rf"line {line}: character U\+D[8F]") as caught:
        parse(text, "yaml", "x.yaml")
    assert caught.value.problems[0].line == line
    assert lines(text, "yaml") == {}
