"""What a plan says, in golden files: the words that its reader decides by, for every kind of change."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from sutazai.address import Address, agent
from sutazai.model.fleet import Fleet, Network
from sutazai.plan.change import Plan, ResourceChange
from sutazai.state.observed import Observed, Reported
from sutazai.state.scope import Slot
from sutazai.state.v2 import State
from unit.plan.world import (
    HOST,
    applied,
    change_to,
    fleet_of,
    image_of,
    images_for,
    instance_of,
    plan_for,
    with_instance,
)

A, B, C = agent("a"), agent("b"), agent("c")
LIMITED = {"deploy": {"resources": {"limits": {"memory": "64M", "cpus": 0.5}}}}
SHOP = fleet_of(
    {
        "a": {"networks": ["fleet"], "environment": {"MODE": "fast", "LEVEL": "1"}, **LIMITED},
        "b": {"depends_on": ["a"], "volumes": ["data:/data"], "configs": ["settings"], "restart": "always"},
    },
    {"redis": {"ports": ["127.0.0.1:6379:6379"], "networks": ["fleet"]}},
    networks={"fleet": {"labels": {"team": "core"}}},
    volumes={"data": {"labels": {"team": "core"}}},
    configs={"settings": {"content": "x: 1"}},
)


def shop(agents: dict[str, Any] | None = None, **tables: Any) -> Fleet:
    """The shop with other bodies for some agents, and other tables."""
    document = SHOP.model_dump(mode="json", exclude_unset=True)
    for name, body in (agents or {}).items():
        document["agents"][name] = {**document["agents"].get(name, {"image": "shop/thing:1"}), **body}
    return Fleet.model_validate({**document, **tables})


def written(changes: tuple[ResourceChange, ...]) -> Iterator[str]:
    for c in changes:
        slot = f" in {c.slot.value}" if c.slot else ""
        yield f"  {c.action.symbol} {c.address} {c.reason.value or '-'}{slot}: {c.detail or '-'}"
        if c.steps or c.strategy:
            yield f"      {', '.join(c.steps) or c.strategy}{f': {c.strategy_reason}' if c.strategy else ''}"
        for f in c.fields:
            marks = [f.effect.value, *(["drift"] if f.drift else []), *([] if f.known else ["unknown"])]
            yield f"      {'.'.join(f.path)} ({', '.join(marks)}): {f.before!r} -> {f.after!r}"
        if c.before != c.after or c.fields:
            yield f"      before {c.before}"
            yield f"      after  {c.after}"
        if c.imported_id:
            yield f"      imported {c.imported_id}"


def as_text(title: str, plan: Plan) -> str:
    lines = [title, f"  {plan.summary}", *written(plan.actions)]
    if plan.drift:
        lines += ["  drift:", *written(plan.drift)]
    lines += [f"  wave {wave.index}: {', '.join(map(str, wave.addresses))}" for wave in plan.waves]
    if plan.pending:
        lines.append(f"  pending: {', '.join(map(str, sorted(plan.pending)))}")
    return "\n".join(lines)


def done_to(fleet: Fleet, address: Address, **changes: Any) -> tuple[Observed, State]:
    """The fleet, applied, with something done to one workload from outside."""
    observed, state = applied(fleet)
    return with_instance(observed, address, **changes), state


def body_of(fleet: Fleet, address: Address, **fields: Any) -> Any:
    (instance,) = applied(fleet)[0].of(address)
    return instance.body.model_copy(update=fields)


def cases() -> Iterator[tuple[str, Plan]]:
    yield "everything is new", plan_for(SHOP)
    yield "everything is destroyed", change_to(SHOP, SHOP, kind="destroy")
    yield "everything is destroyed, volumes too", change_to(SHOP, SHOP, kind="destroy", destroy_volumes=True)
    yield "everything is gone", plan_for(SHOP, Observed(images=images_for(SHOP), host=HOST), applied(SHOP)[1])
    yield "nothing is declared any more", change_to(SHOP, fleet_of())
    yield from in_place()
    yield from replaced()
    yield from objects()
    yield from outside()
    yield from imported()


def in_place() -> Iterator[tuple[str, Plan]]:
    more = {"deploy": {"resources": {"limits": {"memory": "96M", "cpus": 1.5}}}}
    yield "limits", change_to(SHOP, shop({"a": more}))
    yield (
        "restart, and something that is only recorded",
        change_to(SHOP, shop({"b": {"restart": "no", "depends_on": []}})),
    )
    yield (
        "another network and aliases",
        change_to(
            SHOP,
            shop(
                {"a": {"networks": {"fleet": {"aliases": ["x"]}, "other": {}}}},
                networks={"fleet": {}, "other": {}},
            ),
        ),
    )
    yield "more replicas", change_to(SHOP, shop({"a": {"deploy": {"replicas": 3, **LIMITED["deploy"]}}}))
    yield "none of one, which is recorded", change_to(fleet_of(), shop({"a": {"deploy": {"replicas": 0}}}))
    five = {f"x{n}": str(n) for n in range(5)}
    yield "more than four fields", change_to(SHOP, shop({"a": {"labels": five, "user": "1"}}))


def replaced() -> Iterator[tuple[str, Plan]]:
    yield "another image", change_to(SHOP, shop({"a": {"image": "shop/thing:2"}}))
    yield "variables", change_to(SHOP, shop({"a": {"environment": {"MODE": "slow", "MORE": "1"}}}))
    yield "a writer of a volume", change_to(SHOP, shop({"b": {"user": "1"}}))
    routed = {"a": {"route": {"port": 8000, "target": 80}}}
    yield "a route", change_to(shop(routed), shop({"a": {"route": {"port": 8001, "target": 80}}}))
    yield (
        "a service with a port",
        change_to(
            SHOP,
            shop(services={"redis": {**SHOP.services["redis"].model_dump(exclude_unset=True), "user": "1"}}),
        ),
    )
    yield "a config", change_to(SHOP, shop(configs={"settings": {"content": "x: 2"}}))
    yield "by request", change_to(SHOP, SHOP, replace=("redis",))
    triggered = {"c": {"lifecycle": {"replace_triggered_by": ["a", "network.fleet"]}}}
    yield "by a trigger", change_to(shop(triggered), shop({**triggered, "a": {"user": "1"}}))
    restarted = {"b": {"depends_on": {"a": {"condition": "service_started", "restart": True}}}}
    yield (
        "a dependency whose dependents restart",
        change_to(shop(restarted), shop({**restarted, "a": {"user": "1"}})),
    )
    sharing = {"c": {"network_mode": "service:a", "depends_on": ["a"]}}
    yield "an owner of a namespace", change_to(shop(sharing), shop({**sharing, "a": {"user": "1"}}))
    observed, state = applied(SHOP)
    moved = replace(observed, images={"shop/thing:1": image_of("moved")})
    yield "the image under a name is another", plan_for(SHOP, moved, state)
    unknown = shop({"a": {"image": "shop/new:1", "ports": ["80"]}})
    yield (
        "an image that is not here",
        plan_for(unknown, replace(observed, images={**observed.images, "shop/new:1": None}), state),
    )


def objects() -> Iterator[tuple[str, Plan]]:
    yield (
        "a network made anew",
        change_to(SHOP, shop(networks={"fleet": {"internal": True, "labels": {"team": "edge"}}})),
    )
    yield (
        "a network made anew while a member changes",
        change_to(
            SHOP, shop({"a": {"user": "1", "restart": "always"}}, networks={"fleet": {"internal": True}})
        ),
    )
    yield (
        "a network made anew while a member changes in place",
        change_to(SHOP, shop({"a": {"restart": "always"}}, networks={"fleet": {"internal": True}})),
    )
    yield "a volume that differs", change_to(SHOP, shop(volumes={"data": {"driver": "nfs"}}))
    yield "a secret", change_to(shop(secrets={"key": {"version": 1}}), shop(secrets={"key": {"version": 2}}))
    external = shop(networks={"fleet": {"external": True}})
    yield (
        "what is external is forgotten",
        change_to(external, shop({"a": {"networks": []}}, services={}, networks={})),
    )
    observed, state = applied(SHOP)
    less = shop({"a": {"networks": []}}, services={}, networks={})
    yield (
        "a network that is gone and no longer declared",
        plan_for(less, replace(observed, networks={}), state),
    )
    yield "a target", change_to(SHOP, shop({"a": {"user": "1"}, "b": {"user": "1"}}), targets=("a",))


def outside() -> Iterator[tuple[str, Plan]]:
    slow = {"PATH": "/usr/bin", "MODE": "slow", "LEVEL": "1", "DEBUG": "1"}
    yield (
        "variables were changed",
        plan_for(SHOP, *done_to(SHOP, A, reported=Reported.of(body_of(SHOP, A, environment=slow)))),
    )
    yield (
        "a policy was changed",
        plan_for(SHOP, *done_to(SHOP, B, reported=Reported.of(body_of(SHOP, B, restart="no")))),
    )
    yield "it ended", plan_for(SHOP, *done_to(SHOP, A, status="exited", exit_code=1, error="no space"))
    yield "it was renamed", plan_for(SHOP, *done_to(SHOP, A, name="mine"))
    yield (
        "it does not answer to its name",
        plan_for(SHOP, *done_to(SHOP, A, id="ab" * 32, answers={"fleet": ("mine", "abababababab")})),
    )
    yield "a file in it was changed", plan_for(SHOP, *done_to(SHOP, B, configs={"settings": "other"}))
    three = shop({"a": {"deploy": {"replicas": 3}}})
    observed, state = applied(three)
    left = replace(observed, instances=tuple(i for i in observed.instances if i.replica != 2))
    yield "a replica is gone", plan_for(three, left, state)
    tainted = state.model_copy(
        update={"resources": tuple(r.model_copy(update={"tainted": True}) for r in state.resources)}
    )
    yield "it was not healthy", plan_for(three, observed, tainted)
    observed, state = applied(SHOP)
    old = instance_of(SHOP, A, slot=Slot.GREEN, status="exited", exit_code=0)
    yield (
        "another version is left over",
        plan_for(SHOP, replace(observed, instances=(*observed.instances, old)), state),
    )
    there = observed.networks["fleet"]
    body = Network.model_validate({**there.body.model_dump(), "labels": {"team": "edge"}})
    changed = replace(observed, networks={"fleet": replace(there, body=body)}, volumes={})
    yield "a network was changed and a volume removed", plan_for(SHOP, changed, state)
    yield "the same, to be recorded", plan_for(SHOP, changed, state, kind="refresh")


def imported() -> Iterator[tuple[str, Plan]]:
    fleet = fleet_of({"a": {"restart": "always"}})
    observed, state = applied(fleet)
    records = tuple(r.model_copy(update={"imported": True}) for r in state.resources)
    known = state.model_copy(update={"resources": records})
    yield "imported as it should be", plan_for(fleet, observed, known)
    hand = with_instance(observed, A, name="by-hand", reported=Reported.of(body_of(fleet, A, restart="no")))
    yield "imported with another name and policy", plan_for(fleet, hand, known)
    yield (
        "imported with another user",
        plan_for(fleet_of({"a": {"restart": "always", "user": "1"}}), observed, known),
    )


def test_changes(golden: Callable[[str, str], None]) -> None:
    golden("changes.txt", "\n\n".join(as_text(title, plan) for title, plan in cases()) + "\n")
