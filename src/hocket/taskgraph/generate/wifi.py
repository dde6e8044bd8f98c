"""Communication and radar jobs on a system-on-chip of big and little cores and accelerators.

The facts are those that the simulator DS3 comes with (S. E. Arda et al., DS3: A system-level
domain-specific system-on-chip simulation framework, IEEE Transactions on Computers 69 (2020)
1248-1262), its tables ``SoC.MULTIPLE_BAL`` and ``job_WIFI_5TXM``, ``WIFI_5RXM``, ``LAG``, ``SCT``,
``SCR`` and ``TEMP_MIT``. Times are microseconds. There a function is listed twice here and there;
its first time counts, as it does in DS3.
"""

from __future__ import annotations

from typing import NamedTuple

from hocket.taskgraph.generate.base import arrows, job_type
from hocket.taskgraph.model.jobs import JobType
from hocket.taskgraph.model.processors import (
    Communication,
    Function,
    Leakage,
    Link,
    OperatingPoint,
    Processor,
    Sampling,
)

BRANCHES = 5
"""A WiFi frame is processed in so many parallel branches."""

_BRANCHED = {
    "interleaver": (10, 4),
    "qpsk": (15, 8),
    "pilot_insertion": (5, 3),
    "ifft": (296, 118),
    "crc": (5, 3),
    "payload_extraction": (8, 4),
    "fft": (289, 114),
    "pilot": (6, 4),
    "qpsk_demodulation": (191, 95),
    "deinterleaver": (16, 9),
    "format_conversion": (7, 4),
}
"""Times on a little and on a big core, of functions that each branch has one of."""

_ONCE = {
    "scrambler_encoder": (22, 10),
    "end": (0, 0),
    "match_filter": (16, 5),
    "viterbi_decoder": (1828, 739),
    "descrambler": (3, 2),
    "message_decode": (90, 39),
    "ST": (0, 0),
    "LFM": (90, 60),
    "xcorr_fft0": (150, 60),
    "xcorr_fft1": (150, 60),
    "xcorr_vector_complex_conj_mul": (75, 6),
    "xcorr_ifft": (150, 60),
    "max_detect": (20, 20),
    "scrambler": (6, 2),
    "viterbi_encoder": (31, 9),
    "viterbi_puncturing": (6, 3),
    "interleaver": (10, 3),
    "qpsk_modulation": (27, 8),
    "crc": (5, 2),
    "upsampling": (42, 9),
    "fir_filter": (30, 20),
    "match_correlation": (30, 20),
    "filter": (30, 20),
    "payload_extraction": (14, 3),
    "qpsk_demodulation": (240, 96),
    "deinterleaver": (20, 7),
    "viterbi_depuncturing": (5, 3),
    "start_task": (0, 0),
    "message_signal": (0, 0),
    "cover_signal": (0, 0),
    "CMM_1": (240, 54),
    "hermitian_opt": (23, 6),
    "CMM_2": (240, 54),
    "matrix_opts": (25, 8),
    "matrix_multiplication": (17, 5),
    "CMM_3": (210, 44),
    "matrix_subtraction": (72, 16),
}

_MULTIPLIES = {"CMM_1": 22, "CMM_2": 22, "CMM_3": 22}
_TRANSFORMS = {
    **dict.fromkeys(("xcorr_fft0", "xcorr_fft1", "xcorr_ifft"), 30),
    **{f"ifft_{i}": 16 for i in range(1, BRANCHES + 1)},
    **{f"fft_{i}": 12 for i in range(1, BRANCHES + 1)},
}
_DECODES = {"viterbi_decoder": 2}


def _on_cores(which: int) -> dict[str, int]:
    """Times of all functions on a little (0) or a big core (1)."""
    branched = {
        f"{name}_{i}": times[which]
        for name, times in _BRANCHED.items()
        for i in range(1, BRANCHES + 1)
    }
    return branched | {name: times[which] for name, times in _ONCE.items()}


class _Cluster(NamedTuple):
    """Equal processing elements: `power` is that of one that is busy, at the top frequency."""

    name: str
    type: str
    size: int
    power: float
    points: tuple[tuple[int, int], ...]
    times: dict[str, int]


CLUSTERS = (
    _Cluster(
        "A7",
        "LITTLE",
        4,
        0.39,
        ((600, 1000), (800, 1075), (1000, 1150), (1200, 1250), (1400, 1300)),
        _on_cores(0),
    ),
    _Cluster(
        "A15",
        "BIG",
        4,
        3.32,
        (
            (600, 900),
            (800, 950),
            (1000, 1000),
            (1200, 1037),
            (1400, 1100),
            (1600, 1175),
            (1800, 1300),
            (2000, 1362),
        ),
        _on_cores(1),
    ),
    _Cluster("MM", "ACC", 2, 0.05, ((1000, 900),), _MULTIPLIES),
    _Cluster("FFT", "ACC", 4, 0.0913, ((1000, 900),), _TRANSFORMS),
    _Cluster("VIT", "ACC", 2, 0.05885, ((1000, 900),), _DECODES),
)

_FAST, _SLOW, _SELF = 1000, 10, 10_000
_SLOWLY = ({"A7", "FFT"}, {"A15", "FFT"}, {"MM", "FFT"})  # pairs of clusters

CORE_LEAKAGE = Leakage(c1=0.002488 / 4, gate=0.000519 / 4)
"""What one core leaks: the constants of DS3 are those of a cluster of four."""

SAMPLING = Sampling(period=10)


def _elements(grouped: bool) -> list[tuple[str, _Cluster, int]]:
    """Names, clusters and capacities of the processors, one of each cluster if `grouped`."""
    if grouped:
        return [(cluster.name, cluster, cluster.size) for cluster in CLUSTERS]
    flat = [cluster for cluster in CLUSTERS for _ in range(cluster.size)]
    return [(f"{cluster.name}_{i}", cluster, 1) for i, cluster in enumerate(flat)]


def processors(grouped: bool = False) -> tuple[Processor, ...]:
    """Eight cores and eight accelerators, or if `grouped`, five clusters of capacity 2 or 4."""
    return tuple(
        Processor(
            name=name,
            type=cluster.type,
            capacity=capacity,
            functions={
                task: Function(duration=time, power=cluster.power)
                for task, time in cluster.times.items()
            },
            points=tuple(OperatingPoint(frequency=f, voltage=v) for f, v in cluster.points),
        )
        for name, cluster, capacity in _elements(grouped)
    )


def communication(grouped: bool = False) -> Communication:
    """Fast connections, save between the transforms and what feeds them; fastest to oneself."""
    elements = _elements(grouped)
    links = []
    for a, (name, cluster, capacity) in enumerate(elements):
        links.append(Link(between=(name, name), bandwidth=_FAST if capacity > 1 else _SELF))
        for other, its, _ in elements[a + 1 :]:
            if {cluster.name, its.name} in _SLOWLY:
                links.append(Link(between=(name, other), bandwidth=_SLOW))
    return Communication(links=tuple(links), default=_FAST)


def _branches(steps: tuple[str, ...]) -> list[str]:
    return [f"{step}_{i}" for i in range(1, BRANCHES + 1) for step in steps]


def wifi_tx(weight: float = 1.0) -> JobType:
    """The WiFi transmitter: 27 tasks."""
    steps = ("interleaver", "qpsk", "pilot_insertion", "ifft", "crc")
    tasks = ["scrambler_encoder", *_branches(steps), "end"]
    edges: list[tuple[int, int, float]] = []
    for first in range(1, 26, len(steps)):
        edges.append((0, first, 2000))
        edges += [(first + k, first + k + 1, v) for k, v in enumerate((3000, 3000, 10, 80))]
        edges.append((first + 4, 26, 3 if first == 21 else 0))
    return job_type("wifi_tx", tasks, edges, weight)


def wifi_rx(weight: float = 1.0) -> JobType:
    """The WiFi receiver: 34 tasks."""
    steps = (
        "payload_extraction",
        "fft",
        "pilot",
        "qpsk_demodulation",
        "deinterleaver",
        "format_conversion",
    )
    tail = ["viterbi_decoder", "descrambler", "message_decode"]
    tasks = ["match_filter", *_branches(steps), *tail]
    edges: list[tuple[int, int, float]] = []
    for first in range(1, 31, len(steps)):
        edges.append((0, first, 3000))
        edges += [(first + k, first + k + 1, v) for k, v in enumerate((30, 80, 3000, 3000, 3000))]
        edges.append((first + 5, 31, 3000))
    edges += [(31, 32, 3000), (32, 33, 3000)]
    return job_type("wifi_rx", tasks, edges, weight)


def lag(weight: float = 1.0) -> JobType:
    """Range detection by the lag of an echo: 7 tasks."""
    tasks = (
        "ST",
        "LFM",
        "xcorr_fft0",
        "xcorr_fft1",
        "xcorr_vector_complex_conj_mul",
        "xcorr_ifft",
        "max_detect",
    )
    return job_type("lag", tasks, arrows("0>1:1 0>3:1 1>2:1 2>4:150 3>4:150 4>5:1 5>6:150"), weight)


def _chain(name: str, tasks: tuple[str, ...], weight: float) -> JobType:
    return job_type(name, tasks, [(i, i + 1, 0) for i in range(len(tasks) - 1)], weight)


def sc_tx(weight: float = 1.0) -> JobType:
    """The single-carrier transmitter: a chain of 8 tasks."""
    tasks = (
        "scrambler",
        "viterbi_encoder",
        "viterbi_puncturing",
        "interleaver",
        "qpsk_modulation",
        "crc",
        "upsampling",
        "fir_filter",
    )
    return _chain("sc_tx", tasks, weight)


def sc_rx(weight: float = 1.0) -> JobType:
    """The single-carrier receiver: a chain of 8 tasks."""
    tasks = (
        "match_correlation",
        "filter",
        "payload_extraction",
        "qpsk_demodulation",
        "deinterleaver",
        "viterbi_depuncturing",
        "viterbi_decoder",
        "descrambler",
    )
    return _chain("sc_rx", tasks, weight)


def mitigation(weight: float = 1.0) -> JobType:
    """Temporal interference mitigation: 10 tasks, three of them products of complex matrices."""
    tasks = (
        "start_task",
        "cover_signal",
        "message_signal",
        "hermitian_opt",
        "CMM_1",
        "CMM_2",
        "matrix_opts",
        "matrix_multiplication",
        "CMM_3",
        "matrix_subtraction",
    )
    edges = "0>1:1 0>2:1 1>3:1 1>4:1 3>4:1 2>5:1 3>5:1 4>6:1 5>7:1 6>7:1 7>8:1 8>9:1"
    return job_type("mitigation", tasks, arrows(edges), weight)


JOBS = {
    "wifi_tx": wifi_tx,
    "wifi_rx": wifi_rx,
    "lag": lag,
    "sc_tx": sc_tx,
    "sc_rx": sc_rx,
    "mitigation": mitigation,
}
"""The job types, in the order of DS3's configuration."""
