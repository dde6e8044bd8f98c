"""The ring simulator: the authors' figures, a plain SimPy twin, and input that cannot run."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hocket.core.errors import InputError
from hocket.serving.disaggregation.configurations import Parallel
from hocket.serving.disaggregation.instance import Instance
from hocket.serving.disaggregation.oracle import ORACLE, OUTPUT, PROMPT, REQUESTS, System, printed
from hocket.serving.disaggregation.ring import simulate
from tests.serving.disaggregation import plain_ring
from tests.serving.disaggregation.cases import costs

ROWS = [(system, rate) for system, rates in ORACLE.items() for rate in rates]

SIX_DIGITS = {  # the same coefficients as commonly printed
    ("opt-13b", 2, "distserve"): costs(
        (14.743, 0.0685772, 2.44957e-6),
        (13.2948, 3.41092e-4, 0.0629639),
        (10.6387, 3.11834e-4, 0.0856291),
    ),
    ("opt-13b", 1, "distserve"): costs(
        (18.1025, 0.101912, 7.12226e-6),
        (19.9347, 6.26936e-4, 0.038507),
        (7.16619, 5.798e-4, 0.158311),
    ),
    ("opt-13b", 1, "vllm"): costs(
        (22.0522, 0.140509, 8.07658e-6),
        (23.475, 5.92934e-4, 0.0607269),
        (20.2064, 4.90773e-4, 0.120003),
    ),
    ("opt-66b", 4, "distserve"): costs(
        (29.4416, 0.151352, 8.31745e-6),
        (30.7603, 4.51948e-4, 0.0632842),
        (27.4708, 4.04685e-4, 0.124807),
    ),
    ("opt-66b", 2, "distserve"): costs(
        (43.0588, 0.274229, 2.2478e-5),
        (48.288, 9.42434e-4, 0.12755),
        (28.7277, 4.74485e-4, 0.296178),
    ),
    ("opt-66b", 4, "vllm"): costs(
        (42.9655, 0.212866, 4.60102e-5),
        (39.5818, 6.94572e-4, 0.135809),
        (40.8597, 4.26487e-4, 0.195084),
    ),
}


@pytest.mark.parametrize(("system", "rate"), ROWS)
def test_the_authors_figures_to_the_last_printed_digit(system, rate):
    assert printed(system.run(rate)) == ORACLE[system][rate]


def six_digits(system):
    """The system's instances with their fitted costs cut to six digits."""
    placement = system.placement
    cuts = [placement] if isinstance(placement, Parallel) else [placement.prefill, placement.decode]
    instances = [
        Instance(SIX_DIGITS[system.model, cut.tp, system.engine], pp=cut.pp, tokens=66144)
        for cut in cuts
    ]
    return instances if len(instances) == 2 else [*instances, None]


@pytest.mark.parametrize(("system", "rate"), ROWS)
def test_six_digits_of_the_costs_give_a_quarter_of_a_percent(system, rate):
    prefill, decode = six_digits(system)
    arrival = [i / rate * 1000 for i in range(REQUESTS)]
    found = printed(simulate(arrival, PROMPT, OUTPUT, prefill=prefill, decode=decode))
    expected = [float(x) for x in ORACLE[system][rate].split()]
    assert [float(x) for x in found.split()] == pytest.approx(expected, rel=0.0025)


def test_share_of_requests_within_100_ms_per_token():
    vllm = System("opt-66b", "vllm", Parallel(4, 1))
    shares = [100 * np.mean(vllm.run(rate).tpot <= 100) for rate in (1, 2, 3)]
    assert [f"{share:.1f}" for share in shares] == ["100.0", "96.3", "9.3"]


triples = st.tuples(st.floats(1.0, 60.0), st.floats(0.001, 0.5), st.floats(0.0, 0.01))


@st.composite
def instances(draw):
    fitted = costs(draw(triples), draw(triples), draw(triples), draw(st.integers(1, 6)))
    return Instance(
        fitted,
        pp=draw(st.integers(1, 4)),
        tokens=draw(st.sampled_from([60, 100, 10**7])),
        pack=draw(st.sampled_from([None, 1, 40, 10**6])),
        context=draw(st.sampled_from([75, 120, 400, 50_000])),
        instances=draw(st.integers(1, 3)),
    )


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(0, 40), st.integers(1, 60), st.integers(0, 15)), min_size=1, max_size=40
    ),
    instances(),
    st.none() | instances(),
)
def test_groups_are_exactly_the_plain_rules(requests, prefill, decode):
    gaps, prompt, output = zip(*requests, strict=True)
    arrival = np.cumsum(gaps).tolist()
    first, finish = plain_ring.simulate(arrival, prompt, output, prefill, decode)
    times = simulate(arrival, prompt, output, prefill=prefill, decode=decode)
    assert times.finish.tolist() == finish
    assert times.ttft.tolist() == (np.array(first) - np.array(arrival)).tolist()


def test_a_request_alone_takes_the_sum_of_its_iterations():
    instance = Instance(costs((10.0, 1.0, 0.5), (5.0, 0.1, 2.0), (0.0, 0.0, 0.0)))
    times = simulate([7.0], [4], [2], prefill=instance, decode=instance)
    prefill = 10 + 4 + 8 + 1 + 2 + 0.0004
    decodes = (5 + 0.5 + 2 + 2 + 0.0004) + (5 + 0.6 + 2 + 2 + 0.0005)
    assert times.ttft[0] == pytest.approx(prefill)
    assert times.finish[0] == pytest.approx(7 + prefill + decodes)
    assert times.tpot[0] == pytest.approx(decodes / 2)


def test_what_can_never_run_is_told_request_by_request():
    flat = (1.0, 0.0, 0.0)
    instance = Instance(costs(flat, flat, flat), tokens=100, context=120)
    with pytest.raises(InputError) as caught:
        simulate([0, 5, 4, 6], [101, 60, 0, 60], [1, 61, 1, -1], prefill=instance)
    told = [(problem.path, problem.message.split()[0]) for problem in caught.value.problems]
    assert told == [
        ("[0].prompt", "101"),
        ("[1].output", "context"),
        ("[2].arrival", "4"),
        ("[2]", "prompt"),
        ("[3]", "prompt"),
    ]
    with pytest.raises(InputError, match="3 arrivals"):
        simulate([0, 1, 2], [1], [1], prefill=instance)
