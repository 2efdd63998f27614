"""What a project on disk becomes: layers, inputs, variables, dependencies, files."""

import errno
import os
from pathlib import Path

import pytest

from sutazai.errors import InvalidInput
from sutazai.specs import read, world
from sutazai.specs.load import environments, load, load_variables
from sutazai.specs.report import Report
from unit.specs.conftest import Write, fleet_of, problems

MODULE = """
inputs: {port: {type: integer, required: true}, words: {type: list, default: [a]}}
template:
  image: "shop/{{ name }}:{{ var.release }}"
  environment: {FROM: template, WORDS: "{{ inputs.words | join(' ') }}", TIER: "{{ tier }}"}
  cap_drop: [ALL]
  route: {port: "{{ inputs.port + var.offset }}", target: 8080}
"""
ROOT = Path(__file__).parents[3]


def test_layers_join_in_order(write: Write) -> None:
    root = write(
        "variables: {release: '1', offset: 0}\n"
        "agents:\n"
        "  a:\n    module: agent\n    inputs: {port: 2000}\n    tier: critical\n"
        "    environment: {BODY: body, BOTH: body}\n    cap_drop: !append [NET_RAW]\n",
        {
            "modules/agent/module.yaml": MODULE,
            "environments/base.yaml": "variables: {release: '2'}\ndefaults: {environment: {BOTH: default, ADDED: base}}\n"
            "overrides: [{select: a, set: {environment: {OVER: '1'}}}]\n",
            "environments/local.yaml": "extends: base\nvariables: {offset: 5}\ndefaults: {environment: {ADDED: !reset }}\n"
            "overrides: !append\n  - {select: 'tier:critical', set: {environment: {OVER: '2', FROM: !reset }}}\n",
        },
    )
    agent = fleet_of(root).agents["a"]
    assert agent.image == "shop/a:2"
    assert agent.environment == {
        "WORDS": "a",
        "TIER": "critical",
        "BODY": "body",
        "BOTH": "default",
        "OVER": "2",
    }
    assert agent.cap_drop == ("ALL", "NET_RAW")
    assert agent.route is not None
    assert (agent.route.port, agent.route.target) == (2005, 8080)
    assert fleet_of(root, release="3", offset="7").agents["a"].image == "shop/a:3"
    assert load_variables(root, "local", variables={"offset": "9"}) == {"release": "2", "offset": 9}


ENVIRONMENT_OVER_ANOTHER = """\
extends: base
variables: {ports: !append [3], limits: {memory: 2}, old: !reset null}
defaults: !reset {}
overrides: !reset [{select: b, set: {user: wrong}}]
exclude: !reset [b]
"""


def test_an_environment_resets_and_appends_to_what_lies_below_it(write: Write) -> None:
    spec = """\
variables: {ports: [1], limits: {memory: 1, cpus: 4}, old: there}
agents:
  a: {image: x, environment: {P: "{{ var.ports | join(',') }}", M: "{{ var.limits.memory }}", C: "{{ var.limits.cpus }}"}}
  b: {image: x, environment: {OLD: "{{ var.old | default('gone') }}"}}
"""
    base = """\
variables: {ports: !append [2]}
defaults: {hostname: wrong}
overrides: [{select: a, set: {user: wrong}}]
exclude: [a]
"""
    fleet = fleet_of(
        write(spec, {"environments/local.yaml": ENVIRONMENT_OVER_ANOTHER, "environments/base.yaml": base})
    )
    assert fleet.agents["a"].environment == {"P": "1,2,3", "M": "2", "C": "4"}
    assert fleet.agents["b"].environment == {"OLD": "gone"}
    assert {(body.user, body.hostname) for body in fleet.agents.values()} == {(None, None)}


def test_a_reset_of_all_that_an_override_sets_is_refused(write: Write) -> None:
    override = "overrides: [{select: a, set: !reset {user: x}}]\n"
    root = write("agents: {a: {image: x}}\n", {"environments/local.yaml": override})
    (problem,) = problems(root).diagnostics
    assert problem.summary == "!reset has no meaning before the whole of set"


def test_dependencies_know_each_other(write: Write) -> None:
    root = write(
        "agents:\n"
        "  a-b: {image: x, depends_on: [db, c, gone], environment: {URL: '{{ service.db.host }}:{{ service.db.port }}',"
        ' ALL: "{% for d in depends_on %}{{ d.kind }}/{{ d.name }}@{{ d.host }}:{{ d.port }} {% endfor %}"}}\n'
        "  c: {image: x, expose: ['{{ agent.a-b.name | length }}']}\n"
        "services: {db: {image: y, ports: ['9:5432']}, gone: {image: z}}\n",
        {
            "environments/local.yaml": "exclude: [gone]\n"
            "overrides: [{select: a-b, set: {depends_on: {service.gone: {required: false}}}}]\n"
        },
    )
    agent = fleet_of(root).agents["a-b"]
    assert agent.environment["URL"] == "db:5432"
    assert agent.environment["ALL"] == "service/db@db:5432 agent/c@c:3 "
    assert list(agent.depends_on) == ["db", "c"]


def test_only_what_is_used_is_there(write: Write) -> None:
    fleet = fleet_of(
        write("volumes: {v: , w: }\nagents: {a: {image: x, volumes: ['v:/v', './s:/s', '~/h:/h']}}\n")
    )
    assert list(fleet.volumes) == ["v"]
    assert list(fleet.networks) == ["default"]
    root = fleet.agents["a"].volumes[1].source
    assert root is not None
    assert Path(root).is_absolute()
    assert fleet.agents["a"].volumes[2].source == "/home/me/h"


@pytest.mark.parametrize(("ignored", "kept"), [("networks", {"used", "fleet", "default"}), ("networks.fleet", {"used", "fleet", "default"}),
                                               ("all", {"used", "fleet", "default"}), ("image", {"used"})])  # fmt: skip
def test_what_may_go_on_being_used_since_changes_are_ignored_is_there(
    write: Write, ignored: str, kept: set[str]
) -> None:
    lifecycle = f"lifecycle: {{ignore_changes: [{ignored}]}}"
    more = {"specs/more.yaml": "networks: {used: {}}\n"}
    root = write(f"agents: {{a: {{image: i, networks: [used], {lifecycle}}}}}\n", more)
    assert set(fleet_of(root).networks) == kept


def test_environment_comes_from_files_and_the_process(write: Write) -> None:
    root = write(
        "agents: {a: {image: x, env_file: [one.env, {path: two.env, required: false}], environment: [B=body, TOKEN, NONE]}}\n",
        {"one.env": "# c\nA=1 # note\nB=file\nexport C='x y'\n"},
    )
    assert fleet_of(root).agents["a"].environment == {
        "A": "1", "B": "body", "C": "x y", "TOKEN": "t0", "NONE": None,
    }  # fmt: skip


def test_arguments_of_a_build_come_from_the_process(write: Write) -> None:
    root = write(
        "agents: {a: {build: {context: ., args: {A: 1, TOKEN: , NONE: }}}, b: {build: {context: ., args: [TOKEN, NONE]}}}\n"
    )
    builds = {name: body.build for name, body in fleet_of(root).agents.items()}
    assert {name: build.args for name, build in builds.items() if build} == {
        "a": {"A": "1", "TOKEN": "t0"},
        "b": {"TOKEN": "t0"},
    }


def test_a_seccomp_profile_is_read(write: Write) -> None:
    root = write(
        "agents: {a: {image: x, security_opt: ['seccomp:./p.json', seccomp=unconfined, 'seccomp={}', label=disable]}}\n",
        {"p.json": '{\n  "defaultAction": "SCMP_ACT_ALLOW"\n}\n'},
    )
    assert fleet_of(root).agents["a"].security_opt == (
        'seccomp={"defaultAction":"SCMP_ACT_ALLOW"}', "seccomp=unconfined", "seccomp={}", "label=disable",
    )  # fmt: skip


def test_a_seccomp_profile_that_is_none_is_told(write: Write) -> None:
    root = write(
        "agents: {a: {image: x, security_opt: ['seccomp=gone.json', 'seccomp=bad.json', seccomp=list.json]}}\n",
        {"bad.json": "{", "list.json": "[]"},
    )
    assert [(d.code, d.position and d.position.column) for d in problems(root).diagnostics] == [
        ("missing-file", 39), ("bad-value", 60), ("bad-value", 80),
    ]  # fmt: skip


def test_devices_by_count_and_by_id_are_refused(write: Write) -> None:
    def found(request: str) -> list[str]:
        body = f"deploy: {{resources: {{reservations: {{devices: [{request}]}}}}}}"
        return [d.summary for d in problems(write(f"agents: {{a: {{image: x, {body}}}}}\n")).diagnostics]

    both = "{capabilities: [gpu], count: 1, device_ids: ['0']}"
    assert found(both) == ["devices are reserved by count or by device_ids, not by both"]
    assert (
        found("{capabilities: [gpu], count: all}") == found("{capabilities: [gpu], device_ids: ['0']}") == []
    )


def test_configs_are_read(write: Write) -> None:
    spec = "configs: {f: {file: specs/app.yaml}, e: {environment: TOKEN}, unused: {file: nowhere}}\n"
    root = write(
        spec + "agents: {a: {image: x, configs: [f, e]}}\n",
        {"specs/app.yaml": "this: {is: [not, a, spec]}\n"},
    )
    assert {name: config.content for name, config in fleet_of(root).configs.items()} == {
        "f": "this: {is: [not, a, spec]}\n",
        "e": "t0",
    }


def test_secrets_stay_references(write: Write) -> None:
    fleet = fleet_of(
        write(
            "secrets: {db-pass: , other: }\nagents: {a: {image: x, environment: {P: 'pg://{{ secret.db-pass }}@db'}}}\n"
        )
    )
    assert fleet.agents["a"].environment["P"] == "pg://{{ secret.db-pass }}@db"
    assert list(fleet.secrets) == ["db-pass"]


def test_compose_substitutions_stay_as_they_are(write: Write) -> None:
    agent = fleet_of(write("agents: {a: {image: x, command: 'echo ${HOME} $$'}}\n")).agents["a"]
    assert agent.command == ("echo", "${HOME}", "$$")


def test_the_digest_is_of_what_is_meant(write: Write) -> None:
    one = load(write("agents: {a: {image: x, command: [b]}}\n"), "local", variables={}, environ={})
    two = load(
        write("# other words\nagents:\n  a:\n    command: b\n    image: x\n"),
        "local",
        variables={},
        environ={},
    )
    three = load(write("agents: {a: {image: y, command: [b]}}\n"), "local", variables={}, environ={})
    assert one.spec_digest == two.spec_digest != three.spec_digest
    assert len(one.spec_digest) == 64


def test_a_health_wait_without_checks_is_a_warning(write: Write) -> None:
    loaded = problems(
        write("agents: {a: {image: x}, b: {image: x, depends_on: {a: {condition: service_healthy}}}}\n")
    )
    assert loaded.fleet is not None
    assert [problem.code for problem in loaded.diagnostics.warnings] == ["no-check"]


def test_without_an_environments_directory_there_is_local(write: Write) -> None:
    assert environments(write("agents: {a: {image: x}}\n")) == ("local",)


@pytest.mark.parametrize("environment", environments(ROOT))
def test_this_project_is_valid(environment: str) -> None:
    loaded = load(ROOT, environment, variables={}, environ={})
    assert not list(loaded.diagnostics)
    assert loaded.fleet is not None
    assert len(loaded.fleet.agents) == (5 if environment == "test" else 131)


def test_a_link_in_a_circle_does_not_hide_what_lies_beside_it(write: Write) -> None:
    root = write("agents: {a: {image: i}}\n", {"specs/more/b.yaml": "agents: {b: {image: i}}\n"})
    (root / "specs" / "more" / "loop.yaml").symlink_to("loop.yaml")
    loaded = load(root, "local", variables={}, environ={})
    assert [(found.code, found.position.file) for found in loaded.diagnostics if found.position] == [
        ("unreadable", "specs/more/loop.yaml")
    ]


def test_a_link_to_a_directory_is_not_followed_and_said(
    write: Write, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "b.yaml").write_text("agents: {b: {image: i}}\n")
    root = write("agents: {a: {image: i}}\n")
    (root / "specs" / "more").symlink_to(elsewhere)
    loaded = load(root, "local", variables={}, environ={})
    assert loaded.fleet is not None
    assert set(loaded.fleet.agents) == {"a"}
    (found,) = loaded.diagnostics.warnings
    assert (found.code, found.position and found.position.file) == ("not-followed", "specs/more")


@pytest.mark.parametrize("folder", ["specs", "specs/more", "modules"])
def test_a_folder_that_can_t_be_read_is_not_taken_for_an_empty_one(
    write: Write, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    files = {
        "specs/more/b.yaml": "agents: {b: {image: i}}\n",
        "modules/m/module.yaml": "template: {image: i}\n",
    }
    root = write("agents: {a: {image: i}}\n", files)
    scandir = os.scandir

    def forbidden(path: Path) -> object:
        if path == root / folder:
            raise PermissionError(errno.EACCES, "Permission denied")
        return scandir(path)

    monkeypatch.setattr("sutazai.specs.world.os.scandir", forbidden)
    loaded = load(root, "local", variables={}, environ={})
    assert ("unreadable", folder) in [
        (found.code, found.position.file) for found in loaded.diagnostics if found.position
    ]
    assert "no-project" not in [found.code for found in loaded.diagnostics]


def test_environments_that_can_t_be_read_are_not_taken_for_none_nor_for_two(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that this user may not enter tells of no name whether it is there."""
    root = write("agents: {a: {image: i}}\n", {"environments/x.yaml": "variables: {}\n"})
    scandir, kind = os.scandir, world._kind

    def forbidden(path: Path) -> object:
        if path == root / "environments":
            raise PermissionError(errno.EACCES, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(world.os, "scandir", forbidden)
    with pytest.raises(InvalidInput) as caught:
        environments(root)
    assert [found.code for found in caught.value.diagnostics] == ["unreadable"]
    monkeypatch.setattr(
        world, "_kind", lambda path: "forbidden" if path.parent.name == "environments" else kind(path)
    )
    monkeypatch.setattr(world.World, "data", lambda self, path: forbidden((self.root / path).parent))
    report = Report()
    assert read.one_of(world.World(root, {}), ("environments/x.yaml", "environments/x.yml"), "x", report)
    assert not report.failed
    read.read_file(world.World(root, {}), "environments/x.yaml", report)
    assert [found.code for found in report.collect()] == ["unreadable"]


def test_an_empty_text_says_nothing_where_the_engine_takes_it_for_nothing(write: Write) -> None:
    fields = 'user: "", working_dir: "", hostname: "", stop_signal: "", platform: "", network_mode: "", pid: "", ipc: ""'
    declared = fleet_of(write(f"services:\n  a: {{image: x, {fields}}}\n")).services["a"].model_fields_set
    assert declared == {"image", "networks"}
