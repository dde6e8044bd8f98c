"""What is read off the pages of engines, whatever is on them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hocket.serving.live.gateway.scrape import Gauges, read, samples

VLLM = (Path(__file__).parent / "pages" / "vllm-0.32.0.txt").read_text()

SGLANG = """
# HELP sglang:num_running_reqs The number of running requests.
# TYPE sglang:num_running_reqs gauge
sglang:num_running_reqs{model_name="l",pp_rank="0",priority="",tp_rank="0"} 7.0
sglang:num_running_reqs{model_name="l",pp_rank="0",priority="1",tp_rank="0"} 5.0
sglang:num_running_reqs{model_name="l",pp_rank="0",priority="",tp_rank="1"} 7.0
sglang:num_queue_reqs{model_name="l",pp_rank="0",priority="",tp_rank="0"} 2.0
sglang:token_usage{model_name="l",pp_rank="0",tp_rank="0"} 0.28
sglang:max_total_num_tokens{model_name="l",pp_rank="0",tp_rank="0"} 1000.0
sglang:page_size{model_name="l",pp_rank="0",tp_rank="0"} 16.0
sglang:prompt_tokens_total{is_streaming="true",model_name="l"} 8.128902e+06
sglang:prompt_tokens_total{is_streaming="false",model_name="l"} 98.0
sglang:cached_tokens_total{cache_source="device",model_name="l"} 40.0
"""

LLAMACPP = """
# HELP llamacpp:prompt_tokens_total Number of prompt tokens processed.
# TYPE llamacpp:prompt_tokens_total counter
llamacpp:prompt_tokens_total 512
# TYPE llamacpp:predicted_tokens_seconds gauge
llamacpp:predicted_tokens_seconds nan
llamacpp:requests_processing 4
llamacpp:requests_deferred 46
"""


def test_a_page_of_vllm() -> None:
    """The page was written by vLLM 0.32.0 after six prompts of 100 tokens, 64 blocks of 32."""
    assert read(VLLM) == Gauges(
        engine="vllm",
        running=0,
        waiting=0,
        usage=0.0,
        block_size=32,
        blocks=63,  # one holds nothing
        queried=600,
        hits=480,
        born=1.79520417076e9,
        count=600.0,
    )


def test_data_parallel_engines_of_vllm_are_added_up() -> None:
    page = "\n".join(
        f"""vllm:num_requests_running{{engine="{engine}",model_name="m"}} {engine + 1}.0
vllm:num_requests_waiting{{engine="{engine}",model_name="m"}} 2.0
vllm:kv_cache_usage_perc{{engine="{engine}",model_name="m"}} 0.{engine}
vllm:cache_config_info{{block_size="16",engine="{engine}",num_gpu_blocks="202"}} 1.0"""
        for engine in range(2)
    )
    found = read(page)
    assert found is not None
    assert (found.running, found.waiting, found.blocks) == (3, 4, 200)
    assert found.usage == pytest.approx(0.05)


def test_sglang_ranks_and_priorities_are_not_added_up() -> None:
    assert read(SGLANG) == Gauges(
        engine="sglang",
        running=7,
        waiting=2,
        usage=0.28,
        block_size=16,
        blocks=62,
        queried=8_129_000,
        hits=40,
        count=8_129_000.0,
    )


def test_older_sglang_and_llama_cpp_tell_no_memory() -> None:
    found = read('sglang:num_running_reqs{model_name="m"} 1.0\nsglang:token_usage 0.5\n')
    assert found == Gauges(engine="sglang", running=1, waiting=0, usage=0.5)
    assert read(LLAMACPP) == Gauges(engine="llama.cpp", running=4, waiting=46, count=512.0)


@pytest.mark.parametrize(
    "page", ["", "\n\n", "<html>no metrics</html>", "vllm:num_requests_running", "up 1\n", "\x00"]
)
def test_pages_of_nobody(page: str) -> None:
    assert read(page) is None


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-Inf", "many", "0x1", "1e999"])
def test_what_is_no_number_is_passed_over(value: str) -> None:
    assert read(f"vllm:num_requests_running {value}\n") is None


def test_senseless_numbers_are_bounded() -> None:
    page = """vllm:num_requests_running -5
vllm:kv_cache_usage_perc 17.5
vllm:cache_config_info{num_gpu_blocks="None",block_size="9999999999999999999"} 1
"""
    assert read(page) == Gauges(engine="vllm", running=0, waiting=0, usage=1.0)


def test_labels_may_hold_anything() -> None:
    text = (
        'vllm:num_requests_running{model_name="a\\"b}\\\\,c=\\n{",engine="0"} 3 1395066363000\r\n'
    )
    (found,) = samples(text)["vllm:num_requests_running"]
    assert found.labels == {"model_name": 'a"b}\\,c=\n{', "engine": "0"}
    assert found.value == 3
    assert samples("  \tllamacpp:requests_processing { } 1") == {}  # a space before labels: no
    assert samples("  \tllamacpp:requests_processing\t1")["llamacpp:requests_processing"]


def test_names_are_met_whole() -> None:
    page = "vllm:num_requests_running_total 4\nxvllm:num_requests_running 5\n"
    assert read(page) is None


@given(st.text(alphabet='vllm:num_requests_running{}="\\\n \t1.e+', max_size=200))
def test_any_page_is_read(text: str) -> None:
    found = read(text)
    assert found is None or found.running >= 0


def test_a_hostile_page_costs_no_more_than_its_length() -> None:
    """Quotation marks and braces that never close would make a careless pattern try for ever."""
    for piece in ('vllm:num_requests_running{a="', "vllm:num_requests_running{", '{"' * 40):
        assert read(f"{piece}{'x=,' * 50}\n" * 2000) is None


def test_a_restart_shows() -> None:
    before = Gauges(engine="vllm", running=1, waiting=0, born=5.0, count=100.0)

    def now(**told: float | str | None) -> Gauges:
        fields = {"engine": "vllm", "born": 5.0, "count": 100.0} | told
        return Gauges(running=0, waiting=0, **fields)  # type: ignore[arg-type]

    assert not now().restarted(before)
    assert not now(count=101.0).restarted(before)
    assert not now(born=None).restarted(before)
    assert now(born=6.0).restarted(before)
    assert now(count=99.0).restarted(before)
    assert now(engine="sglang").restarted(before)
