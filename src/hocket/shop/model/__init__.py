"""Scenario types of machine scheduling, one file per problem."""

from hocket.shop.model.jobshop import Alternative, Job, JobShop, Machine, Operation, Setup
from hocket.shop.model.project import Activity, Lag, Mode, Project, Resource
from hocket.shop.model.single import SingleJob, SingleMachine

__all__ = [
    "Activity",
    "Alternative",
    "Job",
    "JobShop",
    "Lag",
    "Machine",
    "Mode",
    "Operation",
    "Project",
    "Resource",
    "Setup",
    "SingleJob",
    "SingleMachine",
]
