"""A whole domain in miniature: boxes are unpacked one after the other."""

from hocket.core.domain import Domain, ProblemType

PROBLEM = ProblemType(
    name="boxes",
    summary="boxes on one belt",
    scenario="tests.testing.toy.world:Boxes",
    simulate="tests.testing.toy.world:simulate",
    check="tests.testing.toy.world:check",
    metrics="tests.testing.toy.world:metrics",
    due="tests.testing.toy.world:due",
    objectives=("makespan", "total_wait"),
    policies=("toy/first",),
)
DOMAIN = Domain(
    name="toy",
    summary="a domain in miniature",
    problems=(PROBLEM,),
    policies="tests.testing.toy.policies",
    formats="tests.testing.toy.world:FORMATS",
    generators="tests.testing.toy.world:GENERATORS",
    names="tests.testing.toy.world:names",
    named="tests.testing.toy.world:named",
)
