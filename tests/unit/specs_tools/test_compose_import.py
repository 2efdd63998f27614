"""Compose projects as people write them: what is written must load, mean the same, and say what it leaves out."""

import json
import os
import shutil
from pathlib import Path

import pytest

from sutazai.errors import InvalidInput, Refused
from sutazai.model.fleet import Fleet
from sutazai.model.workload import Workload
from sutazai.specs.compose_import import Imported, import_compose
from sutazai.specs.fmt import format_text
from sutazai.specs.load import load

CASES = Path(__file__).parents[2] / "golden" / "compose"
NAMES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.override.yml")
WRITTEN = ("specs/project.yaml", "specs/services.yaml", "environments/local.yaml")
CONTEXTS = {
    "anchors-extends": ("common/reporter",),
    "django": ("docker",),
    "elk": ("elasticsearch", "logstash", "kibana"),
}
ENVIRON = {"TZ": "Europe/Oslo", "APP_API_KEY": "k", "HOME": "/nowhere"}


def place(case: str, directory: Path) -> list[Path]:
    """A copy of a case, with the directories that its images are built from; its Compose files in order."""
    target = directory / case
    shutil.copytree(CASES / case, target, ignore=shutil.ignore_patterns("expected"))
    for context in CONTEXTS.get(case, ()):
        (target / context).mkdir(parents=True, exist_ok=True)
    return [target / name for name in NAMES if (target / name).is_file()]


def imported(case: str, directory: Path) -> tuple[Path, Imported]:
    files = place(case, directory)
    return files[0].parent, import_compose(files[0].parent, files, ENVIRON)


UNSET = {"traefik": {"APP_VERSION": "1"}}
"""What nothing gives a value, and an image can't do without; Docker refuses `app:` too."""


def loaded(root: Path, **variables: str) -> Fleet:
    result = load(root, "local", variables=variables, environ=ENVIRON)
    assert [d.summary for d in result.diagnostics.errors] == []
    assert result.fleet is not None
    return result.fleet


def services(case: str, directory: Path) -> dict[str, Workload]:
    return dict(loaded(imported(case, directory)[0]).services)


@pytest.mark.parametrize("case", sorted(path.name for path in CASES.iterdir()))
def test_what_is_written_is_golden_canonical_and_loads(case: str, tmp_path: Path) -> None:
    root, result = imported(case, tmp_path)
    loaded(root, **UNSET.get(case, {}))
    assert set(WRITTEN) <= set(result.files)
    for name in WRITTEN:
        text = (root / name).read_text()
        assert format_text(text) == text
        golden = CASES / case / "expected" / Path(name).name
        if os.environ.get("UPDATE_GOLDEN"):
            golden.parent.mkdir(exist_ok=True)
            golden.write_text(text)
        assert text == golden.read_text()


def test_wordpress_is_carried_over_whole(tmp_path: Path) -> None:
    root, result = imported("wordpress", tmp_path)
    assert result.notes == ()
    fleet = loaded(root)
    site = fleet.services["wordpress"]
    assert site.image == "wordpress:latest"
    assert [(p.published, p.target) for p in site.ports] == [(8000, 80)]
    assert site.depends_on.keys() == {"db"}
    assert fleet.services["db"].volumes[0].source == "db_data"
    assert fleet.services["db"].environment["MYSQL_DATABASE"] == "wordpress"


def test_variables_stay_variables(tmp_path: Path) -> None:
    root, _ = imported("django", tmp_path)
    now, other = (
        loaded(root).services,
        loaded(root, TAG="2.0", WEB_PORT="9000", POSTGRES_PASSWORD="x").services,
    )
    assert now["web"].image == "shop/app:dev"
    assert other["web"].image == "shop/app:2.0"
    assert (now["web"].ports[0].published, other["web"].ports[0].published) == (8080, 9000)
    assert now["web"].environment["DATABASE_URL"] == "postgres://shop:s3cret@db:5432/shop"
    assert other["web"].environment["DATABASE_URL"] == "postgres://shop:x@db:5432/shop"
    assert now["beat"].environment["CELERY_TIMEZONE"] == "Europe/Oslo"
    assert now["beat"].environment["REDIS_URL"] == "redis://redis:6379/0"
    assert now["db"].healthcheck is not None
    assert now["db"].healthcheck.test[-1] == "pg_isready -U shop -d ${POSTGRES_DB}"


def test_health_gates_and_conditions_are_kept(tmp_path: Path) -> None:
    found = services("django", tmp_path)
    conditions = {name: dependency.condition for name, dependency in found["web"].depends_on.items()}
    assert conditions == {
        "db": "service_healthy",
        "redis": "service_started",
        "migrate": "service_completed_successfully",
    }
    assert [check.kind for check in found["web"].checks] == ["docker"]
    assert found["worker"].checks == ()
    assert found["worker"].deploy.replicas == 2
    assert found["worker"].deploy.resources.limits.memory == 512 << 20


def test_what_waits_for_health_gets_the_check_of_its_image(tmp_path: Path) -> None:
    (tmp_path / "compose.yml").write_text(
        "services:\n  a: {image: x, depends_on: {b: {condition: service_healthy}}}\n  b: {image: y}\n"
    )
    import_compose(tmp_path, [tmp_path / "compose.yml"], {})
    found = loaded(tmp_path).services
    assert [check.kind for check in found["b"].checks] == ["docker"]


def test_labels_braces_dollars_and_octal_modes_mean_what_they_did(tmp_path: Path) -> None:
    fleet = loaded(imported("traefik", tmp_path)[0], **UNSET["traefik"])
    app = fleet.services["app"]
    assert app.labels["traefik.http.routers.app.rule"] == "Host(`app.example.com`)"
    assert app.labels["traefik.http.middlewares.app.basicauth.users"] == (
        "admin:$apr1$H6uskkkW$IgXLP6ewTrSuBkTrqE8wj/"
    )
    assert [grant.mode for grant in app.configs] == [0o440]
    assert fleet.configs["app_config"].content == (
        '[server]\nurl = "https://app.example.com"\ntemplate = "{{ .Node.Hostname }}"\n'
    )
    assert fleet.networks["proxy"].external
    assert fleet.networks["proxy"].name == "traefik_proxy"


def test_override_files_merge_as_compose_merges_them(tmp_path: Path) -> None:
    found = services("node-override", tmp_path)
    api = found["api"]
    assert api.command == ("npm", "run", "dev")
    assert api.environment == {
        "NODE_ENV": "development",
        "MONGO_URL": "mongodb://mongo:27017/acme",
        "LOG_LEVEL": "debug",
        "DEBUG": "acme:*",
        "BANNER": "",
    }
    assert [p.published for p in api.ports] == [3000, 9229]
    assert api.build is not None
    assert (api.build.target, api.image) == ("development", "acme/api:1.4.2")
    root = tmp_path / "node-override"
    assert {m.target: m.source for m in api.volumes} == {
        "/app/uploads": str(root / "uploads"),
        "/app": str(root),
        "/app/node_modules": None,
    }
    assert found["mongo"].volumes == ()


@pytest.mark.parametrize("several", [False, True])
def test_a_host_that_is_named_twice_has_both_addresses(tmp_path: Path, several: bool) -> None:
    first, second = tmp_path / "a.yml", tmp_path / "b.yml"
    first.write_text('services: {s: {image: i, extra_hosts: ["h:1.1.1.1", "i=::1", "h=1.1.1.2"]}}\n')
    second.write_text("services: {s: {user: nobody}}\n")
    import_compose(tmp_path, [first, second] if several else [first], ENVIRON)
    assert loaded(tmp_path).services["s"].extra_hosts == {"h": ("1.1.1.1", "1.1.1.2"), "i": ("::1",)}


BASE = """\
services:
  web:
    image: shop/web:1
    extra_hosts: {db: 10.0.0.1, log: 10.0.0.9}
    ports: ["${PORT:-80}:80", "90:90"]
    volumes: ["./a:/data/"]
    gpus: [{driver: nvidia, count: 1}]
    restart: always
    mem_limit: 50m
    cpus: 0.5
    deploy:
      restart_policy: {condition: on-failure, max_attempts: 3}
      resources:
        limits: {memory: 20M, cpus: "0.5"}
        reservations: {devices: [{capabilities: [tpu], count: 1}]}
"""
OVER = """\
services:
  web:
    extra_hosts: {db: 10.0.0.2}
    ports: ["80:80", {target: 90, published: "90"}]
    volumes: ["./b:/data"]
"""


def test_what_two_places_say_of_one_thing_is_joined_as_compose_joins_it(tmp_path: Path) -> None:
    files = [tmp_path / "compose.yaml", tmp_path / "over.yaml"]
    for file, text in zip(files, (BASE, OVER), strict=True):
        file.write_text(text)
    result = import_compose(tmp_path, files, {})
    web = loaded(tmp_path).services["web"]
    assert web.extra_hosts == {"db": ("10.0.0.1", "10.0.0.2"), "log": ("10.0.0.9",)}
    assert sorted((p.published, p.target) for p in web.ports) == [(80, 80), (90, 90)]
    assert [mount.target for mount in web.volumes] == ["/data"]
    assert str(web.volumes[0].source).endswith("b")
    assert web.restart == "on-failure:3"
    reserved = web.deploy.resources.reservations.devices
    assert [device.capabilities for device in reserved] == [("tpu",), ("gpu",)]
    assert [
        note.summary for note in result.notes if "mem_limit" in note.summary or "cpus" in note.summary
    ] == ["service web: mem_limit is left out: deploy.resources.limits.memory says something else"]


def test_anchors_extends_and_old_limits(tmp_path: Path) -> None:
    found = services("anchors-extends", tmp_path)
    assert found["ingest"].environment == {"BROKER": "amqp://broker", "MODE": "ingest"}
    assert found["ingest"].restart == "unless-stopped"
    assert found["ingest"].logging is not None
    assert found["ingest"].logging.options["max-file"] == "3"
    assert found["ingest"].deploy.resources.limits.memory == 256 << 20
    assert (found["transform"].deploy.replicas, found["transform"].deploy.resources.limits.pids) == (3, 100)
    report = found["report"]
    assert report.environment == {"FORMAT": "pdf", "TEMPLATES": "/templates"}
    assert report.volumes[0].source == str(tmp_path / "anchors-extends/common/templates")


def test_what_is_left_out_is_named_with_its_line(tmp_path: Path) -> None:
    root, result = imported("odd-fields", tmp_path)
    lines = (root / "docker-compose.yml").read_text().splitlines()
    named = {}
    for note in result.notes:
        assert note.position is not None
        owner, _, rest = note.summary.partition(": ")
        field = rest.partition(" is left out")[0]
        named.setdefault(owner, set()).add(field)
        if "." not in field:
            assert field in lines[note.position.line - 1]
    assert named == {
        "service llm": {"container_name", "runtime", "profiles", "group_add"},
        "service trainer": {
            "deploy.mode",
            "deploy.placement",
            "deploy.update_config",
            "deploy.restart_policy",
            "volumes_from",
            "profiles",
        },
        "service web": {"links", "external_links", "volumes.1", "dns_search"},
        "service mysql": {"container_name", "oom_kill_disable"},
        "service cache": {"ports.0"},
        "service mailhog": {"profiles"},
    }
    head = (root / "specs/services.yaml").read_text().partition("services:")[0].replace("\n#   ", " ")
    assert all(note.summary in head for note in result.notes)


def test_profiles_links_and_names(tmp_path: Path) -> None:
    root, _ = imported("odd-fields", tmp_path)
    fleet = loaded(root)
    assert set(fleet.services) == {"web", "mysql", "cache"}
    assert set(fleet.services["web"].depends_on) == {"mysql", "cache"}
    assert fleet.services["mysql"].networks["default"].aliases == ("database",)
    (root / "environments/gpu.yaml").write_text("provider: {kind: docker}\n")
    everything = load(root, "gpu", variables={}, environ={}).fleet
    assert everything is not None
    llm = everything.services["llm"]
    assert llm.networks["default"].aliases == ("my-ollama",)
    assert llm.deploy.resources.reservations.devices[0].count == "all"
    assert everything.services["trainer"].restart == "on-failure"


def test_active_profiles_are_not_excluded(tmp_path: Path) -> None:
    files = place("odd-fields", tmp_path)
    import_compose(files[0].parent, files, {**ENVIRON, "COMPOSE_PROFILES": "debug,train"})
    assert set(loaded(files[0].parent).services) == {"web", "mysql", "cache", "mailhog", "trainer"}


def test_a_project_elsewhere_finds_the_same_paths(tmp_path: Path) -> None:
    files = place("prometheus", tmp_path)
    root = tmp_path / "new" / "home"
    root.mkdir(parents=True)
    import_compose(root, files, ENVIRON)
    sources = {
        m.target: m.source for w in loaded(root).services.values() for m in w.volumes if m.type == "bind"
    }
    old = tmp_path / "prometheus"
    assert sources["/etc/prometheus"] == str(old / "prometheus")
    assert sources["/textfile"] == str(old / "monitoring/textfile")
    assert sources["/host/proc"] == "/proc"


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    files = place("wordpress", tmp_path)
    root = files[0].parent
    (root / "specs").mkdir()
    (root / "specs/services.yaml").write_text("mine\n")
    with pytest.raises(Refused, match=r"specs/services\.yaml"):
        import_compose(root, files, {})
    assert (root / "specs/services.yaml").read_text() == "mine\n"
    assert not (root / "environments").exists()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("services: [", "not YAML"),
        ("- a\n", "is a map"),
        ("services: {}\n", "no services"),
        ("services: {a: {image: '${A', x: 1}}\n", "is not known"),
        ("services: {a: {image: 'cost $5'}}\n", "not the start"),
        ("services: {a: {extends: b}}\n", "no service 'b'"),
        ("services: {a: {extends: b}, b: {extends: a}}\n", "extends itself"),
        ("services: {a: {image: x, image: y}}\n", "written twice"),
        ("include: [compose.yml]\nservices: {a: {image: x}}\n", "includes itself"),
        (
            "a: &a [1,1,1,1,1,1,1,1,1]\n"
            + "".join(
                f"{y}: &{y} [{','.join([f'*{x}'] * 9)}]\n"
                for x, y in zip("abcdefgh", "bcdefghi", strict=True)
            ),
            "too much",
        ),
    ],
)
def test_what_compose_refuses_is_refused_with_a_place(text: str, problem: str, tmp_path: Path) -> None:
    (tmp_path / "compose.yml").write_text(text)
    with pytest.raises(InvalidInput) as caught:
        import_compose(tmp_path, [tmp_path / "compose.yml"], {})
    assert problem in caught.value.diagnostics[0].summary
    assert not (tmp_path / "specs").exists()


@pytest.mark.parametrize(
    ("text", "given", "expected"),
    [
        ("${A:-d}", {}, "d"),
        ("${A:-d}", {"A": ""}, "d"),
        ("${A-d}", {}, "d"),
        ("${A-d}", {"A": ""}, ""),
        ("${A:-${B:-c}e}", {}, "ce"),
        ("${A:-${B:-c}e}", {"B": "b"}, "be"),
        ("${A:-${B:-c}e}", {"A": "a"}, "a"),
        ("${A:+x}", {}, ""),
        ("${A:+x}", {"A": "1"}, "x"),
        ("${A+x}", {"A": ""}, "x"),
        ("${A+x}", {}, ""),
        ("$A-$B", {"A": "1", "B": "2"}, "1-2"),
        ("$$A {{ x }} {% y %}", {}, "$A {{ x }} {% y %}"),
        ("${A:?no}", {"A": "v"}, "v"),
        ("${A:-it's}", {}, "it's"),
        ("${A:-a}${A:-b}", {}, "ab"),
        ("${A:-a}${A}", {}, "a"),
        ("${A:-1.0}", {}, "1.0"),
        ("${A:-{{x}}}", {}, "{{x}}"),
    ],
)
def test_interpolation_is_composes(text: str, given: dict[str, str], expected: str, tmp_path: Path) -> None:
    (tmp_path / "compose.yml").write_text(
        "services:\n  a:\n    image: x\n    environment:\n      V: '" + text.replace("'", "''") + "'\n"
    )
    (tmp_path / ".env").write_text("".join(f"{name}={value}\n" for name, value in given.items()))
    import_compose(tmp_path, [tmp_path / "compose.yml"], {})
    assert loaded(tmp_path).services["a"].environment["V"] == expected


@pytest.mark.parametrize(
    ("text", "outer", "expected"),
    [
        ("${A}", {"A": "outer"}, "outer"),
        ("${A:-text}", {"A": "outer"}, "outer"),
        ("${B:-text}", {"B": "outer"}, "outer"),
        ("${B-text}", {"B": ""}, ""),
        ("${A:-text}", {"A": ""}, "text"),
        ("${A:+text}", {"A": ""}, ""),
        ("${A}", {}, "file"),
    ],
)
def test_the_environment_of_the_command_counts_above_dotenv_and_defaults_as_in_compose(
    text: str, outer: dict[str, str], expected: str, tmp_path: Path
) -> None:
    compose = {"services": {"a": {"image": "x", "environment": {"V": text}}}}
    (tmp_path / "compose.yml").write_text(json.dumps(compose))
    (tmp_path / ".env").write_text("A=file\n")
    result = import_compose(tmp_path, [tmp_path / "compose.yml"], outer)
    assert loaded(tmp_path).services["a"].environment["V"] == expected
    told = [note.summary for note in result.notes if "environment of this command" in note.summary]
    assert len(told) == ("outer" in outer.values())


def test_an_include_has_env_files_of_its_own_in_place_of_dotenv(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "compose.yml").write_text("include: [{path: sub/a.yml, env_file: [one.env, sub/two.env]}]\n")
    (tmp_path / "sub/a.yml").write_text("services: {a: {image: x, environment: {V: '$A $B $C $D'}}}\n")
    for name, text in (
        (".env", "A=a\n"),
        ("one.env", "A=1\nB=1\nC=1\n"),
        ("sub/two.env", "C=2\n"),
        ("sub/.env", "D=d\n"),
    ):
        (tmp_path / name).write_text(text)
    import_compose(tmp_path, [tmp_path / "compose.yml"], {})
    assert loaded(tmp_path).services["a"].environment["V"] == "a 1 2 "
    (tmp_path / "one.env").unlink()
    with pytest.raises(InvalidInput) as caught:
        import_compose(tmp_path, [tmp_path / "compose.yml"], {})
    assert "one.env can't be read" in str(caught.value.diagnostics[0])


@pytest.mark.parametrize(
    ("text", "given", "problem"),
    [
        ("${A:?set A: it's the key}", {}, "set A: it's the key"),
        ("${A:?set A}", {"A": ""}, "set A"),
        ("${A?set A}", {}, "set A"),
        ("x ${A:?set A for ${B}}", {"B": "b"}, "set A for b"),
        ("${A:?}", {}, "it must have a value"),
        ("${A?set A}", {"A": ""}, None),
        ("${A:+${B:?set B}}", {}, None),
        ("${A:+${B:?set B}}", {"A": "a"}, "set B"),
    ],
)
def test_a_variable_that_must_have_a_value_says_so_in_composes_words(
    text: str, given: dict[str, str], problem: str | None, tmp_path: Path
) -> None:
    compose = {"services": {"a": {"image": "x", "environment": {"V": text}}}}
    (tmp_path / "compose.yml").write_text(json.dumps(compose))
    (tmp_path / ".env").write_text("".join(f"{name}={value}\n" for name, value in given.items()))
    import_compose(tmp_path, [tmp_path / "compose.yml"], {})
    errors = load(tmp_path, "local", variables={}, environ={}).diagnostics.errors
    found = [error.summary for error in errors]
    assert found == ([f"a value is missing here: {problem}"] if problem else [])
    assert all(error.position is not None and "services.yaml" in error.position.file for error in errors)
    values = {name: "v" for name in "AB" if f"${{{name}" in text}
    assert "v" in loaded(tmp_path, **values).services["a"].environment["V"]


def test_an_env_file_that_may_be_missing_stays(tmp_path: Path) -> None:
    (tmp_path / "compose.yml").write_text(
        "services: {s: {image: x, env_file: [{path: a.env, required: true}, {path: none.env, required: false}]}}\n"
    )
    (tmp_path / "a.env").write_text('export A="x\ny"\n')
    result = import_compose(tmp_path, [tmp_path / "compose.yml"], {})
    assert result.notes == ()
    assert "path: none.env" in (tmp_path / "specs/services.yaml").read_text()
    assert loaded(tmp_path).services["s"].environment == {"A": "x\ny"}


def test_a_seccomp_profile_is_found_from_a_project_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "compose.yml").write_text(
        "services: {s: {image: x, security_opt: ['seccomp:./p.json', 'seccomp:unconfined']}}\n"
    )
    (tmp_path / "p.json").write_text("{}")
    root = tmp_path / "new"
    root.mkdir()
    import_compose(root, [tmp_path / "compose.yml"], {})
    assert loaded(root).services["s"].security_opt == ("seccomp={}", "seccomp:unconfined")
