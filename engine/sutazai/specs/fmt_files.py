"""Formatting of whole files: which ones, what would change, and writing them whole or not at all."""

import difflib
import os
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sutazai.diagnostics import Diagnostic, Position, did_you_mean
from sutazai.specs.fmt import UnformattableError, format_text
from sutazai.specs.project import config_files
from sutazai.specs.read import read_file
from sutazai.specs.report import Report
from sutazai.specs.world import MAX_BYTES, World

FOLDERS = ("specs", "modules", "environments")


@dataclass(frozen=True, slots=True)
class Formatted:
    """One file: its text now and in canonical layout. `name` is relative to the project root."""

    path: Path
    name: str
    before: str
    after: str

    @property
    def changed(self) -> bool:
        return self.before != self.after

    def diff(self) -> str:
        """The change as a unified diff."""
        return "".join(
            difflib.unified_diff(
                _lines(self.before), _lines(self.after), f"{self.name} (now)", f"{self.name} (formatted)"
            )
        )

    def write(self) -> None:
        """Replace the file in one step; its mode stays. Raises OSError."""
        target = self.path.resolve()
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(self.after.encode())
                stream.flush()
                os.fsync(stream.fileno())
            Path(temporary).chmod(target.stat().st_mode & 0o7777)
            Path(temporary).replace(target)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise


def format_files(root: Path, paths: Iterable[Path]) -> tuple[tuple[Formatted, ...], tuple[Diagnostic, ...]]:
    """Every YAML file under `paths` (under the project's folders when none is given) in canonical layout, and what
    stands against it, file by file. Writes nothing."""
    formatted: list[Formatted] = []
    problems: list[Diagnostic] = []
    for found in _files(root, tuple(paths)):
        result = found if isinstance(found, Diagnostic) else _format(root, found)
        if isinstance(result, Diagnostic):
            problems.append(result)
        else:
            formatted.append(result)
    return tuple(formatted), tuple(problems)


def _files(root: Path, paths: tuple[Path, ...]) -> Iterator[Path | Diagnostic]:
    chosen = paths or tuple(root / folder for folder in FOLDERS if (root / folder).is_dir())
    for path in chosen:
        path = path if path.is_absolute() else root / path
        if path.is_dir():
            yield from _under(root, path)
        elif path.is_file():
            yield path
        else:
            siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
            yield Diagnostic(
                f"there is no file {_name(root, path)}",
                "no-such-file",
                hint=did_you_mean(path.name, siblings),
            )


def _under(root: Path, directory: Path) -> list[Path]:
    """The project's own YAML files under a directory: none that is hidden, and none that a config hands on."""
    files = [
        file for file in sorted(directory.rglob("*")) if file.suffix in (".yaml", ".yml") and file.is_file()
    ]
    others = {os.path.normpath(root / name) for name in _config_files(root, files)}
    return [
        file
        for file in files
        if os.path.normpath(file) not in others
        and not any(part.startswith(".") for part in file.relative_to(directory).parts)
    ]


def _config_files(root: Path, files: Iterable[Path]) -> Iterator[str]:
    for file in files:
        if file.stat().st_size <= MAX_BYTES and b"configs" in file.read_bytes():
            yield from config_files(read_file(World(root, {}), str(file), Report()))


def _format(root: Path, path: Path) -> Formatted | Diagnostic:
    name = _name(root, path)
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            return Diagnostic(
                f"{size >> 20} MB is too large for a spec",
                "too-large",
                position=Position(name, 1, 1),
                hint=f"files of up to {MAX_BYTES >> 20} MB are formatted",
            )
        raw = path.read_bytes()
    except OSError as error:
        return Diagnostic(
            f"{name} can't be read: {error.strerror}", "unreadable", position=Position(name, 1, 1)
        )
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        return Diagnostic(
            "this file is not UTF-8",
            "not-utf-8",
            position=Position(name, raw.count(b"\n", 0, error.start) + 1, 1),
            hint="save it as UTF-8; it was left as it is",
        )
    try:
        return Formatted(path, name, text, format_text(text))
    except UnformattableError as error:
        return error.diagnostic(name, text)


def _name(root: Path, path: Path) -> str:
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


def _lines(text: str) -> list[str]:
    return [line + "\n" for line in text.split("\n")] if text else []
