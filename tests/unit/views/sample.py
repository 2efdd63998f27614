"""Plans for the tests of the views: a small one with every action in it, and a large one the size of the fleet."""

from typing import Any

from sutazai.address import Address, Kind, agent, network, service, volume
from sutazai.model.base import Effect
from sutazai.model.fleet import Fleet
from sutazai.model.workload import Workload, declared
from sutazai.plan.change import (
    Action,
    Capacity,
    FieldChange,
    Finding,
    Plan,
    Reason,
    ResourceChange,
    Wave,
)

LIMIT = ("deploy", "resources", "limits", "memory")


def body(**more: Any) -> dict[str, Any]:
    """A workload's declared body as a plan holds it."""
    base: dict[str, Any] = {
        "image": "shop/planner:1.0",
        "environment": {"MODE": "fast", "PORT": "8080"},
        "networks": ["fleet"],
        "depends_on": ["redis"],
        "restart": "unless-stopped",
        "route": {"port": 11001, "target": 8080, "protocol": "http"},
        "checks": [{"name": "up", "kind": "http", "port": 8080, "path": "/health", "interval": "2s"}],
        "deploy": {"resources": {"limits": {"cpus": 0.5, "memory": "128M", "pids": 64}}},
    }
    return declared(Workload.model_validate({**base, **more}))


def fleet() -> Fleet:
    return Fleet.model_validate({
        "project": "shop", "environment": "local", "networks": {"fleet": {}}, "volumes": {"data": {}},
        "services": {"redis": {"image": "redis:7.2", "volumes": ["data:/data"]}},
        "agents": {"planner": body(), "writer": body(), "reader": body(image="shop/reader:2.0"), "quiet": body()},
    })  # fmt: skip


def changed(
    name: str, action: Action, reason: Reason, *fields: FieldChange, detail: str = ""
) -> ResourceChange:
    return ResourceChange(agent(name), action, reason, detail, body(), body(), tuple(fields), strategy="recreate",
                          strategy_reason="its route publishes the port itself, so two can't run")  # fmt: skip


def every_action() -> Plan:
    """A plan with every action, every kind of field change and every kind of finding."""
    memory = FieldChange(LIMIT, 128 << 20, 256 << 20, Effect.IN_PLACE)
    changes = (
        ResourceChange(network("fleet"), Action.NOOP, before={}, after={}),
        ResourceChange(volume("data"), Action.CREATE, Reason.NEW, "", None, {}),
        ResourceChange(Address(Kind.CONFIG, "motd"), Action.UPDATE, Reason.CHANGED, "content changed",
                       {"content": "one\ntwo\n"}, {"content": "one\nthree\n"},
                       (FieldChange(("content",), "one\ntwo\n", "one\nthree\n", Effect.REPLACE),)),
        ResourceChange(service("redis"), Action.ADOPT, Reason.ADOPTED, "", None, {"image": "redis:7.2"}),
        changed("planner", Action.UPDATE, Reason.CHANGED, memory, detail="deploy.resources.limits.memory changed"),
        changed("reader", Action.REPLACE, Reason.CANNOT_UPDATE,
                FieldChange(("image",), "shop/reader:2.0", "shop/reader:2.1", Effect.REPLACE),
                FieldChange(("environment", "MODE"), "fast", "slow", Effect.REPLACE),
                FieldChange(("environment", "TOKEN"), "old-token", "new-token", Effect.REPLACE, sensitive=True),
                FieldChange(("environment", "NEW"), None, "1", Effect.REPLACE),
                FieldChange(("hostname",), "reader", None, Effect.REPLACE, known=False),
                FieldChange(("stop_grace_period",), 10.0, None, Effect.REPLACE),
                FieldChange(("restart",), "no", "always", Effect.IN_PLACE, drift=True),
                detail="image, environment and hostname changed"),
        changed("writer", Action.REPLACE_START_FIRST, Reason.TRIGGERED, detail="triggered by agent.reader"),
        ResourceChange(agent("scribe"), Action.CREATE, Reason.NEW, "", None, body(image="shop/scribe:1.0")),
        ResourceChange(agent("old"), Action.DESTROY, Reason.UNDECLARED, "", body(image="shop/old:0.9"), None),
        changed("quiet", Action.NOOP, Reason.NONE),
    )  # fmt: skip
    return Plan(
        kind="apply", project="shop", environment="local", lineage="5d0f5a50-7f0e-4d6c-9d20-8f6b7bb9c1aa", serial=6,
        spec_digest="ab" * 32, desired=fleet(), changes=tuple(sorted(changes, key=lambda c: c.address)),
        drift=(changed("reader", Action.UPDATE, Reason.DRIFTED,
                       FieldChange(("restart",), "always", "no", Effect.IN_PLACE, drift=True)),),
        waves=(Wave(1, (volume("data"), Address(Kind.CONFIG, "motd"))), Wave(2, (service("redis"),)),
               Wave(3, (agent("planner"),), canary=True),
               Wave(4, (agent("reader"), agent("scribe"), agent("writer"), agent("old")))),
        capacity=Capacity(5 << 28, 0, 2.5, 0.0, 5, 1, 16 << 30, 2),
        findings=(Finding("warning", "no-limit", "service.redis has no memory limit", service("redis")),
                  Finding("info", "route", "a route publishes its port directly: replacing it interrupts it",
                          agent("reader")),
                  Finding("info", "route", "a route publishes its port directly: replacing it interrupts it",
                          agent("writer")),
                  Finding("error", "missing-image", "image shop/reader:2.1 is not here and can't be pulled",
                          agent("reader"), "run `sutazai build`")),
    )  # fmt: skip


def large(agents: int = 131, services: int = 21) -> Plan:
    """A first plan of a fleet: everything is created."""
    categories = ("analysis", "data", "development", "operations", "security")
    created: list[ResourceChange] = [ResourceChange(network("fleet"), Action.CREATE, Reason.NEW, after={})]
    for n in range(services):
        after = body(image=f"vendor/service-{n}:1.{n}", depends_on=[], volumes=[f"data-{n}:/var/lib/{n}"],
                     environment={f"SETTING_{n}": str(n)},
                     route={"port": 10000 + n, "target": 5432 + n, "protocol": "tcp"})  # fmt: skip
        created.append(ResourceChange(service(f"platform-{n:02}"), Action.CREATE, Reason.NEW, after=after))
    for n in range(agents):
        name = f"specialised-fleet-agent-{n:03}"
        after = body(image="fleet/agent-runtime:1.0", category=categories[n % 5],
                     tier="critical" if n % 3 else "auxiliary", environment={"AGENT_NAME": name, "PORT": "8080"},
                     depends_on=["platform-01", *([f"specialised-fleet-agent-{n // 3:03}"] if n else [])],
                     route={"port": 11000 + n, "target": 8080})  # fmt: skip
        created.append(
            ResourceChange(agent(name), Action.CREATE, Reason.NEW, after=after, strategy="recreate")
        )
    addresses = tuple(change.address for change in created)
    waves = tuple(Wave(i + 1, addresses[at : at + 40]) for i, at in enumerate(range(0, len(addresses), 40)))
    desired = Fleet(project="shop", environment="production")
    return Plan(
        kind="apply", project="shop", environment="production", lineage=None, serial=0, spec_digest="cd" * 32,
        desired=desired, changes=tuple(sorted(created, key=lambda c: c.address)), waves=waves,
        capacity=Capacity(agents << 27, 0, agents / 2, 0.0, agents, 0, 16 << 30, 2),
        findings=tuple(Finding("warning", "missing-image", f"image of agent {n} is not here", agent(f"a{n}"), "build it")
                       for n in range(agents)),
    )  # fmt: skip
