"""The project: every YAML file under `specs/`, merged into one table per kind of thing.

All files are read but those that a config names as its `file`: they are somebody else's YAML.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sutazai.model.fleet import LONGEST_NAME, is_name
from sutazai.specs.merge import canonical
from sutazai.specs.nodes import Entry, Mapping, Mark, Node, Scalar, Source, Tag, kind_of, with_article
from sutazai.specs.read import names_in, read_noting
from sutazai.specs.report import Report
from sutazai.specs.shape import as_mapping, check_keys, workload_keys
from sutazai.specs.world import World

TABLES = ("variables", "networks", "volumes", "configs", "secrets", "services", "agents")
SINGLE = ("project", "rollout", "checks", "policies")
KEYS = (
    "project",
    "variables",
    "networks",
    "volumes",
    "configs",
    "secrets",
    "services",
    "agents",
    "rollout",
    "checks",
    "policies",
)
_BODIES = ("services", "agents")


@dataclass(slots=True)
class Project:
    """What the spec files declare, not rendered yet. `single` holds `project`, `rollout`, `checks` and
    `policies`."""

    tables: dict[str, dict[str, Entry]] = field(default_factory=lambda: {name: {} for name in TABLES})
    single: dict[str, Entry] = field(default_factory=dict)
    first: Mark | None = None

    def table(self, name: str) -> dict[str, Entry]:
        return self.tables[name]


def spec_files(world: World, report: Report) -> list[str]:
    """The YAML files under `specs/`, project.yaml first; hidden ones are left out. Links to directories are not
    followed, which is said."""
    found: list[str] = []
    folders = ["specs"]
    while folders:
        here = folders.pop()
        for name, kind in names_in(world, here, report):
            if kind == "folder":
                folders.append(f"{here}/{name}")
            elif kind == "file" and name.endswith((".yaml", ".yml")):
                found.append(f"{here}/{name}")
            elif kind == "other":
                summary = f"{here}/{name} is a link to a directory, which is not followed"
                hint = "move the files here, or make a link to each"
                report.warning(Mark(Source(f"{here}/{name}", ()), 1, 1), summary, "not-followed", hint=hint)
    return sorted(found, key=lambda file: (file != "specs/project.yaml", file))


NO_PROJECT = "this is no sutazai project: there is no directory specs"


def project_above(root: Path) -> Path | None:
    """The nearest folder above `root` that holds a project. Commands do not go there by themselves, as Terraform's don't."""
    return next((folder for folder in root.resolve().parents if any((folder / "specs").glob("*.yaml"))), None)


def read_project(world: World, report: Report) -> Project:
    """All spec files, merged. What is wrong is reported, and left out of the result."""
    project = Project()
    if world.kind("specs") != "folder":
        hint = "run `sutazai init` to make one, or name the project's directory with --chdir"
        report.error(None, NO_PROJECT, "no-project", hint=hint)
        return project
    trees: dict[str, tuple[Node | None, Report]] = {}
    listing = Report()
    for file in spec_files(world, listing):
        own = Report()
        trees[file] = (read_noting(world, file, own), own)
    report.include(listing)
    if listing.failed:
        report.unread.append(None)
    others = {os.path.normpath(name) for tree, _ in trees.values() for name in config_files(tree)}
    for file, (tree, own) in trees.items():
        if file not in others:
            report.include(own)
            report.unread += own.unread
            _add_file(project, file, tree, report)
    if not listing.failed and not any(file not in others for file in trees):
        report.error(
            None,
            "the project is empty: there is no YAML file under specs",
            "no-project",
            hint="write specs/project.yaml, or run `sutazai init`",
        )
    elif "project" not in project.single and not report.failed:
        report.error(
            project.first or Mark(Source(next(iter(trees)), ()), 1, 1),
            "no spec file says what the project is called",
            "missing-key",
            hint="write project: NAME in specs/project.yaml",
        )
    return project


def config_files(tree: Node | None) -> Iterator[str]:
    configs = tree.get("configs") if isinstance(tree, Mapping) else None
    for entry in configs.entries.values() if isinstance(configs, Mapping) else ():
        file = entry.node.get("file") if isinstance(entry.node, Mapping) else None
        if isinstance(file, Scalar) and isinstance(file.value, str):
            yield file.value


def _add_file(project: Project, file: str, node: Node | None, report: Report) -> None:
    tree = as_mapping(node, file, report)
    if tree is None:
        return
    project.first = project.first or tree.mark
    check_keys(tree, KEYS, "a spec file", report)
    for key in SINGLE:
        entry = tree.entries.get(key)
        if entry is None:
            continue
        if key in project.single:
            report.error(
                entry.key,
                f"{key} is declared twice",
                "duplicate-name",
                hint="remove one of them",
                related=[("first here", project.single[key].key)],
            )
        else:
            _must_stay(entry, report)
            project.single[key] = entry
    for key in TABLES:
        if key in tree.entries:
            _must_stay(tree.entries[key], report)
        table = as_mapping(tree.get(key), key, report)
        for name, entry in (table.entries if table else {}).items():
            _declare(project, key, name, entry, report)


def _declare(project: Project, key: str, name: str, entry: Entry, report: Report) -> None:
    what = key.removesuffix("s")
    first = project.tables[key].get(name)
    if first is not None:
        report.error(
            entry.key,
            f'the {what} "{name}" is declared twice',
            "duplicate-name",
            hint="rename one of them, or remove it",
            related=[("first declared here", first.key)],
        )
        return
    if key != "variables" and not is_name(name):
        report.error(
            entry.key,
            f'"{name}" can\'t be the name of {with_article(what)}',
            "bad-name",
            hint=f"names are at most {LONGEST_NAME} letters, digits, '_', '.', '-', and begin with a letter or digit",
        )
        return
    _must_stay(entry, report)
    if key in _BODIES:
        entry = Entry(entry.key, _body(what, name, entry, report))
    project.tables[key][name] = entry


def _must_stay(entry: Entry, report: Report) -> None:
    """Spec files are beside each other: none is laid over another, whose keys it could remove."""
    if entry.node.tag is Tag.RESET:
        report.error(
            entry.node.mark,
            "there is nothing here that !reset could remove",
            "bad-reset",
            hint="leave it out; within a body it removes what the module gives, in an environment what is under that",
        )


def _body(what: str, name: str, entry: Entry, report: Report) -> Node:
    """A workload's body in map form; what is no map is reported and stays as it is."""
    if isinstance(entry.node, Mapping):
        check_keys(entry.node, workload_keys(), f"the {what} {name}", report)
        return canonical(entry.node)
    if isinstance(entry.node, Scalar) and entry.node.value is None:
        return Mapping({}, entry.key)
    hint = f"write {name}: {{image: …}} or {name}: {{module: …}}"
    message = f"the {what} {name} must be a map, not {kind_of(entry.node)}"
    report.error(entry.key, message, "wrong-type", hint=hint)
    return entry.node


def project_name(project: Project, report: Report) -> str:
    """The declared name; `project` stands in for a wrong one, which is reported."""
    entry = project.single.get("project")
    if entry is None:
        return "project"
    node = entry.node
    text = node.value if isinstance(node, Scalar) else None
    if not isinstance(text, str) or not is_name(text):
        shown = repr(text) if isinstance(node, Scalar) else kind_of(node)
        report.error(
            node.mark,
            f"{shown} can't be the name of a project",
            "bad-name",
            hint="a name has letters, digits, '_', '.' and '-', and begins with a letter or digit",
        )
        return "project"
    return text


__all__ = ["KEYS", "Project", "project_name", "read_project", "spec_files"]
