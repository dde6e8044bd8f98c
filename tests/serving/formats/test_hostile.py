"""Broken logs: every mistake is told with its line, none is repaired in silence."""

from __future__ import annotations

import json

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from hocket.core.errors import InputError, UserError
from hocket.serving.formats import FORMATS

HEAD = "arrival,prompt,output\n"


def complaints(text: str, name: str = "x.csv", form: str = "requests-csv") -> list[str]:
    fitting = next(one for one in FORMATS if one.name == form)
    with pytest.raises(InputError) as caught:
        fitting.read(text, name)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("0,-5,3", "line 3: prompt: '-5' is negative"),
        ("0,5,-3", "line 3: output: '-3' is negative"),
        ("0,nan,3", "line 3: prompt: 'nan' is not a whole number of tokens"),
        ("0,inf,3", "line 3: prompt: 'inf' is not a whole number of tokens"),
        ("0,2.5,3", "line 3: prompt: '2.5' is not a whole number of tokens"),
        ("0,many,3", "line 3: prompt: 'many' is not a number"),
        ("0,,3", "line 3: prompt: missing"),
        ("0,5,99999999999999999999999", "line 3: output: '99999999999999999999999"),
        ("0,5,2147483648", "line 3: output: '2147483648' is more than 2147483647 tokens"),
        ("nan,5,3", "line 3: arrival: 'nan' is not a time"),
        ("inf,5,3", "line 3: arrival: 'inf' is not a time"),
        (",5,3", "line 3: arrival: missing"),
        ("2026-02-30T00:00:00,5,3", "line 3: arrival: '2026-02-30T00:00:00' is not a time"),
        ("soon,5,3", "line 3: arrival: 'soon' is not a time"),
        ("2026-01-01,5,3", "line 3: arrival: '2026-01-01' is not a time in s"),
        ("-1,5,3", "line 3: arrival: -1 s is before the start"),
        ("0,5", "line 3: 2 cells under a header of 3; is the file cut off?"),
        ("0,5,3,1", "line 3: 4 cells under a header of 3"),
    ],
)
def test_a_bad_row_is_told_with_its_line(row, said):
    found = complaints(f"{HEAD}0,1,1\n{row}\n9,1,1\n")
    assert len(found) == 1
    assert found[0].startswith(said)


def test_all_problems_are_told_at_once():
    rows = ["0,-1,1", "x,1,1", "2,1,-1", "3,1,z"]
    found = complaints(HEAD + "\n".join(rows))
    assert [line.partition(":")[0] for line in found] == ["line 2", "line 3", "line 4", "line 5"]


def test_at_most_a_thousand_are_told():
    assert len(complaints(HEAD + "x,-1,y\n" * 5000)) == 1000
    assert len(complaints("{\n" * 5000, "x.jsonl", "requests-jsonl")) == 1000


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("arrival,prompt\n0,1\n", "no column says how many tokens answers have"),
        ("prompt,output,when\n1,1,0\n", "there is prompt, output, when"),
        ("TIMESTAMP,ContextTokens\n0,1\n", "there is TIMESTAMP, ContextTokens"),
        ("arrival,prompt,output,prompt\n0,1,1,1\n", "'prompt' stands there twice"),
        (HEAD, "no row under the header"),
        ("", "the file is empty"),
        ("\ufeff\r\n", "the file is empty"),
        ("arrival,prompt\x00,output\n", "no text file"),
    ],
)
def test_a_bad_table(text, said):
    assert any(said in complaint for complaint in complaints(text))


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ('{"arrival": 1, "prompt": 1, "outp', "line 2: the line is cut off"),
        ('{"arrival": 1, "prompt": 1, "output"}', "line 2: not valid JSON"),
        ("[1, 2, 3]", "line 2: expected an object"),
        ("12", "line 2: expected an object"),
        ('{"arrival": 1, "prompt": 1}', "line 2: output: missing"),
        ('{"arrival": 1, "prompt": true, "output": 1}', "line 2: prompt: True is not"),
        ('{"arrival": 1, "prompt": [1], "output": 1}', "line 2: prompt: [1] is not a number"),
        ('{"arrival": null, "prompt": 1, "output": 1}', "line 2: arrival: missing"),
        ('{"arrival": {}, "prompt": 1, "output": 1}', "line 2: arrival: {} is not a time"),
        (
            '{"arrival": 1, "prompt": 1, "output": 1, "prefix": 3}',
            "line 1: prefix: expected a list",
        ),
        ('{"arrival": 1, "prompt": 1, "output": 1, "priority": "x"}', "line 2: priority: 'x' is"),
        ('{"arrival": 1, "prompt": 1, "output": 1, "priority": 1e99}', "line 2: priority: 1e+99"),
    ],
)
def test_a_bad_line_of_json(row, said):
    text = '{"arrival": 0, "prompt": 1, "output": 1}\n' + row + "\n"
    assert complaints(text, "x.jsonl", "requests-jsonl")[0].startswith(said)


def test_a_limit_that_allows_nothing():
    text = "arrival,prompt,output,max_tokens\n0,1,1,5\n1,1,1,0\n"
    assert complaints(text) == ["line 3: max_tokens: must be at least 1"]


def test_prefix_blocks_that_differ():
    rows = [
        {"arrival": i, "prompt": 20, "output": 1, "prefix": [1], "prefix_block": 16 + i}
        for i in (0, 1)
    ]
    text = "\n".join(map(json.dumps, rows))
    assert "same number" in complaints(text, "x.jsonl", "requests-jsonl")[0]


def test_hash_ids_that_are_none():
    text = '{"timestamp": 0, "input_length": 9, "output_length": 1, "hash_ids": [1, -2]}\n'
    assert "line 1: hash_ids: expected a list" in complaints(text, "m.jsonl", "mooncake")[0]


def test_a_log_that_lasts_too_long():
    found = complaints(f"{HEAD}0,1,1\n99999,1,1\n2000000,1,1\n".replace("99999", "999999"))
    assert "lasts 23.1 days" in found[0]
    assert "count" in found[0]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"start_times": None}, "start_times: missing; run vllm bench serve with --save-detailed"),
        ({"output_lens": [1]}, "output_lens: 1 entries, but there are 2 prompts"),
        ({"input_lens": [], "output_lens": [], "start_times": []}, "there are no requests"),
        ({"input_lens": [1, "x"]}, "line 2: input_lens: 'x' is not a number"),
    ],
)
def test_a_bad_result_of_vllm_bench(changes, said):
    sound = {"input_lens": [1, 2], "output_lens": [1, 2], "start_times": [0.0, 1.0]}
    found = complaints(json.dumps(sound | changes), "r.json", "vllm-bench")
    assert said in found[0]
    assert "cut off" in complaints(json.dumps(sound)[:-9], "r.json", "vllm-bench")[0]
    assert "one object" in complaints("[]", "r.json", "vllm-bench")[0]


def test_lines_are_counted_through_quoted_breaks_and_blank_lines():
    text = 'arrival,prompt,output,name\n0,1,1,"a\nb"\n\n1,-1,1,c\n'
    assert complaints(text) == ["line 5: prompt: '-1' is negative"]


CELLS = st.one_of(
    st.text(max_size=8),
    st.integers(-(10**30), 10**30).map(str),
    st.floats().map(str),
    st.sampled_from(["", "0", "1", '"', "2026-01-01T00:00:00Z", "١", "1_0", "+5", "0x10"]),
)


@given(
    st.lists(st.lists(CELLS, min_size=1, max_size=5), max_size=6),
    st.sampled_from([HEAD, "TIMESTAMP,ContextTokens,GeneratedTokens\n", "prompt,output\n", ""]),
    st.sampled_from(FORMATS),
)
@settings(max_examples=300, deadline=None)
def test_nothing_but_user_errors_comes_of_any_text(rows, head, form):
    text = head + "\n".join(",".join(row) for row in rows)
    try:
        scenario = form.read(text, "x.csv")
    except UserError:
        return
    assert not list(scenario.problems())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)
KEYS = st.sampled_from((
    "arrival", "prompt", "output", "usage", "created", "timestamp", "input_length",
    "output_length", "hash_ids", "prefix", "prefix_block", "response", "priority",
    "tenant", "limit", "input_lens", "output_lens", "start_times", "queued_ts",
    "input_toks", "output_toks",
))  # fmt: skip


@given(
    st.lists(st.dictionaries(KEYS, JSON, max_size=8), min_size=1, max_size=4),
    st.sampled_from(FORMATS),
)
@settings(max_examples=300, deadline=None)
def test_nothing_but_user_errors_comes_of_any_json(rows, form):
    text = "\n".join(map(json.dumps, rows))
    try:
        scenario = form.read(text, "x.jsonl")
    except UserError:
        return
    assert not list(scenario.problems())
