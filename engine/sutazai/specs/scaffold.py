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

_TEMPLATES = Path(__file__).with_name("templates") / "hello"
_IGNORE = ".gitignore"


def scaffold(root: Path, project: str) -> tuple[str, ...]:
    """Write the example project; the files written, relative to `root`. Raises Refused when one exists already."""
    files = {
        str(path.relative_to(_TEMPLATES)).removesuffix(".j2"): path.read_text().replace("PROJECT", project)
        for path in sorted(_TEMPLATES.rglob("*.j2"))
    }
    del files["gitignore"]
    unignored(root)
    return (*write_new(root, files), *ignore_state(root))


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


def environments(root: Path) -> tuple[str, ...]:
    """The names of the environments that the project has."""
    files = (root / "environments").glob("*.y*ml")
    names = (file.stem for file in files if file.suffix in (".yaml", ".yml"))
    return tuple(sorted({name for name in names if not name.endswith(".secrets")}))


def create_environment(root: Path, name: str, extends: str | None) -> Path:
    """Write `environments/NAME.yaml`, an overlay over `extends` or over the specs alone; its path. Raises InvalidInput
    for a name that can't be one or an `extends` that is not there, Refused when the environment exists."""
    problems = []
    if not is_name(name) or name.endswith(".secrets"):
        problems.append(
            Diagnostic(
                f"{name!r} can't name an environment",
                "bad-name",
                hint="use letters, digits, '-', '_' and '.', a letter or digit first, 63 at most",
            )
        )
    known = environments(root)
    if extends is not None and extends not in known:
        hint = did_you_mean(extends, known) or f"there are: {', '.join(known) or 'none'}"
        problems.append(
            Diagnostic(f"there is no environment {extends!r} to extend", "unknown-environment", hint=hint)
        )
    if problems:
        raise InvalidInput(problems)
    for suffix in (".yaml", ".yml"):
        if (root / "environments" / f"{name}{suffix}").exists():
            raise Refused(f"environments/{name}{suffix} exists", hint="edit it, or choose another name")
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
    write_new(root, {f"environments/{name}.yaml": text})
    return root / "environments" / f"{name}.yaml"
