"""Machine scheduling: single machine, job shop and its variants, project scheduling."""

from hocket.core.domain import Domain, ProblemType
from hocket.shop.model.objectives import OBJECTIVES

DOMAIN = Domain(
    name="shop",
    summary="machine scheduling: single machine, job shop and its variants, projects",
    policies="hocket.shop.policies",
    formats="hocket.shop.formats:FORMATS",
    generators="hocket.shop.generate:GENERATORS",
    names="hocket.shop.generate:names",
    named="hocket.shop.generate:named",
    problems=(
        ProblemType(
            name="job-shop",
            summary="jobs of ordered operations on machines; options combine",
            scenario="hocket.shop.model.jobshop:JobShop",
            simulate="hocket.shop.simulate.jobshop:simulate",
            check="hocket.shop.check.jobshop:check",
            metrics="hocket.shop.metrics.jobshop:metrics",
            solve="hocket.shop.exact.jobshop:solve",
            plan="hocket.shop.policies.plans:FollowPlan.of",
            methods=("auto", "cp-sat"),
            due="hocket.shop.metrics.jobs:due_dates",
            objectives=OBJECTIVES,
            policies=("shop/fifo", "shop/spt", "shop/mwkr", "shop/mopnr", "shop/gt"),
        ),
        ProblemType(
            name="single-machine",
            summary="jobs on one machine",
            scenario="hocket.shop.model.single:SingleMachine",
            simulate="hocket.shop.simulate.single:simulate",
            check="hocket.shop.check.single:check",
            metrics="hocket.shop.metrics.single:metrics",
            solve="hocket.shop.exact.single:solve",
            plan="hocket.shop.policies.plans:FollowPlan.of",
            methods=("auto", "decomposition", "mip", "cp-sat"),
            due="hocket.shop.metrics.jobs:due_dates",
            objectives=OBJECTIVES,
            policies=("shop/spt", "shop/edd", "shop/mdd", "shop/atc", "shop/eddc", "shop/mddc"),
        ),
        ProblemType(
            name="project",
            summary="activities with modes, resources and time lags (RCPSP)",
            scenario="hocket.shop.model.project:Project",
            simulate="hocket.shop.simulate.project:simulate",
            check="hocket.shop.check.project:check",
            metrics="hocket.shop.metrics.project:metrics",
            solve="hocket.shop.exact.project:solve",
            methods=("auto", "cp-sat"),
            due="hocket.shop.metrics.jobs:due_dates",
            objectives=OBJECTIVES,
            policies=("shop/project-fifo", "shop/lft", "shop/mts", "shop/grpw"),
        ),
    ),
)
