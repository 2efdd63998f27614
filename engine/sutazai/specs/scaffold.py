"""New projects and new environments, written from nothing.

What is written plans and applies at once on any machine that has, or can pull, `debian:bookworm-slim`: the agent's image
is built on it and adds one file, since Debian's base has Perl. Nothing that exists is ever overwritten.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from sutazai.diagnostics import Diagnostic, did_you_mean
from sutazai.errors import InvalidInput, Refused
from sutazai.model.fleet import is_name
from sutazai.specs.environment import SUFFIXES, environments
from sutazai.specs.nodes import Scalar
from sutazai.specs.read import parse
from sutazai.specs.report import Report
from sutazai.specs.world import World

_LOCAL = "# This machine.\n\nprovider: {kind: docker}\n"
_TEMPLATES = Path(__file__).with_name("templates") / "hello"
_IGNORE = ".gitignore"


def scaffold(root: Path, project: str) -> tuple[str, ...]:
    """Write the example project; the files written, relative to `root`. Raises Refused when one exists already."""
    written = f"project: {_as_text(project)}\n"
    files = {
        str(path.relative_to(_TEMPLATES)).removesuffix(".j2"): path.read_text()
        .replace("project: PROJECT\n", written)
        .replace("PROJECT", project)
        for path in sorted(_TEMPLATES.rglob("*.j2"))
    }
    del files["gitignore"]
    unignored(root)
    return (*write_new(root, files), *ignore_state(root))


def _as_text(name: str) -> str:
    """A name as YAML has it: `123` and `true` are texts in quotes only."""
    node = parse(name, name, Report())
    return name if isinstance(node, Scalar) and isinstance(node.value, str) else f'"{name}"'


def write_new(root: Path, files: Mapping[str, str]) -> tuple[str, ...]:
    """Write every file, or none when one of them exists. Raises Refused, which lists those that do."""
    there = {name for name in files if (root / name).exists() or (root / name).is_symlink()}
    folders = {folder for name in files for folder in Path(name).parents}
    there |= {str(folder) for folder in folders if (root / folder).exists() and not (root / folder).is_dir()}
    if there:
        raise Refused(
            f"these files exist already: {', '.join(sorted(there))}",
            hint="init overwrites nothing: move them away, or run it in another directory with --chdir",
        )
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as stream:
            stream.write(text)
    return tuple(files)


def ignore_state(root: Path) -> tuple[str, ...]:
    """Keep state and keys out of version control: a new .gitignore, or the missing lines at the end of the old one."""
    missing = unignored(root)
    if not missing:
        return ()
    with (root / _IGNORE).open("ab") as stream:
        stream.write(missing)
    return (_IGNORE,)


def unignored(root: Path) -> bytes:
    """What is to be added to .gitignore. Raises Refused where nothing can be: told before anything else is written."""
    path, wanted = root / _IGNORE, (_TEMPLATES / "gitignore.j2").read_bytes()
    if not (path.exists() or path.is_symlink()):
        return wanted
    if not path.is_file():
        raise Refused(f"{_IGNORE} is there and is no file", hint="move it away and run this again")
    have = path.read_bytes()
    lines = [line for line in wanted.splitlines() if line and not line.startswith(b"#")]
    missing = [line for line in lines if line not in have.splitlines()]
    gap = b"" if have.endswith(b"\n") or not have else b"\n"
    return gap + b"\n".join([*missing, b""]) if missing else b""


def project_name(directory: Path) -> str:
    """A project name made of a directory's, as Compose makes it; `project` when nothing of it can be used."""
    return normal_name(directory.resolve().name)


def normal_name(text: str) -> str:
    """`text` as a project name: lower case, without what a name can't hold."""
    return re.sub(r"^[^a-z0-9]+|[^a-z0-9_-]", "", text.lower())[:63] or "project"


def create_environment(root: Path, name: str, extends: str | None) -> tuple[str, ...]:
    """Write `environments/NAME.yaml`, an overlay over `extends` or over the specs alone; what was written, that file last. The
    first one of a project is not its only one: `local`, which is there without a file as long as there is no other, gets one too.
    Raises InvalidInput for a name that can't be one or an `extends` that is not there, Refused when the environment exists."""
    problems = []
    if not is_name(name) or name.endswith(".secrets"):
        problems.append(
            Diagnostic(
                f"{name!r} can't name an environment",
                "bad-name",
                hint="use letters, digits, '-', '_' and '.', a letter or digit first, 63 at most",
            )
        )
    known = environments(World(root, {}))
    if extends is not None and extends not in known:
        hint = did_you_mean(extends, known) or f"there are: {', '.join(known) or 'none'}"
        problems.append(
            Diagnostic(f"there is no environment {extends!r} to extend", "unknown-environment", hint=hint)
        )
    if problems:
        raise InvalidInput(problems)
    for file in (f"environments/{name}{suffix}" for suffix in SUFFIXES):
        if (root / file).exists():
            raise Refused(f"{file} exists", hint="edit it, or choose another name")
    base = f"extends: {extends}\n" if extends else "provider: {kind: docker}\n"
    over = (
        f"Like {extends}, but for what is written here."
        if extends
        else "What this environment does its own way."
    )
    text = (
        f"# {over}\n\n{base}\n"
        "# variables: {}          # values for {{ var.NAME }}\n"
        f"# overrides: {'!append ' if extends else ''}[]        "
        '# - {select: "tier:critical", set: {deploy: {resources: {limits: {memory: 256M}}}}}\n'
        f"# exclude: {'!append ' if extends else ''}[]          # selectors of what is left out here\n"
    )
    alone = not (root / "environments").is_dir() and name != "local"
    local = {"environments/local.yaml": _LOCAL} if alone else {}
    return write_new(root, {**local, f"environments/{name}.yaml": text})
