"""Whatever the files hold, the answer is a fleet or problems with places."""

import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sutazai.specs.load import load
from sutazai.views.diagnostics import render_plain

ROOT = Path(__file__).parents[3]
FILES = (
    "specs/project.yaml",
    "specs/platform/database.yaml",
    "specs/agents/data.yaml",
    "modules/agent/module.yaml",
    "environments/local.yaml",
)
TEXTS = {file: (ROOT / file).read_text() for file in FILES}
PIECES = [
    "",
    " ",
    "\n",
    ":",
    "- ",
    "{",
    "}",
    "[",
    "]",
    "{{ ",
    " }}",
    "{{ var.release }}",
    "&a ",
    "*a",
    "!reset ",
    "!append ",
    "null",
    "0",
    "-1",
    "true",
    "'",
    '"',
    "<<: ",
    "\t",
    "#",
    "é",
    "\x00",
    "agents:\n",
    "  depends_on: [redis]\n",
    "1e9",
    "[[1]]",
    "{a: {b: 1}}",
]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("fuzz")
    for name in ("specs", "modules", "environments"):
        shutil.copytree(ROOT / name, root / name)
    for file in (root / "specs/agents").glob("*.yaml"):
        if file.name != "data.yaml":
            file.unlink()
    return root


@st.composite
def mutations(draw: st.DrawFn) -> tuple[str, str]:
    file = draw(st.sampled_from(FILES))
    text = TEXTS[file]
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.sampled_from([0, 0, 1, 2, 5, 20, 80])))
        text = text[:start] + draw(st.sampled_from(PIECES) | st.text(max_size=4)) + text[end:]
    return file, text


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mutations())
def test_mutated_specs_never_raise(project: Path, mutation: tuple[str, str]) -> None:
    file, text = mutation
    (project / file).write_text(text, encoding="utf-8", errors="surrogatepass")
    try:
        loaded = load(project, "local", variables={}, environ={})
    finally:
        (project / file).write_text(TEXTS[file])
    assert (loaded.fleet is None) == bool(loaded.diagnostics.errors)
    render_plain(loaded.diagnostics)
    for problem in loaded.diagnostics:
        assert problem.position is None or problem.position.line >= 1


YAML_VALUES = st.recursive(
    st.sampled_from(
        [
            "x",
            "'{{ name }}'",
            "1",
            "null",
            "true",
            "'80:80'",
            "'{{ var.a }}'",
            "'{{ agent.b.port }}'",
            "!reset ",
        ]
    ),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: "[" + ", ".join(items) + "]")
        | st.dictionaries(st.sampled_from("abc"), inner, max_size=2).map(
            lambda items: "{" + ", ".join(f"{key}: {value}" for key, value in items.items()) + "}"
        )
    ),
    max_leaves=4,
)
FIELDS = st.sampled_from(
    [
        "image",
        "build",
        "command",
        "environment",
        "env_file",
        "expose",
        "ports",
        "volumes",
        "networks",
        "depends_on",
        "deploy",
        "labels",
        "healthcheck",
        "configs",
        "secrets",
        "route",
        "checks",
        "rollout",
        "lifecycle",
        "hooks",
        "backup",
        "module",
        "inputs",
        "tier",
        "category",
        "ulimits",
        "devices",
        "extra_hosts",
        "sysctls",
        "logging",
        "tmpfs",
        "restart",
        "network_mode",
    ]
)
BODIES = st.dictionaries(FIELDS, YAML_VALUES, max_size=4).map(
    lambda body: "{" + ", ".join(f"{key}: {value}" for key, value in body.items()) + "}"
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    a=BODIES,
    b=BODIES,
    top=st.dictionaries(
        st.sampled_from(
            ["variables", "networks", "volumes", "configs", "secrets", "rollout", "checks", "policies"]
        ),
        YAML_VALUES,
        max_size=2,
    ),
    layer=BODIES,
    template=BODIES,
)
def test_any_values_in_any_fields_never_raise(
    tmp_path: Path, a: str, b: str, top: dict[str, str], layer: str, template: str
) -> None:
    for directory in ("specs", "modules/x", "environments"):
        (tmp_path / directory).mkdir(parents=True, exist_ok=True)
    sections = "".join(f"{key}: {value}\n" for key, value in top.items())
    (tmp_path / "specs/p.yaml").write_text(f"project: p\nagents:\n  a: {a}\n  b: {b}\n{sections}")
    (tmp_path / "modules/x/module.yaml").write_text(f"inputs: {{a: {{type: list}}}}\ntemplate: {template}\n")
    (tmp_path / "environments/local.yaml").write_text(
        f"defaults: {layer}\noverrides: [{{select: a, set: {layer}}}]\n"
    )
    loaded = load(tmp_path, "local", variables={}, environ={})
    assert (loaded.fleet is None) == bool(loaded.diagnostics.errors)
    render_plain(loaded.diagnostics)
