"""The address pools of a network, as far as somebody asked for them.

The engine lists pools in an order of its own, adds one where a kind of address has none, and fills in what is not said of
one. So each declared pool is held against the one with the same subnet, in what is declared of it now or was before; another
pool counts only where it was declared before or stands in the place of a declared one. Where no pool is declared any more,
the engine's is as good as any.
"""

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import ip_address, ip_network
from typing import Any

from sutazai.plan.differ import Sides

Pool = dict[str, Any]
Pools = Mapping[str, Pool]


def pools_as_asked(sides: Sides) -> Sides:
    """The sides of `ipam`, with only that in `config` which is to be compared."""
    want, past, have = (side or {} for side in (sides.wanted, sides.past, sides.have))
    if not want.get("config"):
        want, past = ({key: value for key, value in side.items() if key != "config"} for side in (want, past))
        return Sides(want or None, past or None, have, sides.default)
    asked, before, there = (_by_subnet(side.get("config") or ()) for side in (want, past, have))
    there = {subnet: _with_gateway(pool) for subnet, pool in there.items()}
    asked = {
        subnet: _with_gateway(pool) if before.get(subnet, {}).get("gateway") else pool
        for subnet, pool in asked.items()
    }
    wanted = {"config": [_said(pool, pool) for _, pool in sorted(asked.items())]}
    reported = {"config": list(_reported(asked, before, there))}
    return Sides({**want, **wanted}, past, {**have, **reported}, sides.default)


def _reported(asked: Pools, before: Pools, there: Pools) -> Iterator[Pool]:
    missing = {_family(subnet) for subnet in asked.keys() - there.keys()}
    for subnet, pool in sorted(there.items()):
        declared = (before.get(subnet, {}), asked.get(subnet, {}))
        said = {key for side in declared for key, value in side.items() if value}
        if said:
            yield _said(pool, said)
        elif _family(subnet) in missing:
            yield _said(pool, ("subnet",))


def _with_gateway(pool: Pool) -> Pool:
    """With the gateway that the engine gives it where none is asked for, which it does not tell: the first address, if that is
    free for it."""
    if pool.get("gateway") or pool.get("ip_range") or pool.get("aux_addresses"):
        return pool
    try:
        subnet = ip_network(pool["subnet"])
    except ValueError:
        return pool
    return {**pool, "gateway": str(subnet[1])} if subnet.num_addresses > 2 else pool


def _said(pool: Pool, keys: Iterable[str]) -> Pool:
    return {key: pool[key] for key in sorted(keys) if pool.get(key)}


def _by_subnet(pools: Iterable[Pool]) -> dict[str, Pool]:
    found = [_normal(pool) for pool in pools]
    return {pool.get("subnet") or "": pool for pool in found}


def _normal(pool: Pool) -> Pool:
    names = pool.get("aux_addresses") or {}
    return {
        **pool,
        "subnet": _network(pool.get("subnet")),
        "ip_range": _network(pool.get("ip_range")),
        "gateway": _address(pool.get("gateway")),
        "aux_addresses": {name: _address(address) for name, address in names.items()},
    }


def _network(text: str | None) -> str | None:
    try:
        return str(ip_network(text, strict=False)) if text else None
    except ValueError:
        return text


def _address(text: str | None) -> str | None:
    """Some engines report a gateway with the length of its subnet."""
    try:
        return str(ip_address(text.partition("/")[0])) if text else None
    except ValueError:
        return text


def _family(subnet: str) -> bool:
    return ":" in subnet
