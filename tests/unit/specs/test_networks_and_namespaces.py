"""What a workload is connected to without saying so: the project's own network, and those whose namespaces it shares."""

from sutazai.address import service
from unit.specs.conftest import Write, fleet_of, problems

IMPLICIT = {"default"}


def test_a_workload_that_names_no_network_joins_the_projects_own(write: Write) -> None:
    fleet = fleet_of(
        write(
            "services:\n"
            "  bare: {image: x}\n"
            "  empty: {image: x, networks: []}\n"
            "  named: {image: x, networks: [fleet]}\n"
            "  hosted: {image: x, network_mode: host}\n"
            "  bridged: {image: x, network_mode: bridge}\n"
        )
    )
    joined = {name: set(workload.networks) for name, workload in fleet.services.items()}
    assert joined == {
        "bare": IMPLICIT,
        "empty": IMPLICIT,
        "named": {"fleet"},
        "hosted": set(),
        "bridged": set(),
    }
    assert set(fleet.networks) == {"default", "fleet"}
    assert "networks" in fleet.services["bare"].model_fields_set


def test_the_implicit_network_is_made_only_where_somebody_is_in_it(write: Write) -> None:
    fleet = fleet_of(
        write("services:\n  a: {image: x, networks: [fleet]}\n  b: {image: x, network_mode: none}\n")
    )
    assert set(fleet.networks) == {"fleet"}


def test_sharing_a_namespace_is_a_dependency(write: Write) -> None:
    fleet = fleet_of(
        write(
            "services:\n"
            "  base: {image: x}\n"
            '  net: {image: x, network_mode: "service:base"}\n'
            '  processes: {image: x, pid: "service:service.base"}\n'
            '  memory: {image: x, ipc: "service:base", depends_on: {base: {condition: service_healthy}}}\n'
        )
    )
    for name in ("net", "processes", "memory"):
        assert fleet.dependencies(service(name)) == (service("base"),), name
        assert fleet.services[name].shares == ("base",)
    assert fleet.services["net"].depends_on["base"].condition == "service_started"
    assert fleet.services["memory"].depends_on["base"].condition == "service_healthy"
    assert fleet.services["processes"].pid == "service:base"


def test_namespaces_of_what_is_not_there_are_reported_with_their_place(write: Write) -> None:
    root = write(
        "services:\n"
        "  base: {image: x}\n"
        '  typo: {image: x, network_mode: "service:bsae"}\n'
        '  self: {image: x, pid: "service:self"}\n'
        '  gone: {image: x, ipc: "service:away"}\n'
        "  away: {image: x}\n"
        '  one: {image: x, network_mode: "service:two"}\n'
        "  two: {image: x, depends_on: [one]}\n",
        {"environments/local.yaml": "exclude: [service.away]\n"},
    )
    found = {(d.code, d.position.line if d.position else 0): d for d in problems(root).diagnostics}
    assert set(found) == {("unknown-dependency", 5), ("cycle", 6), ("excluded-dependency", 7), ("cycle", 9)}
    assert found["unknown-dependency", 5].hint == 'did you mean "base"?'
    assert "which the environment local excludes" in found["excluded-dependency", 7].summary


def test_what_shares_a_namespace_finds_the_other_among_its_dependencies(write: Write) -> None:
    root = write(
        "services:\n"
        "  base: {image: x, expose: [80]}\n"
        '  net: {image: x, network_mode: "service:base", '
        "environment: {PEERS: \"{{ depends_on | map(attribute='name') | join(',') }}\"}}\n"
    )
    assert fleet_of(root).services["net"].environment["PEERS"] == "base"
