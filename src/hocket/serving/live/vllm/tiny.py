"""A model so small that a CPU serves it at once, with nothing to download: for trials and tests.

A folder with the configuration of a small Llama, a byte-level tokenizer and a chat template. There
are no weights: vLLM makes some up (``load_format="dummy"``), so answers are gibberish, but every
step of the engine is real. With a tokenizer, a prompt has as many tokens as bytes of UTF-8.

A server that speaks the OpenAI API, ready in about 20 s on two cores:

    python -m hocket.serving.live.vllm.tiny /tmp/tiny
    VLLM_CPU_KVCACHE_SPACE=1 HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 \\
        python -m vllm.entrypoints.openai.api_server --model /tmp/tiny --served-model-name tiny \\
        --load-format dummy --enforce-eager --dtype float32 --block-size 32 \\
        --max-model-len 1024 --num-gpu-blocks-override 257 --max-num-seqs 16 \\
        --max-num-batched-tokens 1024 --host 127.0.0.1 --port 8001

The same is ``vllm serve /tmp/tiny`` with a GPU's vLLM; the command of the package vllm-cpu does not
start. `/health` answers once it is ready.

``--no-async-scheduling`` composes iterations one after the other, as the simulator does. The CPU
attention wants `block_size` to be a multiple of 32; one block of the override is vLLM's own, a
placeholder. Ask with ``"ignore_eos": true`` for answers of exactly ``max_tokens``.

In a process: ``LLM(folder, **offline())``.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from hocket.core.errors import UserError
from hocket.core.extras import need

SPECIAL = ("<pad>", "<s>", "</s>")
"""Tokens 0, 1 and 2: filling, start, end."""

CHAT = (
    "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant:{% endif %}"
)

ENVIRONMENT = {
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_NO_USAGE_STATS": "1",
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",
}
"""What to set before vllm is imported, for an engine within a process and without the network."""


def prepare() -> None:
    """Set `ENVIRONMENT`, leaving alone what is set. Called before vllm is imported."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)


def tiny_model(
    folder: Path | str,
    *,
    hidden: int = 128,
    layers: int = 2,
    heads: int = 4,
    kv_heads: int = 2,
    vocab: int = 512,
    max_context: int = 4096,
    tokenizer: bool = True,
) -> Path:
    """Write a small Llama into `folder`, which is made if need be, and return that folder.

    `hidden` is the width, a multiple of ``32 * heads``; `vocab` at least 259 with a tokenizer.
    Raises UserError for what makes no model, MissingExtra where a tokenizer is asked for and the
    library `tokenizers` (which vLLM brings) is absent.
    """
    least = min(hidden, layers, heads, kv_heads)
    if least < 1 or hidden % (32 * heads) or heads % kv_heads:
        raise UserError(
            f"a model of width {hidden} with {heads} heads, {kv_heads} for keys and values, and "
            f"{layers} layers cannot be made; the width must be a multiple of 32 times the heads"
        )
    bytes_too = len(SPECIAL) + 256
    if tokenizer and vocab < bytes_too:
        raise UserError(f"a byte-level tokenizer needs a vocabulary of {bytes_too}, not {vocab}")
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    _write(
        target / "config.json", _configuration(hidden, layers, heads, kv_heads, vocab, max_context)
    )
    _write(target / "generation_config.json", {"bos_token_id": 1, "eos_token_id": 2})
    if tokenizer:
        _tokenizer(vocab).save(str(target / "tokenizer.json"))
        _write(target / "tokenizer_config.json", _tokenizer_configuration(max_context))
    return target


def offline(**overrides: Any) -> dict[str, Any]:
    """Arguments for vLLM's engine, without a tokenizer; `overrides` change or add to them.

    Set `ENVIRONMENT` before vllm is imported.
    """
    return {
        "load_format": "dummy",
        "skip_tokenizer_init": True,
        "enforce_eager": True,
        "dtype": "float32",
        "block_size": 32,
        "max_model_len": 1024,
        "disable_log_stats": True,
    } | overrides


def _configuration(
    hidden: int, layers: int, heads: int, kv_heads: int, vocab: int, max_context: int
) -> dict[str, Any]:
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_act": "silu",
        "hidden_size": hidden,
        "intermediate_size": 2 * hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "head_dim": hidden // heads,
        "vocab_size": vocab,
        "max_position_embeddings": max_context,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "tie_word_embeddings": False,
        "dtype": "float32",
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 0,
    }


def _tokenizer(vocab: int) -> Any:
    """One token per byte; ids that are left over stand for made-up words, only ever sampled."""
    tokenizers = need("tokenizers", "llm")
    letters = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    words = [*SPECIAL, *letters]
    words += [f"{chr(0x120)}w{number}" for number in range(vocab - len(words))]
    model = tokenizers.models.BPE(vocab={word: i for i, word in enumerate(words)}, merges=[])
    made = tokenizers.Tokenizer(model)
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = tokenizers.decoders.ByteLevel()
    made.add_special_tokens(list(SPECIAL))
    return made


def _tokenizer_configuration(max_context: int) -> dict[str, Any]:
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": max_context,
        "pad_token": SPECIAL[0],
        "bos_token": SPECIAL[1],
        "eos_token": SPECIAL[2],
        "clean_up_tokenization_spaces": False,
        "chat_template": CHAT,
    }


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1), encoding="utf-8")


if __name__ == "__main__":
    import sys

    print(tiny_model(sys.argv[1] if len(sys.argv) > 1 else "tiny"))
