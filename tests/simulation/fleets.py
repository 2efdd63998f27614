"""Small fleets of chance, and the edits that people make to them."""

import random
from typing import Any

from sutazai.model.fleet import SWITCH, Fleet
from sutazai.model.workload import Workload
from sutazai.providers.simulated import SimulatedEngine, SimulatedImage
from sutazai.state.scope import Scope

SCOPE = Scope("shop", "test")
IMAGES = ("shop/a:1", "shop/a:2", "shop/a:3")
"""The last one is not there until it is pulled."""
NAMES = ("a", "b", "c", "d", "e")
_FIELDS = (
    "image",
    "environment",
    "memory",
    "networks",
    "volumes",
    "replicas",
    "restart",
    "depends_on",
    "config",
    "port",
    "checks",
    "route",
    "strategy",
    "canary",
    "hooks",
    "marked",
)
Spec = dict[str, Any]
WELL, ILL = (0, "done"), (3, "it can't be done")
"""How the program `hook` ends, which every image has."""
_JUDGED = {
    "steps": [{"set_weight": 30}, {"analysis": "quick"}],
    "analysis": {"quick": {"min_duration": "1s", "interval": "1s", "timeout": "2s", "inconclusive": "pass"}},
}
"""There is no traffic to judge by: it is about the containers of the baseline."""
CHECK = {"name": "up", "kind": "http", "port": 80, "path": "/", "status": 200, "interval": "1s"}


def new_engine() -> SimulatedEngine:
    commands = {"hook": WELL}
    images = {
        name: SimulatedImage("sha256:" + str(n) * 64, _brought(), commands=commands)
        for n, name in enumerate(IMAGES, 1)
    }
    return SimulatedEngine(images={name: images[name] for name in IMAGES[:2]}, registry=images)


def _brought() -> Workload:
    return Workload.model_validate({"entrypoint": ["run"], "environment": {"PATH": "/bin"}})


def new_spec(chance: random.Random) -> Spec:
    spec: Spec = {}
    for name in NAMES[: chance.randint(2, 4)]:
        spec[name] = {}
        for field in _FIELDS:
            set_field(spec, name, field, chance)
    return spec


def set_field(spec: Spec, name: str, field: str, chance: random.Random) -> None:
    earlier = [other for other in spec if other < name]
    spec[name][field] = {
        "image": lambda: chance.choice(IMAGES[:2] if chance.random() < 0.8 else IMAGES),
        "environment": lambda: {key: chance.choice("xy") for key in "KLM" if chance.random() < 0.4},
        "memory": lambda: chance.choice((None, "64M", "96M")),
        "networks": lambda: [net for net in ("n", "m") if chance.random() < 0.5],
        "volumes": lambda: ["data:/data"] if chance.random() < 0.3 else [],
        "replicas": lambda: chance.choice((1, 1, 1, 1, 2, 3, 0)),
        "restart": lambda: chance.choice(("no", "unless-stopped")),
        "depends_on": lambda: [other for other in earlier if chance.random() < 0.4],
        "config": lambda: chance.choice((None, None, "one", "two")),
        "port": lambda: chance.choice((8000, 9000)) + NAMES.index(name) if chance.random() < 0.3 else None,
        "checks": lambda: chance.random() < 0.7,
        "route": lambda: chance.choice((0, 0, 0, 9000, 9100)),
        "hooks": lambda: _hooks(chance),
        "marked": lambda: chance.choice((None, None, None, "x", "y")),
        "canary": lambda: chance.choice((None, None, None, 0, 3)),
        "strategy": lambda: chance.choice((None, None, "recreate", "blue_green", "canary", "rolling")),
    }[field]()


def _hooks(chance: random.Random) -> dict[str, Any]:
    """In the container, in one of their own, or in one of another image."""
    kinds: tuple[dict[str, Any], ...] = (
        {},
        {},
        {"one_off": True},
        {"image": IMAGES[1]},
        {"image": IMAGES[2]},
    )
    names = ("pre_deploy", "post_deploy", "pre_stop")
    return {name: {"command": ["hook"], **chance.choice(kinds)} for name in names if chance.random() < 0.2}


def edit(spec: Spec, chance: random.Random) -> str:
    """Change the spec as a person would; what was done, in words."""
    absent = [name for name in NAMES if name not in spec]
    match chance.choice(("field", "field", "field", "route", "add", "remove", "rename")):
        case "add" if absent:
            name = absent[0]
            spec[name] = {}
            for field in _FIELDS:
                set_field(spec, name, field, chance)
            return f"add {name}"
        case "remove" if len(spec) > 1:
            return f"remove {_remove(spec, chance.choice(sorted(spec)))}"
        case "rename" if len(spec) > 1 and absent:
            old = chance.choice(sorted(spec))
            body = dict(spec[old], port=None, depends_on=[])
            _remove(spec, old)
            spec[absent[0]] = body
            return f"rename {old} to {absent[0]}"
        case kind:
            fields = ("route", "route", "port") if kind == "route" else _FIELDS
            name, field = chance.choice(sorted(spec)), chance.choice(fields)
            set_field(spec, name, field, chance)
            return f"{name}.{field} = {spec[name][field]}"


def rename(spec: Spec, chance: random.Random) -> tuple[str, str] | None:
    """Give one another name, by which the others depend on it then; which one, and what it is now. None where no name is left
    that comes after those of all that it depends on and before those that depend on it."""
    old = chance.choice(sorted(spec))
    needed = spec[old]["depends_on"]
    needing = [name for name, body in spec.items() if old in body["depends_on"]]
    between = [name for name in NAMES if name not in spec and all(other < name for other in needed)]
    new = next((name for name in between if all(name < other for other in needing)), None)
    if new is None:
        return None
    bodies = {new if name == old else name: body for name, body in spec.items()}
    bodies[new]["port"] = None  # the next one that is called as it was may get it
    for body in bodies.values():
        body["depends_on"] = [new if other == old else other for other in body["depends_on"]]
    spec.clear()
    spec.update(bodies)
    return old, new


def _remove(spec: Spec, name: str) -> str:
    del spec[name]
    for body in spec.values():
        body["depends_on"] = [other for other in body["depends_on"] if other != name]
    return name


def fleet_of(spec: Spec) -> Fleet:
    agents = {name: _body(name, body) for name, body in spec.items()}
    networks = {net: mark_of(spec, net) for body in spec.values() for net in body["networks"]}
    volumes = {"data": {}} if any(body["volumes"] for body in spec.values()) else {}
    configs = {f"of-{name}": {"content": body["config"]} for name, body in spec.items() if body["config"]}
    led = {route_port(name, body) for name, body in spec.items() if is_led(body)}
    services = {SWITCH.name: _switch(led, networks)} if led else {}
    bakes = [body["canary"] for body in spec.values() if body["canary"] is not None]
    canary = {"percent": 40, "bake_time": max(bakes)} if bakes else None
    return Fleet.model_validate(
        {"fleet_canary": canary, "services": services, "project": SCOPE.project, "environment": SCOPE.environment, "networks": networks, "volumes": volumes,
         "configs": configs, "agents": agents}
    )  # fmt: skip


def mark_of(spec: Spec, network: str) -> dict[str, Any]:
    """What is declared of a network: one that differs is made anew."""
    marks = [body["marked"] for body in spec.values() if network in body["networks"] and body["marked"]]
    return {"labels": {"mark": marks[0]}} if marks else {}


def is_led(body: dict[str, Any]) -> bool:
    """Whether the traffic switch carries a route of it."""
    return bool(body["route"]) and bool(body["networks"])


def route_port(name: str, body: dict[str, Any]) -> int:
    """The port of a route: another one than what its workload publishes itself."""
    port: int = body["route"] + NAMES.index(name)
    return port + 100 if port == body["port"] else port


def _switch(led: set[int], networks: dict[str, Any]) -> dict[str, Any]:
    return {
        "image": IMAGES[0], "networks": list(networks), "restart": "unless-stopped",
        "ports": [f"{port}:{port}" for port in sorted(led)],
    }  # fmt: skip


def _body(name: str, body: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"image": body["image"], "rollout": {"healthy_deadline": "8s"}}
    one = body["replicas"] == 1
    for key in ("environment", "networks", "volumes", "depends_on", "hooks"):
        if body[key]:
            found[key] = body[key]
    if body["memory"]:
        found.setdefault("deploy", {})["resources"] = {"limits": {"memory": body["memory"]}}
    if not one:
        found.setdefault("deploy", {})["replicas"] = body["replicas"]
    if body["restart"] != "no":
        found["restart"] = body["restart"]
    if body["config"]:
        found["configs"] = [{"source": f"of-{name}", "target": "/etc/it"}]
    if body["port"] and one:
        found["ports"] = [f"{body['port']}:80"]
    if body["checks"]:
        found["checks"] = [CHECK]
    if is_led(body):
        found["route"] = {"port": route_port(name, body), "target": 80, "switched": True}
    if body["strategy"]:
        found["rollout"]["strategy"] = body["strategy"]
    if body["strategy"] == "canary" and is_led(body) and body["checks"]:
        found["rollout"] |= _JUDGED
    return found
