"""A Docker Engine of a test's own, to be killed and started again: own data, sockets and process, in a network namespace of its
own, since an engine without a bridge takes away the one that is there. It gets the small agent image from the shared engine."""

import contextlib
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import docker
import psutil

from e2e.project import RELEASES, until


class OwnEngine:
    """`dockerd` under `folder`; `socket` is where it answers."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.socket = f"unix://{folder}/docker.sock"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        # A killed engine leaves the numbers of its processes behind. When one is another's by now, the next engine waits for it.
        for stale in ("pid", "exec/containerd/containerd.pid", "exec/containerd/containerd.sock"):
            (self._folder / stale).unlink(missing_ok=True)
        log = (self._folder / "log").open("ab")
        command = ["unshare", "--net", "dockerd", "--data-root", "data", "--exec-root", "exec", "--pidfile", "pid", "--host", self.socket, "--bridge", "none",
                   "--iptables=false", "--ip6tables=false", "--cgroup-parent", f"/{self._folder.name}"]  # fmt: skip
        paths = [str(self._folder / word) if word in ("data", "exec", "pid") else word for word in command]
        self._process = subprocess.Popen(paths, stdout=log, stderr=log, start_new_session=True)
        log.close()
        until(self._answers, "the engine does not answer", within=60)

    def client(self) -> docker.DockerClient:
        return docker.DockerClient(base_url=self.socket, timeout=60)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self._folder / "log").read_text()[-2000:]
        with socket.socket(socket.AF_UNIX) as connection:
            if connection.connect_ex(self.socket.removeprefix("unix://")):
                return False
            try:
                connection.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
                return b"200" in connection.recv(100)
            except ConnectionResetError:  # it listens before it is ready
                return False

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        assert self._process is not None
        self._process.send_signal(number)
        self._process.wait(60)

    def end(self) -> None:
        """Every container, then the engine, then all that it mounted."""
        if self._process is None or self._process.poll() is not None:
            return
        with contextlib.closing(self.client()) as client:
            for container in client.containers.list(all=True):
                container.remove(force=True, v=True)
        self.kill(signal.SIGTERM)

    def load(self, source: docker.DockerClient) -> None:
        with contextlib.closing(self.client()) as client:
            client.images.load(source.images.get(RELEASES[0]).save(named=True))


@contextlib.contextmanager
def own_engine(source: docker.DockerClient) -> Iterator[OwnEngine]:
    """Its folder has a short path, since that of a socket may not be long."""
    folder = Path(tempfile.mkdtemp(prefix="sutazai-engine-"))
    engine = OwnEngine(folder)
    try:
        engine.start()
        engine.load(source)
        yield engine
    finally:
        engine.end()
        _remove(folder)


def _remove(folder: Path) -> None:
    """What an engine that would not start again left behind."""
    for process in psutil.process_iter(["cmdline"]):
        if any(str(folder) in word for word in process.info["cmdline"] or ()):
            for one in (*process.children(recursive=True), process):
                with contextlib.suppress(psutil.NoSuchProcess):
                    one.kill()
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for mount in sorted((mount for mount in mounts if mount.startswith(f"{folder}/")), reverse=True):
        subprocess.run(["umount", "-l", mount], check=False)
    shutil.rmtree(folder)
    for controller in Path("/sys/fs/cgroup").glob(f"**/{folder.name}"):
        with contextlib.suppress(OSError):
            controller.rmdir()
