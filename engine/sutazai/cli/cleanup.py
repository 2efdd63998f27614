"""`sutazai cleanup`."""

import click

from sutazai.cli.apply import approve
from sutazai.cli.context import Globals
from sutazai.cli.context import command as declare
from sutazai.errors import Conflict, NotFound


@declare("sutazai cleanup --keep 5")
@click.option(
    "--keep",
    type=click.IntRange(1),
    default=10,
    show_default=True,
    metavar="N",
    help="Keep the images of the newest N serials.",
)
@click.option("--auto-approve", is_flag=True, help="Do not ask.")
@click.pass_obj
def command(options: Globals, keep: int, auto_approve: bool) -> None:
    """Remove the images that only older serials ran. A rollback to those serials would have to build or pull them again.

    Never touches volumes, nor images that no serial of this environment names.
    """
    session = options.session(options.project())
    store = session.store
    with store.lock("cleanup"):
        serials = store.serials()
        images = {
            n: {i.image_id for r in store.read(n).resources for i in r.instances if i.image_id}
            for n in serials
        }
        needed = set().union(*(images[n] for n in serials[-keep:])) if serials else set()
        surplus = sorted(set().union(*images.values()) - needed) if images else []
        there = [image for image in surplus if session.provider.images([image]).get(image) is not None]
        if not there:
            click.echo("Nothing to clean up.")
            return
        click.echo("\n".join(f"  - image {image[:19]}" for image in there))
        if not approve(options, f"Remove {len(there)} image(s)?", auto=auto_approve):
            return
        for image in there:
            try:
                session.provider.remove_image(image)
                click.echo(f"removed {image[:19]}")
            except (Conflict, NotFound) as error:
                click.echo(f"kept {image[:19]}: {error.message}")
