"""`sutazai doctor`: the causes of failure that users meet, each with how to mend it."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from sutazai.cli.context import Globals
from sutazai.cli.declaring import declare
from sutazai.errors import ExitCode, InvalidInput, ProviderError, SutazaiError
from sutazai.views.text import plural

if TYPE_CHECKING:
    from sutazai.model.fleet import ProviderOptions
    from sutazai.state.observed import Host
    from sutazai.wiring import Project

LOW_DISK = 2 << 30


@dataclass(frozen=True, slots=True)
class Finding:
    """`level` is `ok`, `warning` or `error`; `exit_code` is what an error ends the command with."""

    level: str
    subject: str
    message: str
    mend: str = ""
    exit_code: ExitCode = ExitCode.ERROR


@declare("sutazai doctor -e local")
@click.pass_obj
def command(options: Globals) -> int:
    """Find what would make a deployment fail, and say how to mend it. Exits 7 when Docker can't be reached, 1 when
    something else would."""
    rows = list(_findings(options))
    if options.json:
        options.print_json(
            [{"level": r.level, "subject": r.subject, "message": r.message, "mend": r.mend} for r in rows]
        )
    else:
        marks = {"ok": "ok     ", "warning": "warning", "error": "ERROR  "}
        for row in rows:
            click.echo(f"{marks[row.level]}  {row.subject}: {row.message}")
            if row.mend:
                click.echo(f"         mend: {row.mend}")
    return max((row.exit_code for row in rows if row.level == "error"), default=ExitCode.OK)


def _findings(options: Globals) -> Iterator[Finding]:
    yield from _files(options)
    try:
        project = options.project()
    except InvalidInput as error:
        yield Finding(
            "error",
            "specs",
            f"{plural(len(error.diagnostics), 'problem')}, first: {error.diagnostics[0].summary}",
            error.diagnostics[0].hint or "sutazai validate"
            if error.diagnostics[0].position is None
            else "sutazai validate",
        )
        yield from _engine_alone(options)
        return
    yield Finding(
        "ok",
        "specs",
        f"{plural(len(project.fleet.agents), 'agent')}, {plural(len(project.fleet.services), 'service')} in {options.env}",
    )
    seen = False
    try:
        for finding in _engine(options, project):
            seen = seen or finding.subject == "docker"
            yield finding
    except ProviderError as error:
        yield _not_seen(error)
    except SutazaiError as error:
        yield Finding("error", "state", error.message, error.hint or "", error.exit_code)
        if not seen:
            yield from _engine_alone(options, project.loaded.provider)


def _engine_alone(options: Globals, provider: "ProviderOptions | None" = None) -> Iterator[Finding]:
    """What can be said of it where it is not known what is to run there."""
    from sutazai.wiring import host_of

    try:
        host = host_of(options.chdir, options.environ, provider)
    except SutazaiError as error:
        yield _not_seen(error)
        return
    if host is not None:
        yield from _host(host)


def _not_seen(error: SutazaiError) -> Finding:
    """An engine that can't be asked."""
    mend = error.hint or "start Docker (systemctl start docker), or set DOCKER_HOST; see docker info"
    return Finding("error", "docker", error.message, mend, error.exit_code)


def _host(host: "Host") -> Iterator[Finding]:
    yield Finding(
        "ok",
        "docker",
        f"Engine {host.version} (API {host.api_version}) on {host.name}: {host.cpus} CPUs, {host.memory >> 20} MiB",
    )
    if host.memory_available is not None and host.memory_available < host.memory // 20:
        yield Finding(
            "warning",
            "memory",
            f"only {host.memory_available >> 20} MiB are available",
            "stop what else runs on this host",
        )


def _files(options: Globals) -> Iterator[Finding]:
    free = shutil.disk_usage(options.chdir).free
    if free < LOW_DISK:
        yield Finding(
            "error",
            "disk",
            f"{free >> 20} MiB free",
            "sutazai cleanup, docker system prune, or a larger disk",
        )
    else:
        yield Finding("ok", "disk", f"{free >> 30} GiB free")
    for path in sorted((options.chdir / "environments").glob("*.key")) + sorted(
        (options.chdir / "secrets").glob("*")
    ):
        if path.is_file() and path.stat().st_mode & 0o077:
            yield Finding(
                "error",
                "permissions",
                f"others can read {path.name}",
                f"chmod 600 {path.relative_to(options.chdir)}",
            )


def _engine(options: Globals, project: "Project") -> Iterator[Finding]:
    from sutazai.operations.plan import make_plan
    from sutazai.operations.recovery import unfinished_runs
    from sutazai.plan.build import PlanOptions

    session = options.session(project)
    planned = make_plan(session, project.fleet, PlanOptions(spec_digest=project.loaded.spec_digest))
    host = planned.observed.host
    if host is not None:
        yield from _host(host)
    for finding in planned.plan.findings:
        if finding.severity in ("error", "warning"):
            subject = f"{finding.code} {finding.address}" if finding.address else finding.code
            yield Finding(finding.severity, subject, finding.summary, finding.hint)
    if (moved := session.store.moved_to()) is not None:
        message = f"it is no more in {session.store.where}: it was moved to {moved}, and nothing can be applied from here"
        mend = "put that place into `state` of the environment; or move it back with `sutazai state migrate`"
        yield Finding("error", "state", message, mend)
    for run in unfinished_runs(session.store)[-1:]:
        advice = "sutazai apply --resume goes on with it, sutazai rollback takes it back"
        yield Finding("warning", "journal", run.words, advice)
    restarting = [i for i in planned.observed.instances if i.status == "restarting"]
    for instance in restarting:
        yield Finding(
            "error",
            str(instance.address),
            f"its container restarts again and again ({instance.restart_count} times)",
            f"docker logs {instance.name}",
        )
    if planned.plan.applyable:
        yield Finding("ok", "plan", planned.plan.summary)
