"""For every field of a network and of a volume: what it is set to, what it is changed to, and how the plan shows it.

As in `field_cases`: `bare` is the body without the field, `first` with it, `second` with another value. Each case has a network or
volume of its own. `applies` False: not every engine can make the second value, so it is planned only.
"""

from dataclasses import dataclass, field
from typing import Any

from integration.field_cases import Fragment

CALLED = "a network or volume keeps its name as long as it is there"
ONE_DRIVER = "no engine has a second driver for sure"
POOL = "@POOL"
"""The first three bytes of an address range that one run of the tests has to itself."""


@dataclass(frozen=True, slots=True)
class ObjectCase:
    """`default`: the second value is what would be there anyway; `from_default`: the first is. `kept`: taking the field away
    leaves what is there, since the engine would choose one. `named`: the field says which object is meant, so that another
    value is refused."""

    kind: str
    leaf: str
    first: Fragment
    second: Fragment
    bare: Fragment = field(default_factory=dict)
    shows: str = ""
    outside: str = ""
    applies: bool = True
    default: bool = False
    from_default: bool = False
    kept: bool = False
    named: bool = False

    @property
    def name(self) -> str:
        return self.leaf.replace(".*", "").replace("_", "-").replace(".", "-")

    @property
    def path(self) -> tuple[str, ...]:
        return tuple((self.shows or self.leaf).split("."))

    def body(self, part: str) -> Fragment:
        fragments: dict[str, Fragment] = {"bare": self.bare, "first": self.first, "second": self.second}
        return fragments[part]


def _leaf(kind: str, leaf: str, first: Any, second: Any, **more: Any) -> ObjectCase:
    return ObjectCase(kind, leaf, {leaf: first}, {leaf: second}, **more)


def _pooled(leaf: str, first: Any, second: Any, pool: str, **more: Any) -> ObjectCase:
    """In an address range of its own, so that the engine's own ranges last."""
    ipam = {"ipam": {"config": [{"subnet": pool}]}}
    return ObjectCase(
        "network",
        leaf,
        {**ipam, leaf: first},
        {**ipam, leaf: second},
        {**ipam, **more.pop("bare", {})},
        **more,
    )


def _ipam(leaf: str, first: Fragment, second: Fragment, bare: Fragment, **more: Any) -> ObjectCase:
    one, two, none = ({"ipam": part} for part in (first, second, bare))
    return ObjectCase("network", leaf, one, two, none, **more)


def _pool(leaf: str, first: Any, second: Any, subnet: str) -> ObjectCase:
    one, two, none = (
        {"config": [{"subnet": subnet, **part}]} for part in ({leaf: first}, {leaf: second}, {})
    )
    return _ipam(f"ipam.config.*.{leaf}", one, two, none, shows="ipam.config")


def _named(kind: str) -> tuple[ObjectCase, ObjectCase]:
    one, two = ({"external": True, "name": f"@CALLED-{name}"} for name in ("theirs", "others"))
    external = ObjectCase(kind, "external", one, two, outside=CALLED, named=True)
    one, two = ({"name": f"@CALLED-{name}"} for name in ("one", "two"))
    return external, ObjectCase(kind, "name", one, two, outside=CALLED, named=True)


_SIX = {"ipam": {"config": [{"subnet": "@SIX::/64"}, {"subnet": f"{POOL}.64/28"}]}}
"""In an order that the engine does not keep."""

NETWORKS = (
    _pooled("driver", "bridge", "macvlan", f"{POOL}.0/28", outside=ONE_DRIVER, applies=False, from_default=True),
    _pooled("driver_opts", {"com.docker.network.driver.mtu": 1400, "com.docker.network.bridge.enable_icc": "false"},
            {"com.docker.network.driver.mtu": "1450"}, f"{POOL}.16/28"),
    _pooled("internal", True, False, f"{POOL}.32/28", default=True),
    _pooled("attachable", True, False, f"{POOL}.48/28", default=True),
    ObjectCase("network", "enable_ipv6", {**_SIX, "enable_ipv6": True}, {**_SIX, "enable_ipv6": False}, _SIX, default=True),
    _ipam("ipam.driver", {"driver": "default"}, {"driver": "other"}, {"config": [{"subnet": f"{POOL}.80/28"}]},
          outside=ONE_DRIVER, applies=False, from_default=True),
    _ipam("ipam.config.*.subnet", {"config": [{"subnet": f"{POOL}.96/28"}]}, {"config": [{"subnet": f"{POOL}.117/28"}]}, {},
          shows="ipam.config", kept=True),
    _pool("gateway", f"{POOL}.131", f"{POOL}.132", f"{POOL}.128/28"),
    _pool("ip_range", f"{POOL}.152/29", f"{POOL}.156/30", f"{POOL}.144/28"),
    _pool("aux_addresses", {"one": f"{POOL}.165", "two": f"{POOL}.166"}, {"one": f"{POOL}.167"}, f"{POOL}.160/28"),
    _ipam("ipam.options", *({"config": [{"subnet": f"{POOL}.176/28"}], **more} for more in (
        {"options": {"a": "b", "more": 1}}, {"options": {"a": "c"}}, {}))),
    _pooled("labels", {"team": "core", "more": 1}, {"team": "edge"}, f"{POOL}.192/28"),
    *_named("network"),
)  # fmt: skip

VOLUMES = (
    _leaf("volume", "driver", "local", "other", outside=ONE_DRIVER, applies=False, from_default=True),
    _leaf("volume", "driver_opts", {"type": "tmpfs", "device": "tmpfs", "o": "size=2m"}, {"type": "tmpfs", "device": "tmpfs"}),
    _leaf("volume", "labels", {"team": "core", "more": 1}, {"team": "edge"}),
    *_named("volume"),
)  # fmt: skip
