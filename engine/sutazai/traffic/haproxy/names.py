"""Addresses and lanes as HAProxy's names. HAProxy allows letters, digits, `-_.:`; whatever else an address has, and the colon, is
written as a colon and two hexadecimal digits for each byte of it."""

import re

from sutazai.address import Address
from sutazai.state.scope import Slot
from sutazai.state.traffic import LaneKey

_UNSAFE = re.compile(rb"[^A-Za-z0-9_.-]")
_WRITTEN = re.compile(rb":([0-9a-f]{2})")
_LANE = re.compile(r"(blue|green)-([1-9][0-9]*)")


def proxy_name(address: Address) -> str:
    return _UNSAFE.sub(lambda found: b":%02x" % found[0][0], str(address).encode()).decode()


def address_of(proxy: str) -> Address | None:
    """The inverse; None for a proxy that is no route."""
    text = _WRITTEN.sub(lambda found: bytes([int(found[1], 16)]), proxy.encode()).decode(errors="replace")
    try:
        return Address.parse(text)
    except ValueError:
        return None


def server_name(slot: Slot, replica: int) -> str:
    return f"{slot.value}-{replica}"


def lane_of(server: str) -> LaneKey | None:
    found = _LANE.fullmatch(server)
    return (Slot(found[1]), int(found[2])) if found else None
