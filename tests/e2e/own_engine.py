"""A Docker Engine of a test's own, to be ended and started again: own data, sockets and process, in a network of its own, which
outlasts it, so that what lives on is reached as before. It gets its images from the shared engine."""

import contextlib
import ctypes
import fcntl
import os
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import docker
import psutil

from e2e.project import RELEASES, until

_NEW_NETWORK = 0x40000000  # CLONE_NEWNET
_SET_FLAGS, _UP = 0x8914, 1  # SIOCSIFFLAGS, IFF_UP
_libc = ctypes.CDLL(None, use_errno=True)


class Network:
    """A network namespace, there until it is closed and nothing is in it any more."""

    def __init__(self) -> None:
        with _going_back():
            _must(_libc.unshare(_NEW_NETWORK))
            self._own = _here()
            with socket.socket() as some:
                fcntl.ioctl(some, _SET_FLAGS, struct.pack("16sh14x", b"lo", _UP))

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """This thread is in it, and so are the threads and processes that it starts."""
        with _going_back():
            _must(_libc.setns(self._own, _NEW_NETWORK))
            yield

    def close(self) -> None:
        os.close(self._own)


@contextlib.contextmanager
def _going_back() -> Iterator[None]:
    before = _here()
    try:
        yield
    finally:
        _must(_libc.setns(before, _NEW_NETWORK))
        os.close(before)


def _here() -> int:
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY)


def _must(result: int) -> None:
    if result:
        raise OSError(ctypes.get_errno(), "no network of one's own: these tests run as root")


class OwnEngine:
    """`dockerd` under `folder`; `socket` is where it answers, and `network` where its containers and their ports are."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.socket = f"unix://{folder}/docker.sock"
        self.network = Network()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *options: str) -> None:
        # A killed engine leaves the numbers of its processes behind. When one is another's by now, the next engine waits for it.
        for stale in ("pid", "exec/containerd/containerd.pid", "exec/containerd/containerd.sock"):
            (self._folder / stale).unlink(missing_ok=True)
        log = (self._folder / "log").open("ab")
        command = ["dockerd", "--data-root", "data", "--exec-root", "exec", "--pidfile", "pid", "--host", self.socket, "--bridge", "none",
                   "--userland-proxy=false", "--cgroup-parent", f"/{self._folder.name}", *options]  # fmt: skip
        paths = [str(self._folder / word) if word in ("data", "exec", "pid") else word for word in command]
        with self.network.entered():
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
        try:
            self.clear()
        finally:
            self.kill(signal.SIGTERM)

    def clear(self) -> None:
        """Remove every container. One that the engine was starting when it was told to end may be mounted still, which the next
        engine knows nothing of: it can't remove it."""
        with contextlib.closing(self.client()) as client:
            for container in client.containers.list(all=True):
                try:
                    container.remove(force=True, v=True)
                except docker.errors.APIError as error:
                    if "device or resource busy" not in str(error):
                        raise
                    mounted = container.attrs["GraphDriver"]["Data"]["MergedDir"]
                    subprocess.run(["umount", "-l", mounted], check=True)
                    container.remove(force=True, v=True)

    def load(self, source: docker.DockerClient, images: Sequence[str]) -> None:
        with contextlib.closing(self.client()) as client:
            for image in images:
                client.images.load(source.images.get(image).save(named=image))


@contextlib.contextmanager
def own_engine(source: docker.DockerClient, images: Sequence[str] = RELEASES[:1]) -> Iterator[OwnEngine]:
    """Its folder has a short path, since that of a socket may not be long."""
    folder = Path(tempfile.mkdtemp(prefix="sutazai-engine-"))
    engine = OwnEngine(folder)
    try:
        engine.start()
        engine.load(source, images)
        yield engine
    finally:
        engine.end()
        _remove(folder)
        engine.network.close()


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
