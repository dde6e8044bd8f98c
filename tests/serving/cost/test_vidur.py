from pathlib import Path

import pytest

from hocket.core.errors import InputError
from hocket.serving.cost.profile import load_profile
from hocket.serving.cost.vidur import ATTENTION, LAYER
from hocket.serving.model.cluster import Pool

DENSE = ("emb", *LAYER)
SHAPE = {"n_embd": 4096, "n_head": 32, "n_kv_head": 32, "n_expanded_embd": 11008}
ATTEND = ("attn_prefill", "attn_decode", *ATTENTION)


def table(names: tuple[str, ...], rows: list[dict[str, object]]) -> str:
    """CSV in Vidur's format: a column of medians per operator, in milliseconds."""
    header = [*(f"time_stats.{name}.median" for name in names)]
    others = [key for key in rows[0] if key not in names]
    lines = [",".join([*header, *others])]
    lines += [",".join(str(row[key]) for key in [*names, *others]) for row in rows]
    return "\n".join(lines) + "\n"


def written(place: Path, tps: tuple[int, ...] = (1,)) -> Path:
    """A profile: dense operators take 0.01 ms and a token 0.001, attention by simple rules."""
    dense = [
        dict.fromkeys(DENSE, 0.01 * tp + 0.001 * tokens)
        | SHAPE
        | {"num_tokens": tokens, "num_tensor_parallel_workers": tp}
        for tp in tps
        for tokens in (1, 64, 4096)
    ]
    idle: dict[str, object] = dict.fromkeys(ATTEND, 0.0)
    rows = []
    for tp in tps:
        at = {"num_tensor_parallel_workers": tp, "n_embd": 4096}
        for n in (1, 8, 64):
            for kv in (64, 1024):
                time = {"attn_decode": n * kv * 1e-5, "attn_kv_cache_save": 0.002}
                here = {"batch_size": n, "prefill_chunk_size": 0, "kv_cache_size": kv}
                rows.append(idle | time | here | at)
        for chunk, kvs in ((64, (0, 64, 128)), (512, (0, 512)), (2048, (0,))):
            for kv in kvs:
                time = {"attn_prefill": chunk * (kv + chunk / 2) * 1e-6}
                here = {"batch_size": 1, "prefill_chunk_size": chunk, "kv_cache_size": kv}
                rows.append(idle | time | here | at)
    (place / "mlp.csv").write_text(table(DENSE, dense))
    (place / "attention.csv").write_text(table(ATTEND, rows))
    return place


def test_operators_are_put_together(tmp_path: Path) -> None:
    found = load_profile(written(tmp_path))
    pool = Pool(model="llama-2-7b")
    assert not list(found.problems("cost", pool))
    layer = 9 * (0.01 + 0.064)
    head = (0.01 + 0.064) * 32000 / (2 * 11008)  # as fast as the up-projection
    attention = 64 * 1024 * 1e-5 + 0.002
    expected = 32 * (layer + attention) + 0.01 + 0.064 + head
    assert found.model(pool).decode(64, 64 * 1024) * 1e3 == pytest.approx(expected, rel=1e-4)


def test_chunks_after_tokens_that_were_not_measured(tmp_path: Path) -> None:
    found = load_profile(written(tmp_path))
    assert found.befores == (0, 64, 128, 512)
    at = {chunk: found.prompt[i * 4 : i * 4 + 4] for i, chunk in enumerate(found.chunks)}
    assert at[512] == pytest.approx(tuple(512 * (b + 256) * 1e-3 for b in found.befores))
    assert at[64] == pytest.approx(tuple(64 * (b + 32) * 1e-3 for b in found.befores), abs=2e-3)
    # alone it was measured, and grows as the chunk of 512 does, four times as fast
    assert at[2048] == pytest.approx(tuple(2048 * (b + 1024) * 1e-3 for b in found.befores))


def test_degrees_are_kept_apart(tmp_path: Path) -> None:
    place = written(tmp_path, tps=(1, 2))
    one, two = (load_profile(place, tp=tp) for tp in (1, 2))
    assert two.tp == 2
    assert two.layer[0] - one.layer[0] == pytest.approx(9 * 10)
    with pytest.raises(InputError, match="no rows at tp 4; there are for 1, 2"):
        load_profile(place, tp=4)


def test_a_model_that_is_not_in_the_catalogue_must_be_named(tmp_path: Path) -> None:
    place = written(tmp_path)
    text = (place / "mlp.csv").read_text().replace(",11008,", ",11000,")
    (place / "mlp.csv").write_text(text)
    with pytest.raises(InputError, match="of no model of the catalogue"):
        load_profile(place)
    assert load_profile(place, model="llama-2-7b").model_name == "llama-2-7b"


def test_missing_columns_are_named(tmp_path: Path) -> None:
    place = written(tmp_path)
    text = (place / "mlp.csv").read_text().replace("mlp_act.median", "mlp_act.mean")
    (place / "mlp.csv").write_text(text)
    with pytest.raises(InputError, match=r"no column time_stats.mlp_act.median"):
        load_profile(place)
