"""`sutazai build`."""

import click

from sutazai.cli import completing
from sutazai.cli.context import Globals
from sutazai.cli.declaring import declare
from sutazai.cli.options import variables_option
from sutazai.errors import Refused
from sutazai.views.text import plural


@declare("sutazai build -e local --var release=1.1")
@click.argument("references", metavar="[IMAGE]...", nargs=-1, shell_complete=completing.images)
@variables_option
@click.pass_obj
def command(options: Globals, references: tuple[str, ...], variables: dict[str, str]) -> None:
    """Build the images that the environment's specs build (or just the named ones)."""
    import asyncio

    from sutazai.cli.apply import sink
    from sutazai.model.workload import Workload
    from sutazai.operations.images import builds, obtain

    project = options.project(variables)
    found = builds(project.fleet)
    unknown = [reference for reference in references if reference not in found]
    if unknown:
        raise Refused(
            f"{options.env} builds no image {unknown[0]}",
            hint=f"it builds {', '.join(sorted(found)) or 'none'}",
        )
    session = options.session(project, sink(options))
    chosen = references or tuple(sorted(found))

    async def build_all() -> None:
        limit = asyncio.Semaphore(4 if options.parallel_build else 1)

        async def one(reference: str) -> None:
            async with limit:
                await obtain(session, reference, Workload(image=reference, build=found[reference]))

        await asyncio.gather(*(one(reference) for reference in chosen))

    asyncio.run(build_all())
    if not options.json:
        click.echo(
            f"{plural(len(chosen), 'image')} built: {', '.join(chosen)}"
            if chosen
            else f"{options.env} builds no images."
        )
