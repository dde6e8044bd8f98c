"""How much later than with fluid user-job fair sharing (UJF) a job can end with UWFQ.

Let a user's jobs be alike, so that a later one never gets an earlier deadline than one before, and
let estimates be exact, stages single, overheads nought. Then a job ends no later than in the fluid
system by (2 - 1/R) times the longest task, on R cores.

Proof, after Parekh and Gallager's for packets. Let a job have the deadline x, and its last task,
of length q, start at s. Let t be the last time up to s at which a core was left idle or given to a
job with a deadline after x, or 0. Just after t no task with a deadline up to x waits, so those that
start in (t, s] are of jobs that came after t. A user's new jobs are chained after those before, so
the work of the new ones with deadlines up to x is at most x - V(a), where V(a) is the virtual time
when the first of them came; and from V(a) on the user is in the fluid system at least until that
work is done. So the fluid system does at least all that work of all users between t and the time
f(x) at which V is x: it is at most R (f(x) - t). All cores are busy from t to s, with that work
less q, and with what at most R tasks had left at t: R (s - t) <= R (f(x) - t) - q + R p, for the
longest task p. The job ends at s + q <= f(x) + p + q (1 - 1/R). The fluid system is done with the
job no earlier than f(x), as by then its user has been given all that is chained before it.

Where jobs of a user differ there is no such bound: a shorter job goes before a longer one that has
been given much already, and takes over its early deadline, at other users' cost.
"""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from hocket.cluster.model.analytics import Analytics, Job, Stage
from hocket.cluster.policies.fair import UJF
from hocket.cluster.policies.uwfq import UWFQ
from hocket.cluster.simulate.analytics import simulate
from tests.cluster.sharing.fluid import Arrival, finishes


@st.composite
def alike(draw: st.DrawFn) -> Analytics:
    """Users whose jobs have the same work each, though differently cut."""
    jobs = []
    for user in "abc"[: draw(st.integers(2, 3))]:
        work = draw(st.integers(2, 40))
        for number in range(draw(st.integers(1, 8))):
            cuts = sorted(draw(st.sets(st.integers(1, work - 1), max_size=10)))
            tasks = tuple(b - a for a, b in zip([0, *cuts], [*cuts, work], strict=True))
            jobs.append(
                Job(
                    name=f"{user}{number}",
                    user=user,
                    arrival=draw(st.integers(0, 60)),
                    stages=(Stage(tasks=tasks),),
                )
            )
    return Analytics(cores=draw(st.integers(1, 4)), jobs=tuple(jobs))


def lateness(scenario: Analytics, policy: UWFQ | UJF) -> dict[str, Fraction]:
    """How much later than in the fluid system each job ends."""
    arrivals = [Arrival(job.arrival, job.user, job.work) for job in scenario.jobs]
    fluid = finishes(arrivals, scenario.cores)
    ends = {p.group: p.time for p in simulate(scenario, policy).points("done")}
    return {job.name: ends[job.name] - end for job, end in zip(scenario.jobs, fluid, strict=True)}


@settings(max_examples=300)
@given(scenario=alike())
def test_no_job_is_late_by_two_tasks(scenario: Analytics) -> None:
    longest = max(max(stage.tasks) for job in scenario.jobs for stage in job.stages)
    bound = (2 - Fraction(1, scenario.cores)) * longest
    assert max(lateness(scenario, UWFQ()).values()) <= bound


def test_a_user_whose_jobs_differ_can_make_others_wait() -> None:
    """Ada has had 180 of 200 s on two cores when ten jobs of hers of 18 s come, and one of bob."""
    burst = [
        Job(name=f"short{i}", user="ada", arrival=90, stages=(Stage(tasks=(1,) * 18),))
        for i in range(10)
    ]
    jobs = (
        Job(name="long", user="ada", stages=(Stage(tasks=(1,) * 200),)),
        *burst,
        Job(name="bob", user="bob", arrival=90, stages=(Stage(tasks=(1,)),)),
    )
    late = lateness(Analytics(cores=2, jobs=jobs), UWFQ())
    assert late["bob"] == 90  # in the fluid system after 1 s, with UWFQ after all ten
    assert lateness(Analytics(cores=2, jobs=jobs), UJF())["bob"] == 0
