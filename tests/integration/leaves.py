"""Every field of a model, nested ones too: `deploy.resources.limits.cpus`, `ports.*.target`. `*` is any item of a list or
key of a map."""

from collections.abc import Iterator
from typing import Any, get_args, get_origin

from sutazai.model.base import SpecModel

Leaf = tuple[str, ...]


def leaves(model: type[SpecModel], prefix: Leaf = ()) -> Iterator[Leaf]:
    for name, field in model.model_fields.items():
        yield from _within(field.annotation, (*prefix, name))


def _within(annotation: Any, path: Leaf) -> Iterator[Leaf]:
    """The leaves below a field of this type; the field itself where no model is in it."""
    inner = _models(annotation)
    if not inner:
        yield path
    for model, many in inner:
        yield from leaves(model, (*path, "*") if many else path)


def _models(annotation: Any) -> list[tuple[type[SpecModel], bool]]:
    """The models in a type, and whether there may be many of each."""
    if isinstance(annotation, type) and issubclass(annotation, SpecModel):
        return [(annotation, False)]
    many = get_origin(annotation) in (tuple, dict)
    return [(model, many or deep) for part in get_args(annotation) for model, deep in _models(part)]
