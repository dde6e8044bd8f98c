"""Fitting DistServe's costs to iterations."""

import numpy as np
import pytest

from hocket.core.errors import InputError
from hocket.serving.disaggregation import published
from hocket.serving.disaggregation.fit import Decode, Prefill, fit

TRUTH = published.coefficients("opt-13b", 1)


def prefill_ms(lengths):
    a, b, c = TRUTH.prefill
    return a + b * sum(lengths) + c * sum(n * n for n in lengths)


def decode_ms(batch, context):
    a, b, c = TRUTH.small if batch < TRUTH.threshold else TRUTH.large
    return a + b * (context + batch) + c * batch


PREFILLS = [[n] * k for n in (64, 256, 1024, 2000) for k in (1, 2, 4)]
DECODES = [(n, n * context) for n in (1, 8, 32, 94, 95, 128, 200) for context in (100, 500, 900)]


def test_exact_times_give_the_coefficients_back():
    found = fit(
        [Prefill(lengths, prefill_ms(lengths)) for lengths in PREFILLS],
        [Decode(n, context, decode_ms(n, context)) for n, context in DECODES],
    )
    for name in ("prefill", "small", "large"):
        assert getattr(found.costs, name) == pytest.approx(getattr(TRUTH, name), rel=1e-6)
    assert found.costs.threshold == 95
    assert max(found.prefill_error, found.decode_error) < 1e-9


def test_noise_of_two_percent_is_averaged_out():
    rng = np.random.default_rng(4)
    prefills = [Prefill(n, prefill_ms(n) * rng.normal(1, 0.02)) for n in PREFILLS * 30]
    decodes = [Decode(*row, decode_ms(*row) * rng.normal(1, 0.02)) for row in DECODES * 30]
    costs = fit(prefills, decodes).costs
    for lengths in PREFILLS:
        a, b, c = costs.prefill
        ms = a + b * sum(lengths) + c * sum(n * n for n in lengths)
        assert ms == pytest.approx(prefill_ms(lengths), rel=0.01)


def test_it_is_the_relative_error_that_is_least():
    # Two short iterations say 10 ms and one long says 1000: an absolute fit would ignore the first.
    rows = [Prefill([1], 10.0), Prefill([2], 10.0), Prefill([1], 10.4), Prefill([1000], 1000.0)]
    a, b, c = fit(rows, [Decode(*row, decode_ms(*row)) for row in DECODES]).costs.prefill
    assert a + b * 2 + c * 4 == pytest.approx(10.0, abs=0.05)
    assert a + b + c == pytest.approx((10 * 10.4 * 20.4) / (10**2 + 10.4**2), abs=0.05)


def test_too_few_large_batches_take_the_fit_of_all():
    small = [row for row in DECODES if row[0] < 95]
    prefills = [Prefill(lengths, prefill_ms(lengths)) for lengths in PREFILLS]
    costs = fit(prefills, [Decode(*row, decode_ms(*row)) for row in small]).costs
    assert costs.large == pytest.approx(costs.small)


def test_rows_that_say_nothing_are_told():
    good = [Decode(*row, decode_ms(*row)) for row in DECODES]
    with pytest.raises(InputError) as caught:
        fit([Prefill([5], 1.0), Prefill([], 2.0), Prefill([7], -1.0)], [*good, Decode(0, 5, 1.0)])
    places = [problem.path for problem in caught.value.problems]
    assert places == ["prefills[1]", "prefills[2]", f"decodes[{len(good)}]"]
    prefills = [Prefill(lengths, prefill_ms(lengths)) for lengths in PREFILLS]
    with pytest.raises(InputError, match="at least 3 of different lengths"):
        fit(prefills[:1] * 5, good)
    with pytest.raises(InputError, match="different batch sizes"):
        fit(prefills, [Decode(8, 800, 20.0), Decode(8, 1600, 21.0), Decode(8, 2400, 22.0)])
