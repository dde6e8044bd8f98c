"""Random scenarios of shared applications: small, so that queues and ties are common."""

from __future__ import annotations

from hypothesis import strategies as st

from hocket.cluster.model.analytics import Analytics, Job, Overheads, Stage

TICKS = st.sampled_from([0, 1, 1, 2, 3, 3, 5, 8])


@st.composite
def stages(draw: st.DrawFn) -> tuple[Stage, ...]:
    """One to three stages, each after some of those before."""
    return tuple(
        Stage(
            tasks=tuple(draw(st.lists(TICKS, min_size=1, max_size=5))),
            after=tuple(draw(st.sets(st.integers(0, s - 1)))) if s else (),
            divisible=draw(st.booleans()),
            estimate=draw(st.none() | st.integers(0, 20)),
        )
        for s in range(draw(st.integers(1, 3)))
    )


@st.composite
def applications(draw: st.DrawFn) -> Analytics:
    """Up to six jobs of three users; some follow the one before."""
    jobs = []
    for number in range(draw(st.integers(1, 6))):
        follows = bool(jobs) and draw(st.booleans())
        jobs.append(
            Job(
                name=f"job{number}",
                user=draw(st.sampled_from(["ada", "bob", "cyd"])),
                stages=draw(stages()),
                arrival=draw(st.integers(0, 12)),
                after=draw(st.sampled_from(jobs)).name if follows else "",
                think=draw(st.integers(0, 3)),
                kind=draw(st.sampled_from(["", "query", "report"])),
            )
        )
    return Analytics(
        time_unit="tick",
        cores=draw(st.integers(1, 4)),
        jobs=tuple(draw(st.permutations(jobs))),
        overheads=Overheads(
            job=draw(st.integers(0, 2)),
            stage=draw(st.integers(0, 2)),
            driver=draw(st.sampled_from([0, 0, 1, 2, 3])),
            task=draw(st.integers(0, 1)),
        ),
    )


def responses(scenario: Analytics, timeline: object) -> dict[str, int]:
    """Ticks from submission to end, by job."""
    points = [*timeline.points()]  # type: ignore[attr-defined]
    submitted = {p.group: p.time for p in points if p.kind == "submit"}
    return {p.group: p.time - submitted[p.group] for p in points if p.kind == "done"}
