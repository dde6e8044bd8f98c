import pytest

from hocket.core.errors import UnknownName
from hocket.serving import catalogue

PUBLISHED = {
    # parameters in the safetensors index of each repository
    "llama-2-7b": 6_738_415_616,
    "llama-2-13b": 13_015_864_320,
    "llama-2-70b": 68_976_648_192,
    "llama-30b": 32_528_943_616,
    "codellama-34b": 33_743_970_304,
    "llama-3-8b": 8_030_261_248,
    "llama-3-70b": 70_553_706_496,
    "llama-3.1-405b": 405_853_388_800,
    "llama-3.2-1b": 1_235_814_400,
    "llama-3.2-3b": 3_212_749_824,
    "qwen2.5-0.5b": 494_032_768,
    "qwen2.5-1.5b": 1_543_714_304,
    "qwen2.5-7b": 7_615_616_512,
    "qwen2.5-14b": 14_770_033_664,
    "qwen2.5-32b": 32_763_876_352,
    "qwen2.5-72b": 72_706_203_648,
    "qwen3-0.6b": 596_049_920,
    "qwen3-8b": 8_190_735_360,
    "qwen3-32b": 32_762_123_264,
    "qwen3-30b-a3b": 30_532_122_624,
    "qwen3-235b-a22b": 235_093_634_560,
    "mistral-7b-v0.1": 7_241_732_096,
    "mistral-7b-v0.3": 7_248_023_552,
    "mistral-nemo-12b": 12_247_782_400,
    "mistral-small-24b": 23_572_403_200,
    "mixtral-8x7b": 46_702_792_704,
    "opt-125m": 125_239_296,
    "opt-1.3b": 1_315_758_080,
    "opt-6.7b": 6_658_473_984,
    "opt-13b": 12_853_473_280,
    "yi-34b": 34_388_917_248,
    "falcon-180b": 179_522_565_120,
}


@pytest.mark.parametrize(("name", "parameters"), PUBLISHED.items())
def test_shapes_give_the_published_number_of_parameters(name: str, parameters: int) -> None:
    assert catalogue.model(name).parameters == parameters


@pytest.mark.parametrize(("name", "billions"), [("opt-66b", 65.7), ("opt-175b", 174.6)])
def test_opt_without_an_index_has_the_size_of_its_paper(name: str, billions: float) -> None:
    assert catalogue.model(name).parameters / 1e9 == pytest.approx(billions, abs=0.05)


def test_keys_and_values_of_a_token() -> None:
    # 2 x layers x kv heads x head dim x 2 bytes
    assert catalogue.model("llama-3.1-8b").kv_bytes == 131_072
    assert catalogue.model("llama-2-7b").kv_bytes == 524_288
    # DistServe, OSDI 2024, section 3.3: about 1.13 GB for 512 tokens of OPT-66B
    assert 512 * catalogue.model("opt-66b").kv_bytes / 2**30 == pytest.approx(1.13, abs=0.01)


def test_every_entry_has_a_source_and_sound_values() -> None:
    for gpu in catalogue.gpus().values():
        assert gpu.source and gpu.memory > 20 and gpu.bandwidth > 500 and gpu.tflops > 100
    for model in catalogue.models().values():
        assert model.source
        assert model.heads % model.kv_heads == 0
        assert model.bias in ("none", "qkv", "all")
        assert (model.experts > 0) == (model.active > 0)


@pytest.mark.parametrize("name", ["RTX 4090", "rtx4090", "rtx_4090"])
def test_names_of_gpus_may_be_written_loosely(name: str) -> None:
    assert catalogue.gpu(name).name == "RTX 4090"


def test_a_model_goes_by_its_repository_too() -> None:
    assert catalogue.model("meta-llama/Llama-3.1-8B") is catalogue.model("llama-3.1-8b")


@pytest.mark.parametrize(
    ("lookup", "name", "near"),
    [
        (catalogue.gpu, "a100", "A100-80GB"),
        (catalogue.gpu, "H1000", "H100"),
        (catalogue.model, "llama-3.1-7b", "llama-3.1-8b"),
        (catalogue.model, "Qwen/Qwen3-9B", "qwen3-8b"),
    ],
)
def test_unknown_names_come_with_near_ones(lookup: object, name: str, near: str) -> None:
    with pytest.raises(UnknownName, match="did you mean") as error:
        lookup(name)  # type: ignore[operator]
    assert repr(near) in str(error.value)
