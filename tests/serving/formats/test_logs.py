"""Request logs of every format: what is read, and what real files hold."""

from __future__ import annotations

import json

import numpy as np
import pytest

from hocket.core.errors import InputError
from hocket.serving.formats import FORMATS
from hocket.serving.model.cluster import Cluster
from hocket.serving.workload import Random, Trace
from tests.data import shared

BY_NAME = {one.name: one for one in FORMATS}


def read(text: str, name: str) -> Cluster:
    """By the first format that recognises it, as the loader does."""
    head = text[: max(4096, text.find("\n") + 1)]
    fitting = next(one for one in FORMATS if one.sniff(name, head))
    scenario = fitting.read(text, name)
    assert isinstance(scenario, Cluster)
    assert not list(scenario.problems())
    return scenario


def trace(text: str, name: str = "x.csv") -> Trace:
    workload = read(text, name).workload
    assert isinstance(workload, Trace)
    return workload


def kind(text: str, name: str = "x.csv") -> str:
    return next((one.name for one in FORMATS if one.sniff(name, text)), "")


AZURE_2023 = (
    "TIMESTAMP,ContextTokens,GeneratedTokens\r\n"
    "2023-11-16 18:15:46.6805900,374,44\r\n"
    "2023-11-16 18:15:50.9951690,396,109"
)
AZURE_2024 = (
    "TIMESTAMP,ContextTokens,GeneratedTokens\n"
    "2024-05-10 00:00:00.009930+00:00,2162,5\n"
    "2024-05-10 00:00:01+00:00,2399,6\n"
)
BURSTGPT = (
    "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
    "5,ChatGPT,472,18,490,Conversation log\n"
    "45,ChatGPT,1087,0,1087,Conversation log\n"
    "118,GPT-4,417,276,693,Conversation log\n"
)
BURSTGPT_3 = (
    "Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
    "19440110.0,1722ac82,43,GPT-4,906,446,1352,Conversation log\n"
    "19440161.5,d5983bf9,2,ChatGPT,36,29,65,Conversation log\n"
)
MOONCAKE = (
    '{"timestamp": 27482, "input_length": 1025, "output_length": 52, "hash_ids": [46, 47, 48]}\n'
    '{"timestamp": 30535, "input_length": 600, "output_length": 26, "hash_ids": [46, 49]}\n'
)
ENGINE = (
    '{"request_id": "b0", "input_toks": 9, "output_toks": 3, "arrival_time": 1787267980.08, '
    '"queued_ts": 27536.5, "scheduled_ts": 27536.6, "first_token_ts": 27537.0, '
    '"last_token_ts": 27538.0}\n'
    '{"request_id": "b1", "input_toks": 7, "output_toks": 1, "arrival_time": 1787267980.34, '
    '"queued_ts": 27537.75, "scheduled_ts": 27538.0, "first_token_ts": 27538.5, '
    '"last_token_ts": 27538.5}\n'
)
BENCH = json.dumps(
    {
        "date": "20260101-000000",
        "backend": "vllm",
        "model_id": "m",
        "num_prompts": 3,
        "request_throughput": 1.5,
        "input_lens": [10, 20, 30],
        "output_lens": [3, 0, 1],
        "ttfts": [0.5, 0.0, 0.25],
        "itls": [[0.1, 0.2], [], []],
        "start_times": [100.0, 100.5, 102.0],
        "generated_texts": ["a", "", "b"],
        "errors": ["", "refused", ""],
    }
)
OPENAI = (
    '{"id": "a", "object": "chat.completion", "created": 1700000000, "user": "u1", "choices": [], '
    '"usage": {"prompt_tokens": 11, "completion_tokens": 22, "total_tokens": 33}}\n'
    '{"id": "b", "object": "chat.completion", "created": 1700000002, "user": "u2", "choices": [], '
    '"usage": {"prompt_tokens": 5, "completion_tokens": 6, "total_tokens": 11}}\n'
)
BATCH = (
    '{"id": "q1", "timestamp": "2026-01-01T00:00:00.5Z", "request": {"max_tokens": 64}, '
    '"response": {"status_code": 200, "body": {"id": "c1", "created": 9, '
    '"usage": {"input_tokens": 7, "output_tokens": 8}}}}\n'
    '{"id": "q2", "timestamp": "2026-01-01T00:00:01.75Z", "request": {"max_tokens": 32}, '
    '"response": {"status_code": 200, "body": {"id": "c2", "created": 9, '
    '"usage": {"input_tokens": 9, "output_tokens": 4}}}}\n'
)


@pytest.mark.parametrize(
    ("text", "name", "form", "arrival", "prompt", "output"),
    [
        (AZURE_2023, "a.csv", "azure-llm", (0, 4314579), (374, 396), (44, 109)),
        (AZURE_2024, "a.csv", "azure-llm", (0, 990070), (2162, 2399), (5, 6)),
        (BURSTGPT, "b.csv", "burstgpt", (0, 113_000_000), (472, 417), (18, 276)),
        (BURSTGPT_3, "b.csv", "burstgpt", (0, 51_500_000), (906, 36), (446, 29)),
        (MOONCAKE, "m.jsonl", "mooncake", (0, 3_053_000), (1025, 600), (52, 26)),
        (ENGINE, "v.jsonl", "vllm-log", (0, 1_250_000), (9, 7), (3, 1)),
        (BENCH, "r.json", "vllm-bench", (0, 2_000_000), (10, 30), (3, 1)),
        (OPENAI, "o.jsonl", "openai-log", (0, 2_000_000), (11, 5), (22, 6)),
        (BATCH, "o.jsonl", "openai-log", (0, 1_250_000), (7, 9), (8, 4)),
    ],
)
def test_published_formats(text, name, form, arrival, prompt, output):
    assert kind(text, name) == form
    found = trace(text, name)
    assert (found.arrival, found.prompt, found.output) == (arrival, prompt, output)


def test_a_log_becomes_a_cluster_of_its_name():
    found = read(AZURE_2023, "logs/azure.csv")
    assert found == Cluster(name="azure", workload=found.workload)
    assert found.time_unit == "us"


def test_what_else_a_log_says():
    assert trace(MOONCAKE, "m.jsonl").prefix == ((46, 47, 48), (46, 49))
    assert trace(MOONCAKE, "m.jsonl").prefix_block == 512
    assert trace(ENGINE, "v.jsonl").names == ("b0", "b1")
    assert trace(OPENAI, "o.jsonl").tenant == ("u1", "u2")
    assert trace(BATCH, "o.jsonl").limit == (64, 32)
    assert trace(BATCH, "o.jsonl").names == ("q1", "q2")


def test_failed_requests_are_left_out_and_counted():
    (note,) = trace(BURSTGPT).notes
    assert note == "1 row without tokens of prompt or answer left out (line 3)"
    (note,) = trace(BENCH, "r.json").notes
    assert note.startswith("1 row without tokens")
    with pytest.raises(InputError, match="no row has tokens of both"):
        read("arrival,prompt,output\n0,1,0\n1,0,1\n", "x.csv")


def test_rows_out_of_order_are_sorted_and_counted_and_ties_keep_their_order():
    text = "arrival,prompt,output,name\n2,1,1,a\n1,2,2,b\n2,3,3,c\n0.5,4,4,d\n1,5,5,e\n"
    found = trace(text)
    assert found.names == ("d", "b", "e", "a", "c")
    assert found.arrival == (500_000, 10**6, 10**6, 2 * 10**6, 2 * 10**6)
    many = "\n".join(f"{9 - i // 20},1,1,n{i:03}" for i in range(200))
    for second in range(10):
        names = trace(f"arrival,prompt,output,name\n{many}\n").names[20 * second : 20 * second + 20]
        assert list(names) == sorted(names)
    assert found.notes == ("2 rows earlier than the row above: sorted by time (lines 3, 5)",)


def test_names_that_are_no_names_are_not_read():
    assert trace("arrival,prompt,output,id\n0,1,1,a\n1,1,1,a\n").names == ()


def test_a_byte_order_mark_before_json():
    assert trace("\ufeff" + MOONCAKE, "m.jsonl") == trace(MOONCAKE, "m.jsonl")


@pytest.mark.parametrize(
    ("header", "cells", "ticks"),
    [
        ("arrival", ("0", "1.5"), (0, 1_500_000)),
        ("arrival_ms", ("4", "5.25"), (4000, 5250)),
        ("Arrival [us]", ("7", "8"), (7, 8)),
        ("arrival (ns)", ("7000", "8400"), (7, 8)),
        ("arrival_min", ("0", "2"), None),
        ("time [min]", ("0", "2"), (0, 120_000_000)),
        ("timestamp", ("1700000000", "1700000000.25"), (0, 250_000)),
        ("timestamp_ms", ("1700000000000", "1700000000250"), (0, 250_000)),
        ("created_at", ("2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z"), (0, 60_000_000)),
        ("date", ("2026-01-01 01:00:00+01:00", "2026-01-01 00:00:01+00:00"), (0, 10**6)),
        ("arrival", ("1099511", "1099511.5"), (0, 500_000)),
    ],
)
def test_times_in_the_unit_of_their_header(header, cells, ticks):
    text = f"{header},prompt,output\n{cells[0]},1,1\n{cells[1]},1,1\n"
    if ticks is None:  # "arrival_min" might be a minimum
        with pytest.raises(InputError, match="no column says when"):
            read(text, "x.csv")
    else:
        assert trace(text).arrival == ticks


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_dialects(separator, bom, end):
    rows = [
        ("Prompt tokens", "arrival", "note", "OUTPUT"),
        ("3", " 0 ", "a b", "4.0"),
        ("", "", "", ""),
    ]
    rows.append(("5", "1e-3", "", "6"))
    text = bom + end.join(separator.join(row) for row in rows) + end
    found = trace(text)
    assert (found.arrival, found.prompt, found.output) == ((0, 1000), (3, 5), (4, 6))


def test_lengths_without_times_are_drawn_in_pairs():
    text = "num_prefill_tokens,num_decode_tokens,pd_ratio\n10,1,10\n20,2,10\n7,0,0\n"
    assert kind(text) == "request-lengths"
    workload = read(text, "l.csv").workload
    assert isinstance(workload, Random)
    assert workload.count == 2
    assert (workload.lengths.prompt, workload.lengths.output) == ((10, 20), (1, 2))


def test_a_time_of_unknown_name_is_not_taken_for_lengths_alone():
    with pytest.raises(InputError, match=r"when requests arrive.*there is ts, prompt, output"):
        read("ts,prompt,output\n0,1,1\n", "x.csv")


@pytest.mark.parametrize(
    "text",
    [
        "job,machine,duration\na,b,3\n",
        "id,lower,upper,size\n0,1,2,3\n",
        "name,cpu,gpu\na,1,2\n",
        "6 6\n1 2 3\n",
        '{"problem": "shop/job-shop"}',
        "{",
        "",
        '{"tasks": []}\n',
        "[1, 2]\n",
    ],
)
def test_other_files_are_left_alone(text):
    assert kind(text) == ""
    assert kind(text, "x.jsonl") == ""


@pytest.mark.parametrize(
    ("file", "rows", "prompt", "output"),
    [
        ("azure_2023_conv.csv", 19366, (1155, 1020, 2734, 14050), (211, 129)),
        ("azure_2023_code.csv", 8819, (2048, 1469, 5187, 7437), (28, 13)),
        ("mooncake_conversation.jsonl", 12031, (12035, 6909, 27367, 126195), (343, 350)),
        ("mooncake_synthetic.jsonl", 3993, (15325, 11587, 38611, 191378), (149, 69)),
    ],
)
def test_public_logs(file, rows, prompt, output):
    text = shared("serving", file).read_text()
    found = trace(text, file)
    lengths, answers = np.array(found.prompt), np.array(found.output)
    assert len(lengths) == rows == text.strip().count("\n") + (not file.endswith(".csv"))
    of_prompts = (lengths.mean(), *np.percentile(lengths, [50, 90]), lengths.max())
    assert of_prompts == pytest.approx(prompt, abs=0.6)
    assert (answers.mean(), np.median(answers)) == pytest.approx(output, abs=0.6)
    assert found.notes == ()


def test_a_public_log_against_its_own_text():
    """Every number of the file, read another way."""
    text = shared("serving", "azure_2023_code.csv").read_text()
    found = trace(text, "azure.csv")
    rows = [line.split(",") for line in text.strip().split("\n")[1:]]
    assert found.prompt == tuple(int(row[1]) for row in rows)
    assert found.output == tuple(int(row[2]) for row in rows)

    def tenths(stamp: str) -> int:
        """Tenths of a microsecond since midnight."""
        hours, minutes, rest = stamp.partition(" ")[2].split(":")
        whole, _, part = rest.partition(".")
        return ((int(hours) * 60 + int(minutes)) * 60 + int(whole)) * 10**7 + int(
            part.ljust(7, "0")
        )

    start = tenths(rows[0][0])
    exact = [tenths(row[0]) - start for row in rows]
    assert all(abs(10 * t - x) <= 6 for t, x in zip(found.arrival, exact, strict=True))


def test_public_lengths():
    for file, count, percentiles in (
        ("sharegpt_8k_lengths.csv", 30731, (1730, 5696)),
        ("arxiv_summarization_4k_lengths.csv", 28257, (2730, 3702)),
    ):
        workload = read(shared("serving", file).read_text(), file).workload
        assert isinstance(workload, Random)
        assert workload.count == count
        assert np.percentile(workload.lengths.prompt, [50, 90]).tolist() == list(percentiles)
