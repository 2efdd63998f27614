"""`sutazai cleanup`."""

from typing import TYPE_CHECKING

import click

from sutazai.cli.apply import approve
from sutazai.cli.context import Globals
from sutazai.cli.context import command as declare
from sutazai.errors import Conflict, NotFound

if TYPE_CHECKING:
    from collections.abc import Callable

    from sutazai.operations.session import Session
    from sutazai.state.observed import AnonymousVolume


@declare("sutazai cleanup --keep 5")
@click.option(
    "--keep",
    type=click.IntRange(1),
    default=10,
    show_default=True,
    metavar="N",
    help="Keep the images of the newest N serials.",
)
@click.option(
    "--volumes", is_flag=True, help="Remove volumes without a name that no container has: their data is lost."
)
@click.option("--auto-approve", is_flag=True, help="Do not ask.")
@click.pass_obj
def command(options: Globals, keep: int, volumes: bool, auto_approve: bool) -> None:
    """Remove the images that only older serials ran. A rollback to those serials would have to build or pull them again.

    Lists the volumes without a name of their own that containers of this environment left behind; --volumes removes them too.
    Never touches volumes with a name, nor images that no serial of this environment names.
    """
    project = options.project()
    session = options.session(project)
    with session.store.lock("cleanup"):
        images = _surplus_images(session, keep)
        left_over = [
            volume for volume in session.provider.observe(project.fleet).anonymous if not volume.used
        ]
        if left_over and not volumes:
            of = ", ".join(dict.fromkeys(str(volume.address) for volume in left_over))
            click.echo(
                f"Left over: {_count(len(left_over), 'volume')} without a name (of {of}). --volumes removes them and their data."
            )
            left_over = []
        if not images and not left_over:
            click.echo("Nothing to clean up.")
            return
        for image in images:
            click.echo(f"  - image {image[:19]}")
        for volume in left_over:
            click.echo(f"  - volume {volume.name[:12]} of {volume.address}, with its data")
        what = [_count(len(images), "image")] if images else []
        what += [_count(len(left_over), "volume")] if left_over else []
        if approve(options, f"Remove {' and '.join(what)}?", auto=auto_approve):
            _remove(session, images, left_over)


def _surplus_images(session: "Session", keep: int) -> list[str]:
    store = session.store
    serials = store.serials()
    images = {
        n: {i.image_id for r in store.read(n).resources for i in r.instances if i.image_id} for n in serials
    }
    needed = set().union(*(images[n] for n in serials[-keep:])) if serials else set()
    surplus = sorted(set().union(*images.values()) - needed) if images else []
    return [image for image in surplus if session.provider.images([image]).get(image) is not None]


def _remove(session: "Session", images: "list[str]", volumes: "list[AnonymousVolume]") -> None:
    work: list[tuple[str, Callable[[str], None], str]] = [
        *((image, session.provider.remove_image, image[:19]) for image in images),
        *((volume.name, session.provider.remove_volume, volume.name[:12]) for volume in volumes),
    ]
    for name, remove, shown in work:
        try:
            remove(name)
            click.echo(f"removed {shown}")
        except (Conflict, NotFound) as error:
            click.echo(f"kept {shown}: {error.message}")


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' if number > 1 else ''}"
