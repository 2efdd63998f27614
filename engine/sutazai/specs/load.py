"""Specs to the desired state of one environment: the one function that everything else calls.

`resolve` is a pure function of the environment's name, the variables and what `World` answers. All problems are found in
one run; with any error there is no fleet. Commands load through `remembered`, which spares them this work where the
answers are those of an earlier run.
"""

from collections.abc import Mapping as AbstractMapping
from pathlib import Path

from pydantic import BaseModel

from sutazai.diagnostics import did_you_mean
from sutazai.errors import InvalidInput
from sutazai.model.backend import LocalBackend
from sutazai.model.fleet import Fleet, ProviderOptions, Traffic
from sutazai.model.workload import declared
from sutazai.specs.around import Around
from sutazai.specs.backend import backend_options
from sutazai.specs.body import workload
from sutazai.specs.check import Checked, check_fleet
from sutazai.specs.environment import Environment, read_environment
from sutazai.specs.environment import environments as _environments
from sutazai.specs.interpolate import Failed, Renderer
from sutazai.specs.loaded import Loaded
from sutazai.specs.merge import merge, settle
from sutazai.specs.modules import Module, read_modules
from sutazai.specs.names import EnvironmentName, Variables
from sutazai.specs.nodes import (
    NOWHERE,
    Entry,
    Mapping,
    Mark,
    Node,
    Plain,
    Scalar,
    Source,
    from_plain,
    kind_of,
    plain,
)
from sutazai.specs.parts import fleet_parts, is_given, section
from sutazai.specs.project import Project, project_name, read_project
from sutazai.specs.read import parse
from sutazai.specs.report import Report
from sutazai.specs.resolve import Resolver
from sutazai.specs.traffic import check_routes, with_switch
from sutazai.specs.world import World
from sutazai.state.scope import digest_of

_COMMAND_LINE = Mark(Source("--var", ()), 1, 1)


def load(
    root: Path, environment: str, *, variables: AbstractMapping[str, str], environ: AbstractMapping[str, str]
) -> Loaded:
    """`resolve` the project in `root` from its files."""
    return resolve(World(root, environ), environment, variables)


def resolve(world: World, environment: str, variables: AbstractMapping[str, str]) -> Loaded:
    """Read, merge, render and check the specs for one environment. Never raises for what the files hold: everything wrong
    is in the result's diagnostics."""
    report = Report()
    project = read_project(world, report)
    overlay = read_environment(world, environment, report)
    modules = read_modules(world, report)
    resolver = _resolver(project, overlay, modules, variables, report)
    name = project_name(project, report)
    provider = section(ProviderOptions, overlay.provider, "provider", resolver)
    backend = backend_options(overlay.state, resolver)
    told = (provider or not is_given(overlay.provider)) and (backend or not is_given(overlay.state))

    drafts = resolver.resolve()
    around = Around(world, report)
    found = ((draft, workload(draft, world, around, report)) for draft in drafts)
    members = [Checked(draft, *parts) for draft, parts in found if parts is not None]
    check_fleet(drafts, members, project.tables, report)
    traffic = section(Traffic, overlay.traffic, "traffic", resolver) or Traffic()
    check_routes(members, traffic, report)
    others = fleet_parts(project, overlay, members, resolver, world)
    fleet = None if report.failed or others is None else _fleet(name, environment, members, others)
    fleet = with_switch(fleet, traffic) if fleet is not None else None
    return Loaded(
        fleet,
        provider or ProviderOptions(),
        backend or LocalBackend(),
        report.collect(),
        digest_of(declared(fleet)) if fleet else "",
        sited=overlay.whole and bool(told),
    )


def environments(root: Path) -> tuple[str, ...]:
    """The environments of the project in `root` that can be named, sorted. Raises `InvalidInput` where they can't be read."""
    report = Report()
    found = _environments(World(root, {}), report)
    if report.failed:
        raise InvalidInput(report.collect())
    return found


def declared_name(root: Path) -> str | None:
    """The project's name, None where the specs can't tell it."""
    reading, naming = Report(), Report()
    project = read_project(World(root, {}), reading)
    name = project_name(project, naming)
    unknown = naming.failed or (reading.failed and "project" not in project.single)
    return None if unknown else name


def load_variables(root: Path, environment: str, *, variables: AbstractMapping[str, str]) -> dict[str, Plain]:
    """The variables of an environment with their values; those that have none because of a problem are left
    out."""
    report = Report()
    world = World(root, {})
    resolver = _resolver(
        read_project(world, report), read_environment(world, environment, report), {}, variables, report
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
    joined = merge(Mapping(project.table("variables"), NOWHERE), overlay.variables)
    settled = settle(joined, report) if joined is not None else None
    entries = dict(settled.entries) if isinstance(settled, Mapping) else {}
    renderer = Renderer(report)
    values = Variables(entries, renderer, report, EnvironmentName(overlay.name), overlay.unread)
    for name, text in variables.items():
        if values.may_be_declared(name):
            continue
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


__all__ = ["Loaded", "declared_name", "environments", "load", "load_variables", "resolve"]
