# ruff: noqa: E402
"""Blocks against dense code per question, and what must hold of each: no question sees another."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
from torch import nn

from hocket.learn.networks.attention import SelfAttention, padding
from hocket.learn.networks.graph import (
    BetweenTables,
    ChildrenToParents,
    GraphAttention,
    GraphConvolution,
    gather,
    reverse,
    with_loops,
)
from hocket.learn.networks.mlp import MLP
from hocket.learn.networks.pointer import AdditivePointer, DotPointer, mean_of_others
from hocket.learn.networks.transformer import Encoder, EncoderLayer

WIDTH = 8
SIZES = st.lists(st.integers(0, 6), min_size=1, max_size=5)


def lanes_of(sizes):
    return torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))


def rows_of(count, seed=0):
    return torch.randn(count, WIDTH, generator=torch.Generator().manual_seed(seed))


def edges_of(sizes, seed=0):
    """Random edges from lower to higher rows of the same question: shape (2, edges)."""
    rng = np.random.default_rng(seed)
    begin, found = 0, []
    for size in sizes:
        found += [
            (begin + a, begin + b)
            for a in range(size)
            for b in range(a + 1, size)
            if rng.random() < 0.5
        ]
        begin += size
    return torch.tensor(found, dtype=torch.long).reshape(-1, 2).T


def made(kind, *args, **kwargs):
    torch.manual_seed(0)
    return kind(*args, **kwargs)


BLOCKS = {
    "attention": made(SelfAttention, WIDTH, 2),
    "encoder": made(Encoder, 2, WIDTH, 2, 16),
    "convolution": made(GraphConvolution, WIDTH, WIDTH, "mean", both=True),
    "children": made(ChildrenToParents, WIDTH, (16,), 3, "leaky-relu"),
    "graph attention": made(GraphAttention, WIDTH, WIDTH, 2),
    "additive": made(AdditivePointer, WIDTH, WIDTH, 16),
    "dot": made(DotPointer, WIDTH, WIDTH, 16, clip=10.0),
    "others": mean_of_others,
}


def apply(name, rows, sizes, ends):
    """A block on a ragged batch, whatever its arguments are called."""
    block, lanes, size = BLOCKS[name], lanes_of(sizes), len(sizes)
    if name in ("convolution", "children", "graph attention"):
        return block(rows, ends)
    if name in ("additive", "dot"):
        context = torch.zeros(size, WIDTH).index_add(0, lanes, rows)
        return block(rows, context, lanes)
    return block(rows, lanes, size)


@pytest.mark.parametrize("name", BLOCKS)
@settings(max_examples=25, deadline=None)
@given(sizes=SIZES, seed=st.integers(0, 10**6))
def test_no_question_depends_on_the_others(name, sizes, seed):
    rows, ends = rows_of(sum(sizes), seed), edges_of(sizes, seed)
    together = apply(name, rows, sizes, ends)
    begin = 0
    for size in sizes:
        own = (ends[0] >= begin) & (ends[0] < begin + size)
        alone = apply(name, rows[begin : begin + size], [size], ends[:, own] - begin)
        torch.testing.assert_close(together[begin : begin + size], alone, atol=1e-5, rtol=1e-5)
        begin += size


@pytest.mark.parametrize("name", BLOCKS)
@settings(max_examples=25, deadline=None)
@given(size=st.integers(1, 7), seed=st.integers(0, 10**6))
def test_rows_in_another_order_come_out_in_that_order(name, size, seed):
    rows, ends = rows_of(size, seed), edges_of([size], seed)
    order = torch.randperm(size, generator=torch.Generator().manual_seed(seed))
    place = torch.empty_like(order)
    place[order] = torch.arange(size)
    straight = apply(name, rows, [size], ends)
    shuffled = apply(name, rows[order], [size], place[ends])
    torch.testing.assert_close(shuffled, straight[order], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", BLOCKS)
def test_gradients_are_those_of_finite_differences(name):
    sizes = [3, 0, 1, 2]
    ends = edges_of(sizes, seed=3)
    rows = rows_of(6).double().requires_grad_()
    block = BLOCKS[name]
    if isinstance(block, nn.Module):
        block.double()
    try:
        if name in ("additive", "dot"):
            context = torch.randn(4, WIDTH, dtype=torch.double, requires_grad=True)
            check = torch.autograd.gradcheck(
                lambda r, c: block(r, c, lanes_of(sizes)), (rows, context)
            )
        else:
            check = torch.autograd.gradcheck(lambda r: apply(name, r, sizes, ends), (rows,))
        assert check
    finally:
        if isinstance(block, nn.Module):
            block.float()


@pytest.mark.parametrize("name", ["attention", "encoder"])
def test_questions_without_rows_leave_no_nan_in_the_weights(name):
    block = BLOCKS[name]
    block.zero_grad()
    apply(name, rows_of(3), [0, 3, 0], None).sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in block.parameters())
    assert apply(name, rows_of(0), [0, 0], None).shape == (0, WIDTH)


# Each against code for one question


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_attention_is_pytorchs(heads):
    sizes = [4, 1, 6]
    ours = made(SelfAttention, WIDTH, heads)
    theirs = nn.MultiheadAttention(WIDTH, heads, batch_first=True)
    with torch.no_grad():
        nn.init.normal_(ours.inward.bias)
        theirs.in_proj_weight.copy_(ours.inward.weight)
        theirs.in_proj_bias.copy_(ours.inward.bias)
    theirs.out_proj.load_state_dict(ours.outward.state_dict())
    rows = rows_of(sum(sizes))
    found = ours(rows, lanes_of(sizes), len(sizes)).split(sizes)
    for own, mixed in zip(rows.split(sizes), found, strict=True):
        expected, _ = theirs(own[None], own[None], own[None])
        torch.testing.assert_close(mixed, expected[0], atol=1e-5, rtol=1e-5)


def test_an_encoder_layer_is_pytorchs_with_the_norm_first():
    ours = made(EncoderLayer, WIDTH, 2, 16)
    theirs = nn.TransformerEncoderLayer(
        WIDTH, 2, 16, dropout=0.0, batch_first=True, norm_first=True
    )
    attention = theirs.self_attn
    with torch.no_grad():
        attention.in_proj_weight.copy_(ours.attention.inward.weight)
        attention.in_proj_bias.copy_(ours.attention.inward.bias)
    attention.out_proj.load_state_dict(ours.attention.outward.state_dict())
    theirs.linear1.load_state_dict(ours.mlp.layers[0].state_dict())
    theirs.linear2.load_state_dict(ours.mlp.layers[1].state_dict())
    rows = rows_of(5)
    torch.testing.assert_close(
        ours(rows, torch.zeros(5, dtype=torch.long), 1), theirs(rows[None])[0]
    )


@settings(max_examples=25, deadline=None)
@given(SIZES)
def test_padding_and_back(sizes):
    rows = rows_of(sum(sizes))
    pad = padding(lanes_of(sizes), len(sizes))
    padded = pad.pad(rows)
    assert padded.shape[:2] == pad.there.shape == (len(sizes), max(sizes))
    assert pad.there.sum(1).tolist() == sizes
    assert (padded[~pad.there] == 0).all()
    assert torch.equal(pad.unpad(padded), rows)


def test_a_convolution_is_what_it_says():
    sizes = [4, 5]
    ends, rows = edges_of(sizes, seed=1), rows_of(9)
    for pool, plain in (("sum", torch.sum), ("mean", torch.mean), ("max", torch.amax)):
        block = made(GraphConvolution, WIDTH, 3, pool, both=True)
        found = block(rows, ends)
        for i in range(9):
            expected = block.own(rows[i])
            for weights, (source, target) in ((block.along, ends), (block.against, ends.flip(0))):
                near = rows[source[target == i]]
                if len(near):
                    expected = expected + weights(plain(near, 0))
            torch.testing.assert_close(found[i], expected)


def test_gather_takes_rows_of_one_table_to_another():
    ends = torch.tensor([[0, 1, 1], [2, 2, 0]])
    assert gather(torch.tensor([[1.0], [5.0]]), ends, 3).tolist() == [[5.0], [0.0], [6.0]]
    assert gather(torch.tensor([[1.0], [5.0]]), ends, 3, "mean").tolist() == [[5.0], [0.0], [3.0]]
    assert reverse(ends).tolist() == [[2, 2, 0], [0, 1, 1]]


def test_messages_between_tables():
    block = made(BetweenTables, 3, WIDTH, 5, "sum")
    sources, targets = torch.randn(4, 3), rows_of(2)
    found = block(sources, targets, torch.tensor([[0, 3, 1], [1, 1, 1]]))
    torch.testing.assert_close(found[0], block.own(targets[0]))
    expected = block.own(targets[1]) + block.along(sources[[0, 1, 3]].sum(0))
    torch.testing.assert_close(found[1], expected)


def test_children_reach_their_parents_as_in_a_sweep_from_the_leaves():
    block = made(ChildrenToParents, WIDTH, (16,), 5, "leaky-relu")
    ends, rows = edges_of([6], seed=2), rows_of(6)

    def embedding(node):
        children = ends[1][ends[0] == node]
        if not len(children):
            return rows[node]
        sent = torch.stack([block.of_child(embedding(int(child))) for child in children])
        return rows[node] + block.of_sum(sent.sum(0))

    found = block(rows, ends)
    for node in range(6):
        torch.testing.assert_close(found[node], embedding(node), atol=1e-5, rtol=1e-5)


def test_a_row_knows_descendants_as_far_as_there_are_rounds():
    line = torch.tensor([[0, 1, 2], [1, 2, 3]])
    for rounds in (1, 2, 3):
        block = made(ChildrenToParents, WIDTH, (16,), rounds, "tanh")
        rows = rows_of(4).requires_grad_()
        (gradient,) = torch.autograd.grad(block(rows, line)[0].sum(), rows)
        reached = (gradient.abs().sum(1) > 0).tolist()
        assert reached == [distance <= rounds for distance in range(4)]


def test_graph_attention_is_what_it_says():
    block = made(GraphAttention, WIDTH, 6, heads=2)
    rows = rows_of(5)
    ends = with_loops(edges_of([5], seed=4), 5)
    found = block(rows, ends)
    projected = block.project(rows).view(5, 2, 3)
    for i in range(5):
        near = ends[0][ends[1] == i]
        for head in range(2):
            logits = torch.stack(
                [
                    projected[j, head] @ block.from_source[head]
                    + projected[i, head] @ block.from_target[head]
                    for j in near
                ]
            )
            shares = torch.softmax(nn.functional.leaky_relu(logits, 0.2), 0)
            expected = (shares[:, None] * projected[near, head]).sum(0)
            torch.testing.assert_close(found[i, 3 * head : 3 * head + 3], expected)


def test_pointers_are_what_they_say():
    rows, context = rows_of(3), rows_of(2, seed=1)
    lanes = torch.tensor([0, 1, 1])
    additive, dot = made(AdditivePointer, WIDTH, WIDTH, 5), made(DotPointer, WIDTH, WIDTH, 4, 10.0)
    for i, lane in enumerate(lanes):
        both = additive.of_rows(rows[i]) + additive.of_context(context[lane])
        expected = additive.direction(torch.tanh(both))[0]
        torch.testing.assert_close(additive(rows, context, lanes)[i], expected)
        inner = dot.query(context[lane]) @ dot.key(rows[i]) / math.sqrt(4)
        torch.testing.assert_close(dot(rows, context, lanes)[i], 10 * torch.tanh(inner))
    free = made(DotPointer, WIDTH, WIDTH, 4)
    inner = free.query(context[0]) @ free.key(rows[0]) / 2
    torch.testing.assert_close(free(rows, context, lanes)[0], inner)


def test_the_mean_of_others():
    rows = torch.tensor([[1.0], [5.0], [6.0], [7.0]])
    lanes = torch.tensor([0, 1, 1, 1])
    assert mean_of_others(rows, lanes, 3).tolist() == [[0.0], [6.5], [6.0], [5.5]]


def test_mlps():
    rows = rows_of(3)
    net = made(MLP, (WIDTH, 4, 2), "tanh")
    expected = net.layers[1](torch.tanh(net.layers[0](rows)))
    torch.testing.assert_close(net(rows), expected)
    torch.testing.assert_close(made(MLP, (WIDTH, 2))(rows), made(nn.Linear, WIDTH, 2)(rows))
    with pytest.raises(ValueError, match="what goes out"):
        MLP((3,))


@pytest.mark.parametrize("activation", ["relu", "tanh", "leaky-relu", "gelu", "elu"])
def test_orthogonal_and_xavier_starts(activation):
    net = made(MLP, (16, 16, 4), activation, "orthogonal", last_gain=0.01)
    first, last = (layer.weight.detach() for layer in net.layers)
    gain = nn.init.calculate_gain(activation.replace("-", "_"), 0.01) if activation in (
        "relu", "tanh", "leaky-relu"
    ) else 1.0  # fmt: skip
    torch.testing.assert_close(first @ first.T, torch.eye(16) * gain**2, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(last @ last.T, torch.eye(4) * 1e-4, atol=1e-6, rtol=1e-4)
    assert all((layer.bias == 0).all() for layer in net.layers)
    xavier = made(MLP, (100, 50, 2), activation, "xavier")
    limit = gain * math.sqrt(6 / 150)
    assert limit * 0.95 < xavier.layers[0].weight.abs().max() <= limit


@pytest.mark.parametrize("kind", [SelfAttention, GraphAttention])
def test_heads_must_divide_the_width(kind):
    with pytest.raises(ValueError, match="do not divide"):
        kind(8, 3) if kind is SelfAttention else kind(8, 8, 3)
