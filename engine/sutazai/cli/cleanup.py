"""`sutazai cleanup`."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from sutazai.cli.apply import approve
from sutazai.cli.context import Globals
from sutazai.cli.declaring import declare
from sutazai.cli.options import lock_timeout_option
from sutazai.errors import Conflict, NotFound
from sutazai.views.text import plural

if TYPE_CHECKING:
    from collections.abc import Callable

    from sutazai.operations.recovery import Unfinished
    from sutazai.operations.session import Session


@dataclass(frozen=True, slots=True)
class Surplus:
    """What nothing needs any more. `of` is the workload that left a volume behind."""

    kind: str
    name: str
    shown: str
    of: str | None = None

    def as_data(self) -> dict[str, str | None]:
        return {"kind": self.kind, "name": self.name, "of": self.of}


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
@lock_timeout_option
@click.pass_obj
def command(options: Globals, keep: int, volumes: bool, auto_approve: bool, lock_timeout: float) -> None:
    """Remove the images that only older serials ran. A rollback to those serials would have to build or pull them again.

    Lists the volumes without a name of their own that containers of this environment left behind; --volumes removes them too.
    Never touches volumes with a name, nor images that no serial of this environment names, nor what a run needs that did not come
    to its end: it can be gone on with, and taken back.
    """
    project = options.project()
    session = options.session(project)
    say: Callable[[str], None] = (lambda _text: None) if options.json else click.echo
    with session.store.lock("cleanup", timeout=lock_timeout):
        images = _surplus_images(session, keep)
        unused = [
            Surplus("volume", volume.name, volume.name[:12], str(volume.address))
            for volume in session.provider.observe(project.fleet).anonymous
            if not volume.used
        ]
        left_over = [] if volumes else unused
        if left_over:
            of = ", ".join(dict.fromkeys(str(one.of) for one in left_over))
            say(
                f"Left over: {plural(len(left_over), 'volume')} without a name (of {of}). --volumes removes them and their data."
            )
        surplus = [Surplus("image", image, image[:19]) for image in images] + (unused if volumes else [])
        for one in surplus:
            say(f"  - {one.kind} {one.shown}{f' of {one.of}, with its data' if one.of else ''}")
        if surplus:
            counts = [(sum(one.kind == kind for one in surplus), kind) for kind in ("image", "volume")]
            what = " and ".join(plural(number, kind) for number, kind in counts if number)
            if not approve(options, f"Remove {what}?", auto=auto_approve):
                return
        else:
            say("Nothing to clean up.")
        kept = _remove(session, surplus, say)
    if options.json:
        options.print_json(
            {
                "removed": [one.as_data() for one in surplus if one not in kept],
                "kept": [{**one.as_data(), "why": why} for one, why in kept.items()],
                "left_over": [one.as_data() for one in left_over],
            }
        )


def _surplus_images(session: "Session", keep: int) -> list[str]:
    from sutazai.operations.recovery import unfinished_runs

    store = session.store
    serials = store.serials()
    images = {
        n: {i.image_id for r in store.read(n).resources for i in r.instances if i.image_id} for n in serials
    }
    unfinished = unfinished_runs(store)
    kept = {*serials[-keep:], *(run.set_out for run in unfinished)}
    needed = set().union(
        *(images[n] for n in kept & images.keys()), *(_to_be_run(session, run) for run in unfinished)
    )
    surplus = sorted(set().union(*images.values()) - needed) if images else []
    return [image for image in surplus if session.provider.images([image]).get(image) is not None]


def _to_be_run(session: "Session", run: "Unfinished") -> set[str]:
    """The images of what a run was to reach."""
    from sutazai.operations.images import built_name

    names = set(run.options.pinned.values())
    for address, workload in run.desired.workloads():
        names |= {built_name(run.desired.project, address, workload), *workload.hooks.images}
    return {image.id for image in session.provider.images(names).values() if image is not None}


def _remove(
    session: "Session", surplus: "list[Surplus]", say: "Callable[[str], None]"
) -> "dict[Surplus, str]":
    """Remove what can be removed; what was kept, and why."""
    kept = {}
    for one in surplus:
        remove = session.provider.remove_image if one.kind == "image" else session.provider.remove_volume
        try:
            remove(one.name)
            say(f"removed {one.shown}")
        except (Conflict, NotFound) as error:
            kept[one] = error.message
            say(f"kept {one.shown}: {error.message}")
    return kept
