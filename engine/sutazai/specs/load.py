"""Specs to the desired state of one environment: the one function that everything else calls.

`load` is a pure function of the files it reads, the environment's name, the variables and the process's
variables that the specs ask for. All problems are found in one run; with any error there is no fleet.
"""

from collections.abc import Mapping as AbstractMapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel

from sutazai.diagnostics import Diagnostics, did_you_mean
from sutazai.model.fleet import BackendOptions, Fleet, ProviderOptions
from sutazai.model.workload import declared
from sutazai.specs.body import Surroundings, workload
from sutazai.specs.check import Checked, check_fleet
from sutazai.specs.environment import Environment, environments, read_environment
from sutazai.specs.interpolate import Failed, Renderer
from sutazai.specs.modules import Module, read_modules
from sutazai.specs.names import EnvironmentName, Variables
from sutazai.specs.nodes import Entry, Mapping, Mark, Node, Plain, Scalar, Source, from_plain, kind_of, plain
from sutazai.specs.parts import fleet_parts, section
from sutazai.specs.project import Project, project_name, read_project
from sutazai.specs.read import parse
from sutazai.specs.report import Report
from sutazai.specs.resolve import Resolver
from sutazai.state.scope import digest_of

_COMMAND_LINE = Mark(Source("--var", ()), 1, 1)


@dataclass(frozen=True, slots=True)
class Loaded:
    """One environment, resolved. `fleet` is None when there are errors. `spec_digest` is a SHA-256 over the
    fleet."""

    fleet: Fleet | None
    provider: ProviderOptions
    backend: BackendOptions
    diagnostics: Diagnostics
    spec_digest: str = ""


def load(
    root: Path, environment: str, *, variables: AbstractMapping[str, str], environ: AbstractMapping[str, str]
) -> Loaded:
    """Read, merge, render and check the specs of the project in `root` for one environment. Never raises for
    what the files hold: everything wrong is in the result's diagnostics."""
    report = Report()
    around = Surroundings(root.resolve(), environ)
    project = read_project(around.root, report)
    overlay = read_environment(around.root, environment, report)
    modules = read_modules(around.root, report)
    resolver = _resolver(project, overlay, modules, variables, report)
    name = project_name(project, report)
    provider = section(ProviderOptions, overlay.provider, "provider", resolver) or ProviderOptions()
    backend = section(BackendOptions, overlay.state, "state", resolver) or BackendOptions()

    drafts = resolver.resolve()
    members = [
        Checked(draft, model) for draft in drafts if (model := workload(draft, around, report)) is not None
    ]
    check_fleet(drafts, members, project.tables, report)
    parts = fleet_parts(project, overlay, members, resolver, around)
    fleet = None if report.failed or parts is None else _fleet(name, environment, members, parts)
    return Loaded(fleet, provider, backend, report.collect(), digest_of(declared(fleet)) if fleet else "")


def load_variables(root: Path, environment: str, *, variables: AbstractMapping[str, str]) -> dict[str, Plain]:
    """The variables of an environment with their values; those that have none because of a problem are left
    out."""
    report = Report()
    resolved = root.resolve()
    resolver = _resolver(
        read_project(resolved, report), read_environment(resolved, environment, report), {}, variables, report
    )
    return {
        name: value
        for name in resolver.variables.names
        if (value := _value(resolver.variables, name)) is not None
    }


def _value(variables: Variables, name: str) -> Plain:
    try:
        return variables.value(name)
    except Failed:
        return None


def _resolver(
    project: Project,
    overlay: Environment,
    modules: AbstractMapping[str, Module | None],
    variables: AbstractMapping[str, str],
    report: Report,
) -> Resolver:
    entries = {**project.table("variables"), **(overlay.variables.entries if overlay.variables else {})}
    for name, text in variables.items():
        if name not in entries:
            report.error(
                None,
                f"--var {name}: there is no variable {name!r}",
                "unknown-variable",
                hint=did_you_mean(name, entries) or "declare it under variables in a spec file",
            )
            continue
        typed = _typed(name, text, entries[name].node, report)
        if typed is not None:
            entries[name] = Entry(_COMMAND_LINE, typed)
    renderer = Renderer(report)
    values = Variables(entries, renderer, report, EnvironmentName(overlay.name))
    for name in entries:
        _value(values, name)  # every variable is looked at, used or not
    return Resolver(project, modules, overlay, values, renderer, report)


def _typed(name: str, text: str, declared_node: Node, report: Report) -> Node | None:
    """The value of `--var NAME=TEXT`, of the type that the declared value has: a text stays a text."""
    value = declared_node.value if isinstance(declared_node, Scalar) else None
    if isinstance(declared_node, Scalar) and (isinstance(value, str) or value is None):
        return Scalar(text, _COMMAND_LINE)
    own = Report()
    node = parse(text, "--var", own)
    given = plain(node) if node is not None else None
    expected: tuple[type, ...] = (
        (bool,) if isinstance(value, bool) else (int,) if isinstance(value, int) else (int, float)
    )
    if isinstance(declared_node, Scalar):
        fits = isinstance(given, expected) and (bool in expected or not isinstance(given, bool))
    else:
        fits = isinstance(given, dict if isinstance(declared_node, Mapping) else list)
    if own.failed or not fits:
        report.error(
            None,
            f"--var {name}: {text!r} is not {kind_of(declared_node)}, which {name} is declared to be",
            "bad-variable",
            related=[("declared here", declared_node.mark)],
        )
        return None
    return from_plain(given, _COMMAND_LINE)


def _fleet(
    name: str, environment: str, members: list[Checked], parts: dict[str, BaseModel | object]
) -> Fleet:
    agents = {m.address.name: m.model for m in members if m.address.kind == "agent"}
    services = {m.address.name: m.model for m in members if m.address.kind == "service"}
    return Fleet.model_validate(
        {"project": name, "environment": environment, "services": services, "agents": agents, **parts}
    )


__all__ = ["Loaded", "environments", "load", "load_variables"]
