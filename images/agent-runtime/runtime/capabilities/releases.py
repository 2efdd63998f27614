"""Work on versions and images."""

from runtime.capabilities import inputs
from runtime.capabilities.inputs import InputError
from runtime.http1 import Json


def version_changes(value: Json) -> Json:
    """{running: {NAME: VERSION}, wanted: {NAME: VERSION}, batch: N} → what to change, in batches."""
    request = inputs.fields(value)
    running = _versions(request.get("running"), "running")
    wanted = _versions(request.get("wanted"), "wanted")
    size = inputs.number(request.get("batch", 1), "batch", least=1)
    touched = sorted(name for name in wanted if running.get(name) != wanted[name])
    step = int(min(size, max(1, len(touched))))
    return {
        "add": [name for name in touched if name not in running],
        "change": [
            {"name": name, "from": running[name], "to": wanted[name]} for name in touched if name in running
        ],
        "remove": sorted(running.keys() - wanted.keys()),
        "batches": [list(touched[start : start + step]) for start in range(0, len(touched), step)],
    }


def image_references(value: Json) -> Json:
    """[IMAGE] → each one's registry, repository, tag and digest, and whether it can change under its name."""
    return [_image(reference) for reference in inputs.texts(value)]


def _versions(value: Json, what: str) -> dict[str, str]:
    return {
        name: inputs.text(version, f"{what}.{name}") for name, version in inputs.fields(value, what).items()
    }


def _image(reference: str) -> Json:
    name, _, digest = reference.partition("@")
    path, slash, last = name.rpartition("/")
    last, _, tag = last.partition(":")
    repository = f"{path}{slash}{last}"
    if not last or any(letter.isspace() for letter in reference):
        raise InputError(f"{reference!r} is not an image reference")
    first, slash, rest = repository.partition("/")
    # Docker's own rule: the first part is a host if it has a dot or a colon or is localhost.
    is_host = bool(slash) and ("." in first or ":" in first or first == "localhost")
    return {
        "registry": first if is_host else "docker.io",
        "repository": rest if is_host else (repository if slash else f"library/{repository}"),
        "tag": tag or ("" if digest else "latest"),
        "digest": digest,
        "mutable": not digest,
    }
