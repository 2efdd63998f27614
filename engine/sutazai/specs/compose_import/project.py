"""Reading a Compose project: its files in order, what they include and extend, and the paths in them.

Paths are made relative to the new project's root as each file is read, since only then is it known what they are
relative to: the first file's directory for the files of a project, a file's own directory where another extends it.
"""

import os
import posixpath
import re
from collections.abc import Mapping as Map
from dataclasses import dataclass, field, replace
from pathlib import Path

from sutazai.diagnostics import Position, did_you_mean
from sutazai.specs import words
from sutazai.specs.compose_import.interpolate import Variables, collect, interpolated, parse
from sutazai.specs.compose_import.merge import long_form, merge
from sutazai.specs.compose_import.nodes import Mapping, Node, Scalar, Sequence, problem
from sutazai.specs.compose_import.nodes import read as read_file
from sutazai.specs.dotenv import DotenvError, read

_MAX_FILES = 100


@dataclass(slots=True)
class Reading:
    """One run over the files. `trees` are the files as written, each under the directory its paths start from."""

    root: Path
    variables: Variables
    trees: dict[tuple[Path, Path], Mapping] = field(default_factory=dict)

    def project(self, files: tuple[Path, ...]) -> Mapping:
        """The files merged in order, with includes and `extends` resolved. Raises InvalidInput."""
        base = files[0].parent
        self._dotenv(*_standard(base))
        order = [key for file in files for key in self._load(file, base, ())]
        for key in list(self.trees):
            collect(self.trees[key], self.variables)
        self.trees = {key: _mapping(interpolated(tree, self.variables)) for key, tree in self.trees.items()}
        merged: Node = self._resolved(order[0])
        for key in order[1:]:
            merged = merge(merged, self._resolved(key))
        return _mapping(merged)

    def _dotenv(self, *paths: Path) -> None:
        """Of several files the last one counts, and what was read before counts above them all."""
        for path in reversed(paths):
            try:
                found = read(path.read_text(encoding="utf-8-sig"), self.variables.outer.get)
            except DotenvError as error:
                raise problem(str(error), Position(self._shown(path), error.line, 1)) from None
            except (OSError, UnicodeDecodeError) as error:
                raise problem(f"{self._shown(path)} can't be read: {error}", None) from None
            self.variables.given = {**found, **self.variables.given}

    def _shown(self, path: Path) -> str:
        return os.path.relpath(path, self.root)

    def _load(self, file: Path, base: Path, above: tuple[Path, ...]) -> list[tuple[Path, Path]]:
        """Read a file and all it needs; the trees to merge for it, what it includes first."""
        file, key = file.resolve(), (file.resolve(), base.resolve())
        if file in above:
            raise problem(f"{self._shown(file)} includes itself", None)
        if key in self.trees:
            return [key]
        if len(self.trees) >= _MAX_FILES:
            raise problem(f"more than {_MAX_FILES} files", None)
        tree = self.trees[key] = read_file(file, self._shown(file))
        order: list[tuple[Path, Path]] = []
        included = tree.get("include")
        for item in included.items if isinstance(included, Sequence) else ():
            order += self._include(item, base, (*above, file))
        services = tree.get("services")
        for service in services.items.values() if isinstance(services, Mapping) else ():
            target = _extended(service)
            if target and target.get("file"):
                other = base / self._static(target.get("file"))
                if other.resolve() != file:
                    self._load(other, other.parent, above)
        return [*order, key]

    def _include(self, item: Node, base: Path, above: tuple[Path, ...]) -> list[tuple[Path, Path]]:
        paths: tuple[Node, ...] = (item,)
        directory: Path | None = None
        if isinstance(item, Mapping):
            listed = item.get("path")
            paths = listed.items if isinstance(listed, Sequence) else (listed,) if listed else ()
            directory = (
                base / self._static(item.get("project_directory")) if item.get("project_directory") else None
            )
        names = [self._static(path) for path in paths]
        if not names or any("://" in name for name in names):
            raise problem("only local files can be included", item.at)
        directory = directory or (base / names[0]).parent
        told = item.get("env_file") if isinstance(item, Mapping) else None
        envs = told.items if isinstance(told, Sequence) else (told,) if told else ()
        self._dotenv(*([base / self._static(path) for path in envs] or _standard(directory)))
        return [key for name in names for key in self._load(base / name, directory, above)]

    def _static(self, node: Node | None) -> str:
        """A path that is needed before all files are known, from `.env` and the environment."""
        if not isinstance(node, Scalar):
            raise problem("this is not a path", node.at if node else None)
        return self.variables.evaluate(parse(node.text, node.at))

    def _resolved(self, key: tuple[Path, Path]) -> Mapping:
        """A file with every `extends` carried out and every path relative to the new root."""
        tree = self.trees[key]
        services = tree.get("services")
        if not isinstance(services, Mapping):
            return tree.with_items(
                {k: v for k, v in self._moved_tops(tree, key[1]).items() if k != "include"}
            )
        resolved: dict[str, Node] = {name: self._service(key, name, ()) for name in services.items}
        items = self._moved_tops(tree, key[1])
        items["services"] = services.with_items(resolved)
        items.pop("include", None)
        return tree.with_items(items)

    def _service(self, key: tuple[Path, Path], name: str, above: tuple[tuple[Path, str], ...]) -> Node:
        file, base = key
        services = self.trees[key].get("services")
        service = services.get(name) if isinstance(services, Mapping) else None
        if not isinstance(service, Mapping):
            at = services.where(name) if isinstance(services, Mapping) and service else self.trees[key].at
            known = services.items if isinstance(services, Mapping) else ()
            raise problem(
                f"service {name!r} is not a map" if service else f"there is no service {name!r} to extend",
                at,
                did_you_mean(name, known),
            )
        if (file, name) in above:
            raise problem(f"service {name!r} extends itself", service.at)
        target = _extended(service)
        own = self._moved_service(service, base)
        if target is None:
            return own
        other_file = target.get("file")
        other = (base / str(other_file.resolved)).resolve() if isinstance(other_file, Scalar) else file
        other_key = key if other == file else (other, other.parent)
        source = target.get("service")
        wanted = str(source.resolved) if isinstance(source, Scalar) else name
        return merge(self._service(other_key, wanted, (*above, (file, name))), own, "", "services")

    # --- paths

    def path(self, text: str, base: Path) -> str:
        """`text`, which is relative to `base`, relative to the root. A path that starts with a variable stays: nobody
        knows where it leads."""
        prefix = Path(os.path.relpath(base.resolve(), self.root.resolve())).as_posix()
        if prefix == "." or text.startswith(("/", "~", "{{")) or "://" in text:
            return text
        moved = posixpath.normpath(posixpath.join(prefix, text))
        return moved if moved.startswith("..") else f"./{moved}"

    def _moved(self, node: Node, base: Path) -> Node:
        if not isinstance(node, Scalar) or not isinstance(node.value, str):
            return node
        return replace(node, value=self.path(node.value, base), resolved=self.path(str(node.resolved), base))

    def _moved_tops(self, tree: Mapping, base: Path) -> dict[str, Node]:
        items = dict(tree.items)
        for top in ("configs", "secrets"):
            table = items.get(top)
            if isinstance(table, Mapping):
                items[top] = table.with_items(
                    {name: self._moved_key(item, "file", base) for name, item in table.items.items()}
                )
        return items

    def _moved_key(self, node: Node, key: str, base: Path) -> Node:
        if not isinstance(node, Mapping) or key not in node.items:
            return node
        return node.with_items({**node.items, key: self._moved(node.items[key], base)})

    def _moved_service(self, service: Mapping, base: Path) -> Mapping:
        items = {
            name: long_form(item, name, "service") if name in ("build", "env_file") else item
            for name, item in service.items.items()
            if name != "extends"
        }
        if "build" in items:
            items["build"] = self._moved_key(items["build"], "context", base)
        files = items.get("env_file")
        if isinstance(files, Sequence):
            items["env_file"] = replace(
                files,
                items=tuple(
                    self._moved_key(f, "path", base) if isinstance(f, Mapping) else self._moved(f, base)
                    for f in files.items
                ),
            )
        volumes = items.get("volumes")
        if isinstance(volumes, Sequence):
            items["volumes"] = replace(
                volumes, items=tuple(self._mount(mount, base) for mount in volumes.items)
            )
        options = items.get("security_opt")
        if isinstance(options, Sequence):
            items["security_opt"] = replace(
                options, items=tuple(self._profile(option, base) for option in options.items)
            )
        return service.with_items(items)

    def _profile(self, node: Node, base: Path) -> Node:
        if not isinstance(node, Scalar) or not words.PROFILE.fullmatch(node.text):
            return node
        (about, path), resolved = (
            re.split("[=:]", text, maxsplit=1) for text in (node.text, str(node.resolved))
        )
        return replace(
            node,
            value=f"{about}={self.path(path, base)}",
            resolved=f"{about}={self.path(resolved[-1], base)}",
        )

    def _mount(self, node: Node, base: Path) -> Node:
        if isinstance(node, Mapping):
            kind = node.get("type")
            return (
                self._moved_key(node, "source", base)
                if isinstance(kind, Scalar) and kind.value == "bind"
                else node
            )
        if not isinstance(node, Scalar) or not node.text.startswith("."):
            return node
        source, colon, rest = node.text.partition(":")
        resolved, _, resolved_rest = str(node.resolved).partition(":")
        return replace(
            node,
            value=self.path(source, base) + colon + rest,
            resolved=self.path(resolved, base) + colon + resolved_rest,
        )


def _standard(directory: Path) -> tuple[Path, ...]:
    """The `.env` of a directory, where it has one."""
    path = directory / ".env"
    return (path,) if path.is_file() else ()


def _extended(service: Node) -> Mapping | None:
    target = service.get("extends") if isinstance(service, Mapping) else None
    long = long_form(target, "extends", "service") if target else None
    return long if isinstance(long, Mapping) else None


def _mapping(node: Node) -> Mapping:
    if not isinstance(node, Mapping):
        raise problem("this is not a map", node.at)
    return node


def new_reading(root: Path, environ: Map[str, str]) -> Reading:
    """A reading for a project that will stand at `root`."""
    return Reading(root, Variables({}, environ))
