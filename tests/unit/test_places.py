"""Where configs come to be, and where there is no place for them."""

from typing import Any

import pytest

from sutazai.model.places import ConfigPlaces, config_places
from sutazai.model.workload import Workload


def places(*targets: str, image: tuple[str, ...] = (), **body: Any) -> ConfigPlaces:
    configs = [{"source": "c", "target": target} for target in targets]
    return config_places(Workload.model_validate({"configs": configs, **body}), image)


@pytest.mark.parametrize(("found", "folders"), [
    (places("/etc/app/c"), ()),
    (places("/c"), ()),
    (places("/etc/app/c", read_only=True), ("/etc/app",)),
    (places("/etc/app/c", "/etc/app/more/d", "/srv/x/", read_only=True), ("/etc/app", "/srv")),
    (places("/etc/app/c", "/etc/apple/d", read_only=True), ("/etc/app", "/etc/apple")),
    (places("/data/c", "/etc/c", read_only=True, volumes=["data:/data"]), ("/etc",)),
    (places("/data/c", read_only=True, image=("/data",)), ()),
    (places("/run/app/c", tmpfs=["/run:size=1m"]), ("/run/app",)),
    (places("/run/app/c", volumes=[{"type": "tmpfs", "target": "/run/"}]), ("/run/app",)),
    (places("/run/data/c", tmpfs=["/run"], volumes=["data:/run/data"], read_only=True), ()),
    (places("etc/app/c", "//etc/app/d", read_only=True), ("/etc/app",)),
    (places("run/app/c", tmpfs=["//run"]), ("/run/app",)),
    (places("/data/tmp/x/c", tmpfs=["/data/tmp"], volumes=["data:/data"]), ("/data/tmp/x",)),
])  # fmt: skip
def test_folders(found: ConfigPlaces, folders: tuple[str, ...]) -> None:
    assert found == ConfigPlaces(folders)


@pytest.mark.parametrize(("found", "nowhere"), [
    (places("/c", "/etc/d", read_only=True), ("/c",)),
    (places("/run/c", tmpfs=["/run"]), ("/run/c",)),
    (places("/run/c", tmpfs=["/run"], image=("/run",)), ("/run/c",)),
    (places("/run/x", tmpfs=["/run/x"]), ("/run/x",)),
])  # fmt: skip
def test_nowhere(found: ConfigPlaces, nowhere: tuple[str, ...]) -> None:
    assert found.nowhere == nowhere


def test_a_config_without_a_target_is_in_the_root() -> None:
    body = Workload.model_validate({"configs": ["c"], "read_only": True})
    assert config_places(body) == ConfigPlaces((), ("/c",))
