"""Images before containers: build what is to be built, pull what is missing."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sutazai.address import Address
from sutazai.errors import ProviderError
from sutazai.events import ImageProgress
from sutazai.model.compose import Build
from sutazai.model.fleet import Fleet
from sutazai.model.workload import Workload
from sutazai.operations.session import Run, Session, together
from sutazai.state.observed import Image


def built_name(project: str, address: Address, workload: Workload) -> str:
    """The reference of a workload's image: the declared one, else `PROJECT-NAME:latest` for what is only built."""
    return workload.image or f"{project}-{address.name}:latest"


def builds(fleet: Fleet) -> dict[str, Build]:
    """Every image that this fleet builds, by reference; workloads that share one share the build."""
    return {
        built_name(fleet.project, address, workload): workload.build
        for address, workload in fleet.workloads()
        if workload.build is not None
    }


@dataclass(frozen=True, slots=True)
class Fetched:
    """Images by reference, and why others can't be had."""

    images: Mapping[str, Image]
    failed: Mapping[str, ProviderError]


async def ensure_images(
    run: Run,
    addresses: Iterable[Address],
    present: Mapping[str, Image | None],
    hooked: Iterable[Address] = (),
) -> Fetched:
    """The image of each reference that the addresses need, and what the hooks of `hooked` need; missing ones are built or
    pulled, and `pull_policy` kept. Once the run is to stop, no other is begun."""
    wanted: dict[str, Workload] = {}
    for address in addresses:
        workload = run.desired.workload(address)
        if workload is not None:
            wanted.setdefault(built_name(run.desired.project, address, workload), workload)
    wanted = {**_of_hooks(run.desired, hooked), **wanted}
    ready = {reference: image for reference, image in present.items() if image is not None}
    todo = [reference for reference, workload in wanted.items() if _needed(workload, present.get(reference))]
    limit = asyncio.Semaphore(4 if run.session.parallel_build else 1)

    failed: dict[str, ProviderError] = {}

    async def fetch(reference: str) -> None:
        async with limit:
            if not run.stop.requested:
                try:
                    ready[reference] = await obtain(run.session, reference, wanted[reference])
                except ProviderError as error:
                    failed[reference] = error

    await together(fetch(reference) for reference in todo)
    return Fetched(ready, failed)


def _of_hooks(fleet: Fleet, addresses: Iterable[Address]) -> dict[str, Workload]:
    """How to have the images that hooks take beside their workload's own: built where another workload builds it."""
    workloads = [workload for address in addresses if (workload := fleet.workload(address)) is not None]
    built = builds(fleet) if any(workload.hooks.images for workload in workloads) else {}
    return {
        image: Workload(image=image, build=built.get(image), platform=workload.platform)
        for workload in workloads
        for image in workload.hooks.images
    }


def _needed(workload: Workload, present: Image | None) -> bool:
    policy = workload.pull_policy
    if policy == "build":
        return True
    if policy == "always" and workload.build is None:
        return True
    return present is None


async def obtain(session: Session, reference: str, workload: Workload) -> Image:
    """Build the image when the workload says how, else pull it."""

    def progress(message: str) -> None:
        session.events(ImageProgress(session.clock.now(), reference, message))

    if workload.build is not None:
        progress("building")
        image = await session.calls(session.provider.build, reference, workload.build, progress)
    else:
        progress("pulling")
        image = await session.calls(session.provider.pull, reference, workload.platform, progress)
    progress("ready")
    return image
