"""Getting images: pulled from a registry, with the credentials that `docker login` keeps, or built from a
context with the classic builder, which every engine has."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import IO, Any

from sutazai.errors import NotFound, ProviderError
from sutazai.model.compose import Build
from sutazai.providers.docker.writer import Writer

_LAST_LINES = 20
_INLINE = ".sutazai.Dockerfile"
"""The name, inside the context, of a Dockerfile that is written in the specs."""


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
    inline = options.dockerfile_inline
    with writer.client(f"build {reference}") as client, _inline(context, options) as archive:
        lines = client.build(
            path=str(context) if archive is None else None,
            fileobj=archive,
            custom_context=archive is not None,
            dockerfile=options.dockerfile if inline is None else _INLINE,
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


@contextmanager
def _inline(context: Path, options: Build) -> Iterator[IO[bytes] | None]:
    """The context with the Dockerfile that is written in the specs in it; None where the Dockerfile is a file."""
    if options.dockerfile_inline is None:
        yield None
        return
    from docker.utils.build import tar

    with TemporaryDirectory() as empty, TemporaryFile() as archive:
        folder = context if options.context else Path(empty)
        ignored = folder / ".dockerignore"
        lines = ignored.read_text().splitlines() if ignored.is_file() else []
        patterns = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
        tar(folder, patterns, (_INLINE, options.dockerfile_inline), archive)
        yield archive


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
