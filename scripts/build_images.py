"""Builds images/NAME as `make test` wants them: every version that a test uses, with the classic builder; and the image of the
traffic switch, whose Dockerfile is the program's own.

`sutazai build` does this for a project; the tests do not lean on what they test.
"""

import io
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import docker
from engine_client import connect

from sutazai.specs.traffic import DOCKERFILE
from sutazai.specs.traffic import IMAGE as SWITCH_IMAGE

ROOT = Path(__file__).resolve().parent.parent
VERSIONS = {"agent-runtime": ("1.0", "1.1"), "redis": ("7.0",), "postgres": ("15",)}


AT_ONCE = 2
"""One unpacks while another downloads."""


def main() -> int:
    client = connect(timeout=600)
    wanted: list[tuple[str, dict[str, Any]]] = [
        ("sutazai/test-ceph:16", {"path": str(ROOT / "tests/contract/ceph")}),  # takes the longest
        (SWITCH_IMAGE, {"fileobj": io.BytesIO(DOCKERFILE.encode())}),
        *(
            (
                f"sutazai/{name}:{version}",
                {"path": str(ROOT / "images" / name), "buildargs": {"VERSION": version}},
            )
            for name, versions in VERSIONS.items()
            for version in versions
        ),
    ]

    def build(tag: str, options: dict[str, Any]) -> bool:
        began = time.monotonic()
        try:
            client.images.build(tag=tag, rm=True, **options)
        except docker.errors.BuildError as error:
            sys.stderr.writelines(str(line.get("stream", "")) for line in error.build_log)
            print(f"could not build {tag}: {error}", file=sys.stderr)
            return False
        print(f"built {tag} in {time.monotonic() - began:.1f} s", flush=True)
        return True

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return 0 if all(list(pool.map(build, *zip(*wanted, strict=True)))) else 1


if __name__ == "__main__":
    sys.exit(main())
