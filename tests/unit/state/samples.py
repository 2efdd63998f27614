"""States to try things with: one by hand, and as many as Hypothesis makes."""

from hypothesis import strategies as st

from sutazai.address import Address, Kind, agent, network, volume
from sutazai.model.fleet import Config, Fleet, Network, Secret, Volume
from sutazai.model.workload import Workload
from sutazai.state.scope import Slot
from sutazai.state.v2 import InstanceRecord, Operation, ResourceRecord, State

LINEAGE = "5b3c8f0e-7d0a-4a53-9c39-1f3f1e6a2b11"


def operation(**changes: object) -> Operation:
    return Operation.model_validate(
        {
            "command": "apply",
            "who": "ada@host",
            "started": "2026-01-02T03:04:05Z",
            "seconds": 1.5,
            "outcome": "done",
        }
        | changes
    )


def planner() -> Workload:
    return Workload.model_validate(
        {
            "image": "shop/planner:1.0",
            "environment": ["MODE=fast", "UNSET"],
            "networks": ["fleet"],
            "volumes": ["data:/data:ro"],
            "ports": ["127.0.0.1:8080:80"],
            "deploy": {"resources": {"limits": {"memory": "128M", "cpus": 0.5}}},
            "checks": [{"kind": "http", "port": 80, "status": 200, "interval": "500ms"}],
            "rollout": {"strategy": "canary", "steps": [{"set_weight": 10}, {"pause": "30s"}]},
            "hooks": {"pre_stop": "sync now"},
        }
    )


def a_state(serial: int = 1, *, environment: str = "local", lineage: str = LINEAGE, why: str = "") -> State:
    desired = Fleet(
        project="shop",
        environment=environment,
        networks={"fleet": Network(driver="bridge")},
        volumes={"data": Volume()},
        agents={"planner": planner()},
    )
    instance = InstanceRecord(
        id="1f" * 32,
        name=f"shop-{environment}-planner-blue",
        slot=Slot.BLUE,
        replica=1,
        image="shop/planner:1.0",
        image_id="sha256:" + "ab" * 32,
        spec_hash="cd" * 16,
    )
    return State(
        sutazai_version="0.1.0",
        lineage=lineage,
        serial=serial,
        project="shop",
        environment=environment,
        spec_digest="ef" * 32,
        operation=operation(why=why),
        desired=desired,
        resources=(
            ResourceRecord(address=network("fleet"), object_id="77" * 32, applied=Network()),
            ResourceRecord(address=volume("data"), object_id=f"shop-{environment}-data"),
            ResourceRecord(address=agent("planner"), slot=Slot.BLUE, instances=(instance,)),
        ),
    )


names = st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
text_maps = st.dictionaries(names, texts, max_size=3)
seconds = st.floats(min_value=0.001, max_value=1e6)
ports = st.integers(min_value=1, max_value=65535)


def some(**fields: st.SearchStrategy[object]) -> st.SearchStrategy[dict[str, object]]:
    """Any part of the fields: what is left out is not declared."""
    return st.fixed_dictionaries({}, optional=fields)


checks = st.lists(
    st.builds(
        lambda required, rest: required | rest,
        st.fixed_dictionaries({"kind": st.sampled_from(["ping", "http", "deep", "docker"]), "name": names}),
        some(
            port=ports,
            status=st.integers(100, 599),
            interval=seconds,
            headers=text_maps,
            body=st.none() | texts,
            expect=st.dictionaries(names, st.none() | st.integers() | texts | st.booleans(), max_size=2),
        ),
    ),
    max_size=2,
    unique_by=lambda check: check["name"],
)
bodies = some(
    image=st.none() | names,
    command=st.lists(texts, max_size=3),
    environment=st.dictionaries(names, st.none() | texts, max_size=3),
    networks=st.lists(names, max_size=2, unique=True)
    | st.dictionaries(names, some(aliases=st.lists(names)), max_size=2),
    ports=st.lists(st.builds(lambda a, b: f"127.0.0.1:{a}:{b}/udp", ports, ports), max_size=2),
    volumes=st.lists(st.builds(lambda a, b: f"{a}:/{b}:ro", names, names), max_size=2),
    depends_on=st.lists(names, max_size=2, unique=True),
    deploy=some(
        replicas=st.integers(0, 5),
        resources=some(limits=some(memory=st.integers(0, 2**40), cpus=st.just("0.5"))),
    ),
    tier=st.sampled_from([None, "critical", "auxiliary"]),
    read_only=st.booleans(),
    stop_grace_period=st.none() | seconds,
    checks=checks,
    rollout=some(
        steps=st.lists(st.builds(lambda n: {"set_weight": n}, st.integers(0, 100)), max_size=2),
        auto_revert=st.booleans(),
    ),
).map(Workload.model_validate)
networks = some(driver=st.none() | names, internal=st.booleans(), labels=text_maps).map(
    Network.model_validate
)
volumes = some(driver=st.none() | names, labels=text_maps, external=st.booleans()).map(Volume.model_validate)
configs = texts.map(lambda text: Config(content=text))
secrets = some(version=st.none() | st.integers(), external=st.booleans()).map(Secret.model_validate)
BODIES = {
    Kind.AGENT: bodies, Kind.SERVICE: bodies, Kind.NETWORK: networks, Kind.VOLUME: volumes,
    Kind.CONFIG: configs, Kind.SECRET: secrets,
}  # fmt: skip


@st.composite
def records(draw: st.DrawFn) -> ResourceRecord:
    kind = draw(st.sampled_from(list(Kind)))
    fields = draw(
        some(applied=st.none() | BODIES[kind], slot=st.none() | st.sampled_from(Slot), tainted=st.booleans())
    )
    return ResourceRecord.model_validate({"address": Address(kind, draw(names)), **fields})


@st.composite
def states(draw: st.DrawFn) -> State:
    fleet = draw(
        some(
            networks=st.dictionaries(names, networks, max_size=2),
            volumes=st.dictionaries(names, volumes, max_size=2),
            configs=st.dictionaries(names, configs, max_size=2),
            secrets=st.dictionaries(names, secrets, max_size=2),
            services=st.dictionaries(names, bodies, max_size=2),
            agents=st.dictionaries(names, bodies, max_size=2),
        )
    )
    return State(
        sutazai_version="0.1.0",
        lineage=draw(texts),
        serial=draw(st.integers(1, 10**6)),
        project="shop",
        environment="local",
        spec_digest="",
        operation=operation(why=draw(texts), seconds=draw(seconds)),
        desired=Fleet.model_validate({"project": "shop", "environment": "local", **fleet}),
        resources=tuple(draw(st.lists(records(), max_size=3))),
    )
