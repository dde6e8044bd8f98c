"""``hocket live k8s``."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, TextIO

import msgspec
from cyclopts import Parameter

from hocket import api
from hocket.cli.files import Json, Settings
from hocket.cli.output import as_json, say
from hocket.core.errors import UserError
from hocket.core.fields import with_fields
from hocket.core.interrupt import Interrupt
from hocket.core.policy import Policy

MANIFEST = "rbac.yaml"


def k8s(
    *,
    apply: Annotated[
        bool,
        Parameter(negative="--dry-run", help="Evict and bind; without it, only say what to do."),
    ] = False,
    watch: Annotated[
        bool, Parameter(negative="--once", help="Go on until interrupted; default: look once.")
    ] = False,
    policy: Annotated[str, Parameter(help="Name or policy file.")] = "cluster/priority-matters",
    settings: Settings = (),
    time_limit: Annotated[float, Parameter(help="Seconds for each search.")] = 10.0,
    workers: Annotated[int, Parameter(help="Threads of the solver.")] = 2,
    namespace: Annotated[str, Parameter(help="Touch only pods of this namespace.")] = "",
    scheduler_name: Annotated[
        str, Parameter(help="The schedulerName of pods that hocket may place (and so move).")
    ] = "hocket",
    any_scheduler: Annotated[
        bool,
        Parameter(negative="", help="Move pods of other schedulers too; they ask --extender."),
    ] = False,
    extender: Annotated[
        str | None, Parameter(help="Serve a scheduler extender on this PORT, or HOST:PORT.")
    ] = None,
    patience: Annotated[
        float, Parameter(help="Seconds to wait for budgets, for leaving pods, for new ones.")
    ] = 60.0,
    record: Annotated[
        Path | None,
        Parameter(help="Keep snapshots with their plans in this folder: the last 1000."),
    ] = None,
    kubeconfig: Annotated[str | None, Parameter(help="Default: in-cluster, else ~/.kube.")] = None,
    context: Annotated[str | None, Parameter(help="A context of the kubeconfig.")] = None,
    manifest: Annotated[
        bool, Parameter(negative="", help="Print the rights that this needs, as YAML, and end.")
    ] = False,
    json: Json = False,
) -> int:
    """Rearrange a Kubernetes cluster in which pods stay pending.

    Looks at nodes, pods and disruption budgets, places pods whose schedulerName is hocket's, and
    where some stay pending searches for a better packing of all. A plan is verified, and tried
    again on the cluster as it is before each wave. Without --apply nothing is changed. Only pods
    that hocket may place are moved; --any-scheduler shows what could be done with all. Exit code 1
    if a plan was given up midway, or none was found for pods that wait.

    Examples:

        hocket live k8s
        hocket live k8s --any-scheduler --json
        hocket live k8s --apply --watch --namespace shop
        hocket live k8s --manifest | kubectl apply -f -
    """
    from hocket.cli.live_record import Record
    from hocket.cluster.live.k8s.api import Api
    from hocket.cluster.live.k8s.controller import Controller, Round
    from hocket.cluster.live.k8s.controller import Settings as Rights

    if manifest:
        from importlib.resources import files

        sys.stdout.write(files("hocket.cluster.live.k8s").joinpath(MANIFEST).read_text("utf-8"))
        return 0
    if apply and any_scheduler and extender is None:
        raise UserError(
            "--any-scheduler --apply needs --extender PORT: the scheduler of a moved pod would "
            "place its successor itself. Let it ask the extender, or leave --apply out to look"
        )
    records = None if record is None else Record(record)
    chosen = _policy(policy, settings, time_limit, workers)
    rights = Rights(
        apply=apply,
        namespace=namespace,
        scheduler=scheduler_name,
        any_scheduler=any_scheduler,
        patience=patience,
    )

    def told(found: Round) -> None:
        if records is not None and found.plan is not None and found.snapshot is not None:
            records.keep(found.snapshot, found.plan)
        if json:
            as_json(_document(found))
        elif found.plan is not None or not watch:
            _show(found, apply)

    stopping = "stopping after this step; again to stop at once"
    with _logging_to(sys.stderr), Interrupt(lambda: say(stopping)) as interrupt:
        controller = Controller(
            Api.connect(kubeconfig, context), chosen, rights, stop=lambda: interrupt.asked
        )
        controller.start()
        server = None
        try:
            if extender is not None:
                server = _serve(controller.extend(), extender)
            if watch:
                controller.watch(told)
                return 130 if interrupt.asked else 0
            found = controller.once()
            told(found)
        finally:
            controller.close()
            if server is not None:
                server.close()
    return _code(found)


def _policy(name: str, settings: tuple[str, ...], time_limit: float, workers: int) -> Policy:
    """The policy; a search is limited by the clock on the wall unless --set says otherwise."""
    chosen = api.load_policy(name)
    if "search" in chosen.__struct_fields__:
        live = (f"search.time_limit={time_limit}", "search.clock=wall", f"search.workers={workers}")
        chosen = with_fields(chosen, live)
    return with_fields(chosen, settings)


def _serve(extender: Any, where: str) -> Any:
    """The extender's server, which answers in a thread of its own."""
    from hocket.cluster.live.k8s.extender_http import ExtenderServer

    host, _, port = where.rpartition(":")
    if not port.isdecimal() or not 0 <= int(port) < 65536:
        raise UserError(f"--extender {where!r} is no PORT, nor HOST:PORT, such as 8888")
    try:
        server = ExtenderServer(extender, host or "127.0.0.1", int(port))
    except OSError as error:
        raise UserError(f"--extender {where}: cannot listen there: {error.strerror}") from None
    server.start()
    say("the extender listens on http://{}:{}".format(*server.server_address[:2]))
    return server


@contextmanager
def _logging_to(stream: TextIO) -> Iterator[None]:
    """Tell what is done, line by line; other libraries' logs are left alone."""
    own, web = logging.getLogger("hocket"), logging.getLogger("urllib3")
    before = own.handlers[:], own.level, web.level
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(message)s"))
    own.handlers[:] = [handler]
    own.setLevel(logging.INFO)
    web.setLevel(logging.ERROR)
    try:
        yield
    finally:
        own.handlers[:] = before[0]
        own.setLevel(before[1])
        web.setLevel(before[2])


def _document(found: Any) -> dict[str, Any]:
    return {
        "pods": found.pods,
        "waiting": found.waiting,
        "placed": found.placed,
        "plan": found.plan,
        "outcome": found.outcome,
        "foreign": found.foreign,
    }


def _show(found: Any, apply: bool) -> None:
    from hocket.report import tables

    say(f"{found.pods} pods, {len(found.waiting)} waiting, {len(found.placed)} placed just now")
    if found.plan is None:
        return
    say(f"plan: {found.plan.verdict}" + (f" ({found.plan.reason})" if found.plan.reason else ""))
    if found.plan.steps:
        steps = [msgspec.structs.replace(step, wave=step.wave + 1) for step in found.plan.steps]
        tables.show(tables.steps([msgspec.to_builtins(step) for step in steps]))
    if found.foreign:
        say(f"note: it moves {len(found.foreign)} pods that other schedulers place, see --extender")
    if found.outcome is not None:
        done = found.outcome
        say(f"evicted {done.evicted}, bound {done.bound}")
        if done.given_up:
            say(f"given up: {done.given_up}")
    elif found.plan.steps and not apply:
        say("nothing was changed; --apply carries it out")


def _code(found: Any) -> int:
    if found.outcome is not None:
        return 1 if found.outcome.given_up else 0
    return 1 if found.waiting and (found.plan is None or not found.plan.steps) else 0
