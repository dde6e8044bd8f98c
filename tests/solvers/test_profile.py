from hypothesis import given, settings
from hypothesis import strategies as st

from hocket.solvers.profile import Profile


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 12), st.integers(0, 6), st.integers(0, 3), st.integers(0, 2)),
        max_size=12,
    )
)
def test_a_profile_fits_where_a_table_of_ticks_does(asks: list[tuple[int, int, int, int]]) -> None:
    capacity = (3, 2)
    profile, table = Profile(capacity), [[0, 0] for _ in range(200)]

    def free(start: int, duration: int, use: tuple[int, int]) -> bool:
        return all(
            table[t][r] + use[r] <= capacity[r]
            for t in range(start, start + duration)
            for r in (0, 1)
        )

    for after, duration, first, second in asks:
        use = (first, second)
        at = profile.fit(after, duration, use)
        assert at == next(t for t in range(after, 200) if free(t, duration, use))
        profile.add(at, duration, use)
        for t in range(at, at + duration):
            table[t][0] += first
            table[t][1] += second
    assert profile.peak() == tuple(max(row[r] for row in table) for r in (0, 1))
