# ruff: noqa: E402
"""NumPy against PyTorch, block by block."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hocket.learn import inference

torch = pytest.importorskip("torch")
from torch import nn

from hocket.learn.networks import graph, segments
from hocket.learn.networks.attention import SelfAttention
from hocket.learn.networks.mlp import MLP
from hocket.learn.networks.transformer import EncoderLayer

WIDTH = 8
SIZES = st.lists(st.integers(0, 6), min_size=1, max_size=5)


def close(ours, theirs):
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, theirs.detach().numpy(), atol=1e-5, rtol=1e-5)


def rows_of(count, seed=0):
    return np.random.default_rng(seed).normal(size=(count, WIDTH)).astype(np.float32)


def ragged(sizes, seed=0):
    """Rows, where the questions begin, and the question of each row."""
    starts = np.concatenate(([0], np.cumsum(sizes))).astype(np.int64)
    return rows_of(sum(sizes), seed), starts, torch.from_numpy(np.repeat(range(len(sizes)), sizes))


def weights_of(module):
    return {name: value.numpy() for name, value in module.state_dict().items()}


def made(kind, *args, **kwargs):
    torch.manual_seed(0)
    module = kind(*args, **kwargs)
    for value in module.parameters():
        nn.init.normal_(value, std=0.5)
    return module


@pytest.mark.parametrize("bias", [True, False])
def test_linear(bias):
    layer, rows = made(nn.Linear, WIDTH, 3, bias=bias), rows_of(5)
    close(inference.linear(weights_of(layer), rows), layer(torch.from_numpy(rows)))


@pytest.mark.parametrize("activation", inference.ACTIVATIONS)
def test_mlp(activation):
    net, rows = made(MLP, (WIDTH, 16, 7, 2), activation), rows_of(5)
    close(inference.mlp(weights_of(net), rows, activation), net(torch.from_numpy(rows)))
    single = made(MLP, (WIDTH, 2), activation)
    close(inference.mlp(weights_of(single), rows, activation), single(torch.from_numpy(rows)))


def test_layer_norm():
    norm, rows = made(nn.LayerNorm, WIDTH), rows_of(5)
    rows[2] = 3.0  # without any spread
    close(inference.layer_norm(weights_of(norm), rows), norm(torch.from_numpy(rows)))


@settings(max_examples=40, deadline=None)
@given(SIZES)
def test_segments(sizes):
    rows, starts, lanes = ragged(sizes)
    for ours, theirs in (
        (inference.segment_sum, segments.segment_sum),
        (inference.segment_mean, segments.segment_mean),
        (inference.segment_max, segments.segment_max),
    ):
        for values in (rows, rows[:, 0]):
            close(ours(values, starts), theirs(torch.from_numpy(values), lanes, len(sizes)))


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 5), st.integers(1, 4), st.integers(0, 12), st.integers(0, 10**6))
def test_gather(sources, targets, edges, seed):
    rng = np.random.default_rng(seed)
    ends = np.stack([rng.integers(0, sources, edges), rng.integers(0, targets, edges)])
    rows = rows_of(sources)
    close(
        inference.gather(rows, ends, targets),
        graph.gather(torch.from_numpy(rows), torch.from_numpy(ends), targets),
    )


@settings(max_examples=40, deadline=None)
@given(SIZES, st.sampled_from([1, 2, 4]))
def test_attention_and_the_encoder_layer(sizes, heads):
    rows, starts, lanes = ragged(sizes)
    given_rows = torch.from_numpy(rows)
    attention = made(SelfAttention, WIDTH, heads)
    close(
        inference.self_attention(weights_of(attention), rows, starts, heads),
        attention(given_rows, lanes, len(sizes)),
    )
    layer = made(EncoderLayer, WIDTH, heads, 16, "tanh")
    close(
        inference.encoder_layer(weights_of(layer), rows, starts, heads, "tanh"),
        layer(given_rows, lanes, len(sizes)),
    )


def test_part_picks_the_weights_of_one_module():
    weights = {"a.x": rows_of(1), "a.b.x": rows_of(2), "ab.x": rows_of(3)}
    assert inference.part(weights, "a").keys() == {"x", "b.x"}
    assert inference.part(weights, "a.b").keys() == {"x"}


def test_it_needs_no_pytorch():
    import subprocess
    import sys

    code = "import sys, hocket.learn.inference; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
