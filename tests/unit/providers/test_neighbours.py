"""What is told of those beside a scope from the engine's lists."""

from sutazai.providers.docker.neighbours import guests_of, held_subnets, taken_names


def test_guests_run_in_the_network_by_its_id() -> None:
    def entry(name: str, state: str, *networks: str) -> dict[str, object]:
        return {"Id": name * 20, "Names": [f"/{name}"], "State": state,
                "NetworkSettings": {"Networks": {n: {"NetworkID": n} for n in networks}}}  # fmt: skip

    containers = [entry("b", "running", "1", "2"), entry("a", "paused", "1"), entry("c", "exited", "1"), entry("d", "restarting", "2"),
                  {"Id": "e", "State": "running"}]  # fmt: skip
    assert guests_of([{"Id": "1"}, {"Id": "3"}], containers) == {"1": ("a", "b")}


def test_subnets_that_overlap_with_a_wanted_one() -> None:
    def network(name: str, *subnets: str | None) -> dict[str, object]:
        return {"Name": name, "IPAM": {"Config": [{"Subnet": subnet} for subnet in subnets]}}

    others = [network("wide", "10.0.0.0/8"), network("six", "fd00::/48", "192.168.1.0/24"), network("host"), network("odd", None, "x"),
              {"Name": "none", "IPAM": None}]  # fmt: skip
    assert held_subnets(["10.1.2.0/24", "fd00:0:0:1::/64"], others) == (
        ("six", "fd00::/48"),
        ("wide", "10.0.0.0/8"),
    )
    assert held_subnets(["172.16.0.0/16"], others) == ()
    assert held_subnets([], others) == ()


def test_names_that_are_taken() -> None:
    containers = [{"Names": ["/shop-local-a", "/link/shop-local-b"]}, {"Names": None}]
    networks = [{"Name": "shop-local-net"}, {"Name": "called"}, {"Name": "another"}]
    volumes = [{"Name": "shop-local-data"}, {"Name": "called"}, {"Name": "3f" * 32}]
    found = set(taken_names("shop-local-", ["called"], containers, networks, volumes))
    assert found == {
        ("container", "shop-local-a"),
        ("network", "shop-local-net"),
        ("network", "called"),
        ("volume", "shop-local-data"),
        ("volume", "called"),
    }
