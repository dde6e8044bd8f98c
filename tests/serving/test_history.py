import bisect
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hocket.serving.history import History

lengths = st.lists(st.integers(1, 60), min_size=1, max_size=12)


def filled(values, window=None):
    history = History(window or len(values), 1)
    for value in values:
        history.append(value)
    return history


def support(values, generated, limit, ends_at_limit):
    """The points between which a length is interpolated, by their definition."""
    points = [generated, *(value for value in sorted(values) if value > generated)]
    if ends_at_limit or limit > points[-1]:
        points.append(max(limit, points[-1]))
    return points


def interpolated(points, uniform):
    place = uniform * (len(points) - 1)
    left = int(place)
    low, high = points[left : left + 2] if len(points) > 1 else (points[0], points[0])
    return round(low + (high - low) * (place - left))


@given(
    lengths,
    st.lists(st.tuples(st.integers(0, 70), st.integers(1, 80)), min_size=1, max_size=5),
    st.booleans(),
    st.data(),
)
def test_lengths_are_interpolated_between_the_points_of_the_conditional_law(
    values, requests, ends_at_limit, data
):
    history = filled(values)
    uniform = np.array(
        data.draw(
            st.lists(
                st.lists(
                    st.floats(0, 1, exclude_max=True),
                    min_size=len(requests),
                    max_size=len(requests),
                ),
                min_size=1,
                max_size=4,
            )
        )
    )
    generated, limit = (np.array(column) for column in zip(*requests, strict=True))
    found = history.longer(generated, limit, uniform, ends_at_limit=ends_at_limit)
    assert found.shape == uniform.shape
    for i, (g, most) in enumerate(requests):
        points = support(values, g, most, ends_at_limit)
        assert found[:, i].tolist() == [interpolated(points, u) for u in uniform[:, i]]


def test_the_law_is_the_one_that_counting_gives():
    # Support 10, 20, 40, 90 for a request at 10: three pieces of a third each, uniform inside.
    history = filled([5, 20, 40, 7])
    uniform = np.random.default_rng(1).random((60_000, 1))
    drawn = history.longer(np.array([10]), np.array([90]), uniform)[:, 0]
    edges = [10, 20, 40, 90]
    assert drawn.min() >= 10 and drawn.max() <= 90
    in_piece = Counter(bisect.bisect_right(edges, length - 0.5) for length in drawn.tolist())
    assert [in_piece[i] / len(drawn) for i in (1, 2, 3)] == pytest.approx([1 / 3] * 3, abs=0.02)
    assert drawn.mean() == pytest.approx((15 + 30 + 65) / 3, abs=0.4)


def test_a_request_beyond_all_known_lengths_ends_between_now_and_its_limit():
    history = filled([5, 8])
    found = history.longer(np.array([20]), np.array([60]), np.array([[0.0], [0.5], [0.99]]))
    assert found[:, 0].tolist() == [20, 40, 60]


def test_one_at_its_limit_ends_now():
    assert filled([5]).longer(np.array([9]), np.array([9]), np.array([0.7])).tolist() == [9]


def test_a_cold_history_is_half_full_of_the_large_value_and_forgets_it():
    history = History(6, 100)
    assert list(history.lengths) == [100] * 3
    assert set(history.fresh(np.random.default_rng(0), 50)) == {100}
    for length in (1, 2, 3):
        history.append(length)
    assert history.ordered.tolist() == [1, 2, 3, 100, 100, 100]
    for length in (4, 5, 6):
        history.append(length)
    assert history.ordered.tolist() == [1, 2, 3, 4, 5, 6]


def test_a_window_of_one_still_has_something_to_begin_with():
    history = History(1, 9)
    assert history.fresh(np.random.default_rng(0), 2).tolist() == [9, 9]
    history.append(4)
    assert history.ordered.tolist() == [4]


def test_fresh_lengths_are_drawn_from_the_window_alike():
    drawn = filled([3, 7, 7, 9]).fresh(np.random.default_rng(2), 40_000)
    share = {length: count / len(drawn) for length, count in Counter(drawn.tolist()).items()}
    assert share == pytest.approx({3: 0.25, 7: 0.5, 9: 0.25}, abs=0.02)
