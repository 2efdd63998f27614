"""Commands and files in a simulated container: a few programs that every image has, and what an image says of its own."""

import posixpath
import shlex
from collections.abc import Callable, Mapping, Sequence

from sutazai.errors import Conflict, NotEnded, NotFound, ProviderError
from sutazai.ports import NO_VARIABLES, Executed
from sutazai.providers.simulated.engine import ANY_PROGRAM, SimulatedContainer, SimulatedImage
from sutazai.providers.simulated.looking import Looking, changing

_NO_SUCH_COMMAND = 127
_FOLDERS = ("/", "/etc", "/run", "/tmp", "/var/lib")  # noqa: S108 - of a container that is none


class Commands(Looking):
    """`ports.Provider`, as far as it is about what runs and lies in a container."""

    @changing
    def execute(
        self,
        instance_id: str,
        command: Sequence[str],
        *,
        stdin: bytes = b"",
        timeout: float,
        user: str = "",
        environment: Mapping[str, str] = NO_VARIABLES,
        given_up: Callable[[], bool] | None = None,
    ) -> Executed:
        container = self._own(instance_id)
        if container.instance.status != "running":
            raise Conflict(f"container {container.instance.name} is not running", status=409)
        image = self.engine.image_of(container.instance.image_id)
        if command[0] == "sleep" and given_up is not None and given_up():
            raise NotEnded("can't run sleep: it was given up")
        body = container.instance.body
        variables = {**body.environment, **environment, "USER": user or body.user or "root"}
        return run_command(container, image, command, stdin, timeout, variables)

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


def run_command(
    container: SimulatedContainer,
    image: SimulatedImage | None,
    command: Sequence[str],
    stdin: bytes = b"",
    timeout: float = 0.0,
    variables: Mapping[str, str | None] | None = None,
) -> Executed:
    """What a command in a container says and how it ends."""
    program, *arguments = command
    if image is not None and program in image.commands:
        return Executed(*image.commands[program])
    match program, arguments:
        case "sh", ["-c", script, *_]:
            return run_command(container, image, shlex.split(script), stdin, timeout, variables)
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
        case "printenv", [name]:
            known = (variables or container.instance.body.environment).get(name)
            return Executed(1) if known is None else Executed(0, f"{known}\n")
        case "id", ["-un"]:
            return Executed(0, f"{(variables or {}).get('USER') or 'root'}\n")
        case "sleep", [seconds]:
            if float(seconds) > timeout:
                raise NotEnded(f"can't run sleep: it did not end within {timeout:g} s")
            return Executed(0)
        case _ if image is not None and ANY_PROGRAM in image.commands:
            return Executed(*image.commands[ANY_PROGRAM])
        case _:
            return Executed(_NO_SUCH_COMMAND, "", f"{program}: not found")
