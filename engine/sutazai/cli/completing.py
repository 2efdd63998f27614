"""What a shell is offered while a word is typed. It must never fail nor say anything: where the specs or the state can't be
read, nothing is offered."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import click

from sutazai.errors import SutazaiError

if TYPE_CHECKING:
    from sutazai.cli.context import Globals
    from sutazai.wiring import Project

Complete = Callable[[click.Context, click.Parameter, str], list[str]]


def _offer(words: "Callable[[Globals, Project], Iterable[str]]") -> Complete:
    def complete(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
        from sutazai.wiring import known_project

        options: Globals = context.obj
        try:
            project = known_project(options.chdir, options.env, {}, options.environ)
            return [word for word in words(options, project) if word.startswith(incomplete)]
        except SutazaiError:
            return []

    return complete


def _names(_options: "Globals", project: "Project") -> Iterable[str]:
    """Every workload, by its name alone where that is enough."""
    fleet = project.fleet
    for address, _ in fleet.workloads():
        yield address.name if fleet.resolve(address.name) == address else str(address)
    yield from sorted({f"tier:{body.tier}" for _, body in fleet.workloads() if body.tier})
    yield from sorted({f"category:{body.category}" for _, body in fleet.workloads() if body.category})


def _recorded(options: "Globals", project: "Project") -> Iterable[str]:
    state = options.session(project).store.newest()
    return [str(record.address) for record in state.resources] if state else []


def _serials(options: "Globals", project: "Project") -> Iterable[str]:
    return [str(serial) for serial in reversed(options.session(project).store.serials())]


def _images(_options: "Globals", project: "Project") -> Iterable[str]:
    from sutazai.operations.images import builds

    return sorted(builds(project.fleet))


selectors = _offer(_names)
addresses = _offer(_recorded)
serials = _offer(_serials)
images = _offer(_images)


def environments(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    from sutazai.specs.environment import environments as names
    from sutazai.specs.world import World

    options: Globals = context.obj
    return [name for name in names(World(options.chdir, {})) if name.startswith(incomplete)]
