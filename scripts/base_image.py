"""Sees to it that `debian:bookworm-slim` is there: found, pulled, or made from this machine's sources.

The last way needs root on Debian or Ubuntu and no registry. The image is streamed into the engine as it is
made and gets its name only once it is whole, so that an interrupted run leaves nothing that looks finished.
"""

import json
import subprocess
import sys
import time
from pathlib import Path
from shutil import which

import docker
import requests
from engine_client import connect

REPOSITORY, TAG = "debian", "bookworm-slim"
IMAGE = f"{REPOSITORY}:{TAG}"
SUITE = "bookworm"
SILENCE = 15  # seconds without a word from a registry before it counts as unreachable

# What Debian's own slim image leaves out as well. Given to the new system's dpkg as a file: mmdebstrap's own
# option sends every package through a slow filter and takes 10 s more.
LEFT_OUT = "doc groff info linda lintian locale man"
SETUP_HOOK = (
    f'for name in {LEFT_OUT}; do echo "path-exclude=/usr/share/$name/*"; done '
    '> "$1/etc/dpkg/dpkg.cfg.d/slim"; '
    "echo 'path-include=/usr/share/doc/*/copyright' >> \"$1/etc/dpkg/dpkg.cfg.d/slim\""
)
PRUNE_HOOK = (
    f'for name in {LEFT_OUT}; do [ ! -d "$1/usr/share/$name" ] || find "$1/usr/share/$name" '
    "-mindepth 1 ! -name copyright \\( ! -type d -o -empty \\) -delete; done"
)


def main() -> int:
    if _exists():
        print(f"{IMAGE} is there")
        return 0
    reason = _pull()
    if not reason:
        print(f"pulled {IMAGE}")
        return 0
    began = time.monotonic()
    print(f"making {IMAGE} from this machine's package sources, as it cannot be pulled: {reason}", flush=True)
    if which("mmdebstrap") is None and not _install_mmdebstrap():
        return 1
    problem = _bootstrap()
    if problem:
        print(f"could not make {IMAGE}: {problem}", file=sys.stderr)
        return 1
    print(f"made {IMAGE} in {time.monotonic() - began:.0f} s")
    return 0


def _exists() -> bool:
    try:
        connect().images.get(IMAGE)
    except docker.errors.ImageNotFound:
        return False
    return True


def _pull() -> str:
    """Why it cannot be pulled, "" once it has been."""
    try:
        for event in connect(SILENCE).api.pull(REPOSITORY, TAG, stream=True, decode=True):
            if "error" in event:
                return str(event["error"])
    except (docker.errors.APIError, requests.RequestException) as error:
        return str(getattr(error, "explanation", None) or error)
    return ""


def _install_mmdebstrap() -> bool:
    script = Path(__file__).with_name("apt-install.sh")
    return subprocess.run([script, "it makes the base image", "mmdebstrap"], check=False).returncode == 0


def _bootstrap() -> str:
    """Why it failed, "" when it did not."""
    command = ["mmdebstrap", "--quiet", "--variant=apt", "--format=tar"]
    command += [f"--setup-hook={SETUP_HOOK}", f"--customize-hook={PRUNE_HOOK}", *_apt_options(), SUITE, "-"]
    engine = connect(timeout=300).api
    command += _sources()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as making:
        answer = engine.import_image_from_stream(making.stdout, changes=['CMD ["bash"]'])
    result = json.loads(answer.splitlines()[-1])
    if "error" in result:
        return f"the engine refused it: {result['error']}"
    identifier = result["status"]
    if making.returncode:
        engine.remove_image(identifier)
        return f"mmdebstrap ended with {making.returncode}; what it said is above"
    engine.tag(identifier, REPOSITORY, TAG)
    return ""


def _sources() -> list[str]:
    """This machine's own sources of the suite, maybe mirrors. None on another release."""
    fields = "$(ORIGIN)|$(COMPONENT)|$(CODENAME)|$(SITE)|$(RELEASE)"
    lines: list[str] = []
    for target in _output("apt-get", "indextargets", "--format", fields, "Identifier: Packages"):
        origin, component, codename, site, release = target.split("|")
        if origin == "Debian" and component == "main" and codename.partition("-")[0] == SUITE:
            lines.append(f"deb {site} {release} {component}")
    return lines if any(line.endswith(f" {SUITE} main") for line in lines) else []


def _apt_options() -> list[str]:
    """How this machine reaches its sources (a proxy, dates that are past) holds in the image as well."""
    wanted = ("::Proxy", "::Check-Valid-Until", "::Check-Date")
    lines = _output("apt-config", "dump", "Acquire")
    return [f"--aptopt={line}" for line in lines if any(word in line for word in wanted)]


def _output(*command: str) -> list[str]:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()


if __name__ == "__main__":
    sys.exit(main())
