"""Logs with the times of tokens."""

from __future__ import annotations

import json

import numpy as np
import pytest

from hocket.core.errors import InputError
from hocket.serving.formats.measured import Measured, read_measured
from tests.data import shared
from tests.serving.formats.test_logs import BENCH, ENGINE


def measured(tmp_path, text: str) -> Measured:
    path = tmp_path / "log"
    path.write_text(text)
    return read_measured(path)


@pytest.mark.parametrize(
    ("file", "ttft", "tpot", "e2e"),
    [
        ("rtx4090_llama31_8b_vllm019_requests.jsonl", 65456.6, 32.4, 86578),
        ("rtxpro6000_llama31_8b_vllm019_requests.jsonl", 7097, 32.5, None),
    ],
)
def test_means_that_were_published_with_the_measurements(file, ttft, tpot, e2e):
    """In ms, as the authors of the measurements state them."""
    found = read_measured(shared("serving", "measured", file))
    assert len(found) == 300
    assert 1000 * found.ttft.mean() == pytest.approx(ttft, abs=0.5)
    assert 1000 * np.nanmean(found.tpot) == pytest.approx(tpot, abs=0.05)
    if e2e:
        assert 1000 * found.e2e.mean() == pytest.approx(e2e, abs=0.5)
    assert np.all(found.scheduled >= found.queued)
    assert np.all(found.first_token >= found.scheduled)
    assert found.arrival[0] == 0
    assert found.notes == ()


def test_an_engine_that_has_a_clock_of_its_own(tmp_path):
    found = measured(tmp_path, ENGINE)
    assert found.arrival.tolist() == [0.0, 1.25]
    assert found.ttft.tolist() == [0.5, 0.75]
    assert found.tpot[0] == 0.5
    assert np.isnan(found.tpot[1])
    assert found.scheduled == pytest.approx([0.1, 1.5])
    assert found.names == ("b0", "b1")


def test_one_clock_keeps_the_arrival_at_the_front_end(tmp_path):
    rows = [
        json.loads(line) | {"arrival_time": 27536.25 + i}
        for i, line in enumerate(ENGINE.splitlines())
    ]
    found = measured(tmp_path, "\n".join(map(json.dumps, rows)))
    assert found.arrival.tolist() == [0.0, 1.0]
    assert found.queued.tolist() == [0.25, 1.5]


def test_results_of_vllm_bench(tmp_path):
    found = measured(tmp_path, BENCH)
    assert found.prompt.tolist() == [10, 30]
    assert found.ttft.tolist() == [0.5, 0.25]
    assert found.e2e == pytest.approx([0.8, 0.25])
    assert found.notes == ("1 row without tokens of prompt or answer left out (line 2)",)


def test_spans_in_any_unit_and_rows_in_any_order(tmp_path):
    text = "arrival_ms,prompt,output,ttft_ms,e2e_ms\n2000,5,3,50,150\n1000,6,1,20,20\n"
    found = measured(tmp_path, text)
    assert found.arrival.tolist() == [0.0, 1.0]
    assert found.prompt.tolist() == [6, 5]
    assert found.ttft == pytest.approx([0.02, 0.05])
    assert found.e2e == pytest.approx([0.02, 0.15])
    assert (found.queued, found.scheduled) == (None, None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("arrival,prompt,output\n0,1,1\n", "when the first token came (first_token_ts"),
        ("arrival,prompt,output,ttft\n0,1,1,1\n", "when the last token came"),
        ("arrival,prompt,output,ttft,e2e\n0,1,1,2,1\n", "line 2: the last token came before the"),
        ("arrival,prompt,output,ttft,e2e\n0,1,1,-2,1\n", "line 2: the first token came before"),
        ("arrival,prompt,output,ttft,e2e\n0,1,1,x,1\n", "line 2: ttft: 'x' is not a time"),
        ("arrival,prompt,output,ttft,e2e\n0,1,0,1,1\n", "no row has tokens"),
        ("arrival,prompt,output,first_token,last_token\n2e9,1,1,5,6\n", "two clocks"),
        (BENCH.replace("ttfts", "ttft_s"), "ttfts and itls are needed"),
        (BENCH.replace("[0.1, 0.2]", '["x"]'), "line 1: ttfts + itls: missing"),
    ],
)
def test_what_is_wrong_is_told(tmp_path, text, said):
    with pytest.raises(InputError) as caught:
        measured(tmp_path, text)
    assert said in str(caught.value)


def test_all_missing_columns_are_told_at_once(tmp_path):
    with pytest.raises(InputError) as caught:
        measured(tmp_path, "a,b\n1,2\n")
    assert len(caught.value.problems) == 5
