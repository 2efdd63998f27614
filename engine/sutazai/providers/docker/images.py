"""Getting images: pulled from a registry, with the credentials that `docker login` keeps, or built from a
context with the classic builder, which every engine has."""

from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from sutazai.errors import NotFound, ProviderError
from sutazai.model.compose import Build
from sutazai.providers.docker.writer import Writer

_LAST_LINES = 20


def pull(writer: Writer, reference: str, platform: str | None, progress: Callable[[str], None]) -> None:
    """Raises NotFound when the registry does not have the image, or does not show it to us."""
    with writer.client(f"pull {reference}") as client:
        name, tag = _split(reference)
        lines = client.pull(name, tag=tag, stream=True, decode=True, platform=platform)
        _follow(lines, progress, f"can't pull {reference}")


def _split(reference: str) -> tuple[str, str | None]:
    """The repository and its tag; a digest stays with the repository, as the engine takes it."""
    if "@" in reference:
        name, _, digest = reference.partition("@")
        return name, digest
    head, slash, last = reference.rpartition("/")
    name, _, tag = last.partition(":")
    return f"{head}{slash}{name}", tag or "latest"


def build(
    writer: Writer, reference: str, options: Build, root: Path, progress: Callable[[str], None]
) -> None:
    """The context is relative to `root`; its .dockerignore counts. The error carries the last lines of the
    output."""
    if len(options.platforms) > 1:
        raise ProviderError(
            f"can't build {reference} for several platforms at once",
            hint="name one platform in build.platforms",
        )
    context = root / options.context
    if not context.is_dir():
        raise ProviderError(f"can't build {reference}: the context {context} is not a directory")
    with writer.client(f"build {reference}") as client:
        lines = client.build(
            path=str(context),
            dockerfile=options.dockerfile,
            tag=reference,
            buildargs=dict(options.args),
            rm=True,
            forcerm=True,
            target=options.target or "",
            labels=dict(options.labels),
            decode=True,
            platform=options.platforms[0] if options.platforms else None,
        )
        _follow(lines, progress, f"can't build {reference}")


def _follow(lines: Iterable[Any], progress: Callable[[str], None], failed: str) -> None:
    """Hand on what the engine says, without the bars; raise for the error it may end with."""
    last: deque[str] = deque(maxlen=_LAST_LINES)
    for line in lines:
        if "error" in line:
            text = str(line["error"]).strip()
            output = "".join(f"\n  {said}" for said in last)
            missing = "not found" in text or "manifest unknown" in text or "does not exist" in text
            raise (NotFound if missing and "pull" in failed else ProviderError)(f"{failed}: {text}{output}")
        text = line.get("stream") or " ".join(part for part in (line.get("id"), line.get("status")) if part)
        if (text := text.strip()) and not line.get("progressDetail"):
            last.append(text)
            progress(text)
