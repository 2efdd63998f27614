"""The images as containers on a real engine."""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from docker.models.containers import Container

from sutazai.specs.traffic import IMAGE

Run = Callable[..., Container]
MEMORY_LIMIT = 15 * 1024**2  # bytes

pytestmark = pytest.mark.docker


def until(container: Container, *command: str, answer: str, **options: str) -> None:
    """Runs the command in the container until it prints the answer; the container must live that long."""
    deadline = time.monotonic() + 60
    while True:
        code, output = container.exec_run(list(command), **options)
        if code == 0 and output.decode().strip() == answer:
            return
        container.reload()
        assert container.status == "running", container.logs().decode()
        assert time.monotonic() < deadline, f"{output.decode()}\n{container.logs().decode()}"


def stop(container: Container) -> tuple[int, float]:
    """Exit code and seconds that it took."""
    began = time.monotonic()
    container.stop(timeout=30)
    seconds = time.monotonic() - began
    return int(container.wait()["StatusCode"]), seconds


ASK = (
    "import http.client as h; c = h.HTTPConnection('127.0.0.1', 8080); c.request('GET', '{}');"
    "print(c.getresponse().read().decode())"
)
PROBE = """
import http.client
connection = http.client.HTTPConnection("127.0.0.1", 8080, timeout=5)
for path in ("/health", "/ready", "/info", "/metrics") * 25:
    connection.request("GET", path)
    assert connection.getresponse().read()
connection.request("POST", "/invoke", '{"capability": "security_analysis", "input": "eval(x)"}')
assert b"code run from text" in connection.getresponse().read()
print("answered")
"""


def test_an_agent_is_small_locked_down_and_stops_at_once(run_container: Run) -> None:
    agent = run_container(
        "agent-runtime",
        environment={"AGENT_NAME": "a", "AGENT_CAPABILITIES": "security_analysis"},
        read_only=True,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges:true"],
        pids_limit=64,
    )
    until(agent, "python3", "-c", PROBE, answer="answered")
    assert memory(agent) < MEMORY_LIMIT
    assert agent.exec_run(["id", "-u"]).output.strip() != b"0"
    code, seconds = stop(agent)
    assert (code, seconds < 20) == (0, True), agent.logs().decode()


def memory(container: Container) -> int:
    """As `docker stats` shows it: without the page cache that the kernel can take back."""
    stats = container.stats(stream=False)["memory_stats"]
    inactive = stats["stats"].get("total_inactive_file", stats["stats"].get("inactive_file", 0))
    return int(stats["usage"]) - int(inactive)


def test_the_version_of_the_build_is_what_the_agent_says(run_container: Run) -> None:
    agent = run_container("agent-runtime")
    assert agent.image.labels["org.opencontainers.image.version"] == "1.0"
    until(agent, "python3", "-c", ASK.format("/health"), answer='{"status": "healthy", "name": "agent"}')
    code, output = agent.exec_run(["python3", "-c", ASK.format("/info")])
    assert (code, json.loads(output)["version"]) == (0, "1.0")


def test_redis_answers_and_keeps_its_data(run_container: Run) -> None:
    redis = run_container("redis", "--save", "900 1")
    until(redis, "redis-cli", "ping", answer="PONG")
    until(redis, "redis-cli", "set", "key", "value", answer="OK")
    until(redis, "redis-cli", "config", "get", "save", answer="save\n900 1")
    assert redis.exec_run(["stat", "-c", "%U", "/proc/1"]).output.strip() == b"redis"
    code, seconds = stop(redis)
    assert (code, seconds < 20) == (0, True), redis.logs().decode()
    redis.start()
    until(redis, "redis-cli", "get", "key", answer="value")


def test_redis_is_reached_from_outside(run_container: Run) -> None:
    redis, other = run_container("redis"), run_container("redis")
    until(other, "redis-cli", "-h", address_of(redis), "ping", answer="PONG")


def test_postgres_answers_with_its_password_and_keeps_its_data(run_container: Run) -> None:
    settings = {"POSTGRES_USER": "fleet", "POSTGRES_PASSWORD": 'it\'s "odd"', "POSTGRES_DB": "agents"}
    postgres = run_container("postgres", environment=settings)
    login = {"PGPASSWORD": settings["POSTGRES_PASSWORD"]}
    query = ("psql", "-h", "127.0.0.1", "-U", "fleet", "-d", "agents", "-Atc")
    until(postgres, *query, "select 6 * 7", answer="42", environment=login)
    until(postgres, *query, "create table kept as select 1 as one", answer="SELECT 1", environment=login)
    assert postgres.exec_run(["stat", "-c", "%U", "/proc/1"]).output.strip() == b"postgres"
    refused, output = postgres.exec_run([*query, "select 1"], environment={"PGPASSWORD": "wrong"})
    assert (refused, b"password authentication failed" in output) == (2, True)
    code, seconds = stop(postgres)
    assert (code, seconds < 20) == (0, True), postgres.logs().decode()
    postgres.start()
    until(postgres, *query, "select one from kept", answer="1", environment=login)


def test_postgres_refuses_to_start_open_to_everyone(run_container: Run) -> None:
    postgres = run_container("postgres")
    assert postgres.wait(timeout=60)["StatusCode"] == 1
    assert "POSTGRES_PASSWORD is empty" in postgres.logs().decode()


@pytest.mark.parametrize("moved", ["base", "PG_VERSION"])
def test_postgres_completes_a_first_run_that_was_cut_short(run_container: Run, moved: str) -> None:
    """As if the machine had failed while the prepared cluster was being moved into its place."""
    undo = (
        "set -e; entrypoint.sh postgres --version > /dev/null; cd $PGDATA; mkdir .first-run;"
        f"touch .first-run/.complete; mv {' '.join({moved, 'PG_VERSION'})} .first-run/;"
        "exec entrypoint.sh postgres"
    )
    options = {"environment": {"POSTGRES_PASSWORD": "x"}}
    postgres = run_container("postgres", "-c", undo, entrypoint=["sh"], **options)
    until(postgres, "psql", "-h", "/var/run/postgresql", "-U", "postgres", "-Atc", "select 1", answer="1")
    assert postgres.exec_run(["test", "-e", "/var/lib/postgresql/data/.first-run"]).exit_code == 1


def test_postgres_makes_a_cluster_anew_that_was_not_finished(run_container: Run) -> None:
    half = (
        "mkdir -p $PGDATA/.first-run/base; touch $PGDATA/.first-run/PG_VERSION; exec entrypoint.sh postgres"
    )
    postgres = run_container(
        "postgres", "-c", half, entrypoint=["sh"], environment={"POSTGRES_PASSWORD": "x"}
    )
    until(postgres, "psql", "-h", "/var/run/postgresql", "-U", "postgres", "-Atc", "select 1", answer="1")


SWITCH = IMAGE.removeprefix("sutazai/").partition(":")[0]
TELL = ["sh", "-c", "echo 'show info' | socat - UNIX-CONNECT:/var/lib/router/admin.sock | grep -c ^Pid"]


def test_the_router_is_locked_down_and_keeps_its_place_in_a_volume(run_container: Run) -> None:
    router = run_container(
        SWITCH,
        read_only=True,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges:true"],
        volumes=["/var/lib/router"],
    )
    until(router, *TELL, answer="1")
    assert router.exec_run(["id", "-un"]).output.strip() == b"haproxy"
    code, seconds = stop(router)
    assert (code, seconds < 20) == (0, True), router.logs().decode()
    router.start()
    until(router, *TELL, answer="1")


def test_the_router_finishes_what_it_has_when_it_is_stopped(run_container: Run) -> None:
    slow = run_container("agent-runtime", environment={"FAULT_LATENCY": "5"})
    config = (
        "defaults\n mode http\n timeout connect 5s\n timeout client 30s\n timeout server 30s\n"
        f"listen a\n bind :8080\n server a {address_of(slow)}:8080\n"
    )
    begin = f"cd /var/lib/router; printf '%b' '{config}' > a.cfg; exec haproxy -W -f a.cfg"
    router = run_container(SWITCH, "-c", begin, entrypoint=["sh"])
    client = run_container(
        "agent-runtime", "-c", "import time; time.sleep(60)", entrypoint=["python3"], init=True
    )
    ask = f"import urllib.request as u; print(u.urlopen('http://{address_of(router)}:8080{{}}', timeout=30).status)"
    until(client, "python3", "-c", ask.format("/health"), answer="200")
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(client.exec_run, ["python3", "-c", ask.format("/info")])
        until(router, "sh", "-c", "grep -c ' 01 ' /proc/net/tcp", answer="2")  # its client and its server
        code, seconds = stop(router)
        assert asked.result().output.strip() == b"200"
    assert (code, seconds < 20) == (0, True), router.logs().decode()


def test_an_agent_calls_another_over_the_network(run_container: Run) -> None:
    peer = run_container("agent-runtime", environment={"AGENT_NAME": "peer"})
    agent = run_container("agent-runtime", environment={"AGENT_PEERS": f"peer={address_of(peer)}:8080"})
    ready = '{"ready": true, "dependencies": {"peer": {"ready": true}}}'
    until(agent, "python3", "-c", ASK.format("/ready"), answer=ready)
    code, output = agent.exec_run(["python3", "-c", ASK.format("/peers/peer")])
    assert (code, json.loads(output)["name"]) == (0, "peer")


def address_of(container: Container) -> str:
    container.reload()
    networks = container.attrs["NetworkSettings"]["Networks"]
    return str(next(iter(networks.values()))["IPAddress"])
