"""Commands and files in a simulated container: a few programs that every image has, and what an image says of its own."""

import posixpath
import shlex
from collections.abc import Sequence

from sutazai.errors import Conflict, NotFound, ProviderError
from sutazai.ports import Executed
from sutazai.providers.simulated.engine import SimulatedContainer, SimulatedImage
from sutazai.providers.simulated.looking import Looking, changing

_NOT_FOUND = 127
_FOLDERS = ("/", "/etc", "/run", "/tmp", "/var/lib")  # noqa: S108 - of a container that is none


class Commands(Looking):
    """`ports.Provider`, as far as it is about what runs and lies in a container."""

    @changing
    def execute(
        self, instance_id: str, command: Sequence[str], *, stdin: bytes = b"", timeout: float
    ) -> Executed:
        container = self._own(instance_id)
        if container.instance.status != "running":
            raise Conflict(f"container {container.instance.name} is not running", status=409)
        image = self.engine.image_of(container.instance.image_id)
        return _run(container, image, command, stdin, timeout)

    def script(
        self,
        instance_id: str,
        script: str,
        arguments: Sequence[str] = (),
        *,
        stdin: bytes = b"",
        timeout: float,
    ) -> Executed:
        return self.execute(instance_id, ["sh", "-c", script, "sh", *arguments], stdin=stdin, timeout=timeout)

    @changing
    def put_file(self, instance_id: str, path: str, content: bytes, mode: int) -> None:
        container = self._own(instance_id)
        if posixpath.dirname(path) not in _FOLDERS:
            raise NotFound(f"can't put {path} into {container.instance.name}: no such folder", status=404)
        try:
            container.files[path] = (content.decode(), mode)
        except UnicodeDecodeError as error:
            raise ProviderError(f"can't put {path}: the simulated engine keeps text only") from error


def _run(
    container: SimulatedContainer,
    image: SimulatedImage | None,
    command: Sequence[str],
    stdin: bytes,
    timeout: float,
) -> Executed:
    program, *arguments = command
    if image is not None and program in image.commands:
        return Executed(*image.commands[program])
    match program, arguments:
        case "sh", ["-c", script, *_]:
            return _run(container, image, shlex.split(script), stdin, timeout)
        case "true", _:
            return Executed(0)
        case "false", _:
            return Executed(1)
        case "cat", []:
            return Executed(0, stdin.decode(errors="replace"))
        case "cat", [path]:
            found = container.files.get(path)
            return (
                Executed(0, found[0]) if found else Executed(1, "", f"cat: {path}: No such file or directory")
            )
        case "sleep", [seconds]:
            if float(seconds) > timeout:
                raise ProviderError(f"can't run sleep: it did not end within {timeout:g} s")
            return Executed(0)
        case _:
            return Executed(_NOT_FOUND, "", f"{program}: not found")
