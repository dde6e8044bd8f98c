from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.interpolate import RegularGridInterpolator

from hocket.serving.cost.curve import Curve, Surface

RISING = st.lists(st.integers(0, 5000), min_size=2, max_size=8, unique=True).map(sorted)


@given(points=RISING, data=st.data())
def test_a_curve_is_what_numpy_interpolates(points: list[int], data: st.DataObject) -> None:
    values = data.draw(
        st.lists(st.floats(0, 1e3), min_size=len(points), max_size=len(points)), "values"
    )
    curve = Curve(points, values)
    at = np.linspace(0, points[-1], 50)
    assert [curve(x) for x in at] == pytest.approx(np.interp(at, points, values), abs=1e-6)


def test_a_curve_goes_on_but_never_falls_below_its_end() -> None:
    rising, falling = Curve((0, 10), (1.0, 3.0)), Curve((0, 10), (3.0, 1.0))
    assert rising(20) == pytest.approx(5.0)
    assert falling(1000) == pytest.approx(1.0)
    assert Curve((4,), (2.0,))(100) == 2.0


@given(axes=st.tuples(RISING, RISING, RISING), seed=st.integers(0, 1000))
def test_a_surface_is_multilinear(axes: tuple[list[int], ...], seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = [len(axis) for axis in axes]
    values = rng.uniform(0, 100, shape)
    surface = Surface(axes, values.ravel().tolist())
    reference = RegularGridInterpolator(axes, values)
    inside = np.stack([rng.uniform(axis[0], axis[-1], 20) for axis in axes], axis=1)
    assert [surface(point) for point in inside.tolist()] == pytest.approx(reference(inside))


def test_a_surface_has_its_values_at_the_grid_and_goes_on_beyond() -> None:
    axes = ((0, 2, 8), (1, 10))
    surface = Surface(axes, [3 * x + 2 * y + x * y for x, y in product(*axes)], scale=2.0)
    for x, y in [*product(*axes), (5, 5), (20, 30)]:
        assert surface((x, y)) == pytest.approx(2 * (3 * x + 2 * y + x * y))
    assert surface((2, 0)) == surface((2, 1))
