"""The `state` section of an environment: which kind of store, and the options of that kind."""

from typing import Literal

from pydantic import ConfigDict

from sutazai.model.backend import BACKENDS, BackendOptions, LocalBackend, holds_password
from sutazai.model.base import SpecModel
from sutazai.specs.nodes import Mapping, Node, plain
from sutazai.specs.parts import rendered_section
from sutazai.specs.resolve import Resolver
from sutazai.specs.translate import validate


class _Kind(SpecModel):
    """All that can be said of a section whose kind is not known."""

    model_config = ConfigDict(extra="ignore")
    kind: Literal["local", "postgres", "s3"]


def backend_options(node: Node | None, resolver: Resolver) -> BackendOptions:
    """The rendered and validated options. What is wrong is reported; the default stands in for it."""
    rendered = rendered_section(node, "state", resolver)
    if rendered is None:
        return LocalBackend()
    given = plain(rendered)
    kind = given.get("kind", "local") if isinstance(given, dict) else "local"
    model = BACKENDS.get(kind) if isinstance(kind, str) else None
    if model is None:
        validate(_Kind, rendered, "state", resolver.report)
        return LocalBackend()
    url = rendered.get("url") if isinstance(rendered, Mapping) else None
    if url is not None and holds_password(str(plain(url))):
        resolver.report.warning(
            url.mark,
            "url of state holds a password in plain text",
            "plain-password",
            hint="take it out; libpq finds it in PGPASSWORD, in ~/.pgpass or through PGSERVICE",
        )
    return validate(model, rendered, "state", resolver.report) or LocalBackend()
