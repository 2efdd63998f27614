"""Builds images/NAME as `make test` wants them: every version that a test uses, with the classic builder.

`sutazai build` does this for a project; the tests do not lean on what they test.
"""

import sys
import time
from pathlib import Path

import docker
from engine_client import connect

IMAGES = Path(__file__).resolve().parent.parent / "images"
VERSIONS = {"agent-runtime": ("1.0", "1.1"), "redis": ("7.0",), "postgres": ("15",), "router": ("2.6",)}


def main() -> int:
    client = connect(timeout=600)
    for name, versions in VERSIONS.items():
        for version in versions:
            tag = f"sutazai/{name}:{version}"
            began = time.monotonic()
            try:
                client.images.build(path=str(IMAGES / name), tag=tag, buildargs={"VERSION": version}, rm=True)
            except docker.errors.BuildError as error:
                sys.stderr.writelines(str(line.get("stream", "")) for line in error.build_log)
                print(f"could not build {tag}: {error}", file=sys.stderr)
                return 1
            print(f"built {tag} in {time.monotonic() - began:.1f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
