"""Builds images/NAME as `make test` wants them: every version that a test uses, with the classic builder; and the image of the
traffic switch, whose Dockerfile is the program's own.

`sutazai build` does this for a project; the tests do not lean on what they test.
"""

import io
import sys
import time
from pathlib import Path
from typing import Any

import docker
from engine_client import connect

from sutazai.specs.traffic import DOCKERFILE
from sutazai.specs.traffic import IMAGE as SWITCH_IMAGE

IMAGES = Path(__file__).resolve().parent.parent / "images"
VERSIONS = {"agent-runtime": ("1.0", "1.1"), "redis": ("7.0",), "postgres": ("15",)}


def main() -> int:
    client = connect(timeout=600)
    wanted: list[tuple[str, dict[str, Any]]] = [
        (f"sutazai/{name}:{version}", {"path": str(IMAGES / name), "buildargs": {"VERSION": version}})
        for name, versions in VERSIONS.items()
        for version in versions
    ]
    wanted.append((SWITCH_IMAGE, {"fileobj": io.BytesIO(DOCKERFILE.encode())}))
    for tag, options in wanted:
        began = time.monotonic()
        try:
            client.images.build(tag=tag, rm=True, **options)
        except docker.errors.BuildError as error:
            sys.stderr.writelines(str(line.get("stream", "")) for line in error.build_log)
            print(f"could not build {tag}: {error}", file=sys.stderr)
            return 1
        print(f"built {tag} in {time.monotonic() - began:.1f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
