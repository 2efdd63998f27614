"""The `state` section of an environment: which kind of store, and the options of that kind."""

from typing import Literal

from pydantic import ConfigDict

from sutazai.errors import InvalidInput
from sutazai.model.backend import BACKENDS, BackendOptions, holds_password
from sutazai.model.base import SpecModel
from sutazai.specs.nodes import Mapping, Node, kind_of, plain
from sutazai.specs.parts import rendered_section
from sutazai.specs.read import parse
from sutazai.specs.report import Report
from sutazai.specs.resolve import Resolver
from sutazai.specs.translate import validate


class _Kind(SpecModel):
    """All that can be said of a section whose kind is not known."""

    model_config = ConfigDict(extra="ignore")
    kind: Literal["local", "postgres", "s3"]


def backend_options(node: Node | None, resolver: Resolver) -> BackendOptions | None:
    """The rendered and validated options; None where there are none, or where they are wrong, which is reported."""
    rendered = rendered_section(node, "state", resolver)
    return _validated(rendered, "state", resolver.report) if rendered is not None else None


def parsed_backend(text: str, source: str) -> BackendOptions:
    """Options as they are written in an environment, given elsewhere (`--to`); `source` names the place. Raises
    `InvalidInput`."""
    report = Report()
    node = parse(text, source, report)
    if node is not None and not isinstance(node, Mapping):
        report.error(
            node.mark, f"{source} must be a map, not {kind_of(node)}", "wrong-type", hint="write {kind: …}"
        )
        node = None
    elif node is None and not report.failed:
        report.error(None, f"{source} is empty", "wrong-type", hint="write {kind: …}")
    options = _validated(node, source, report) if node is not None else None
    if options is None:
        raise InvalidInput(report.collect())
    return options


def _validated(node: Node, what: str, report: Report) -> BackendOptions | None:
    given = plain(node)
    kind = given.get("kind", "local") if isinstance(given, dict) else "local"
    model = BACKENDS.get(kind) if isinstance(kind, str) else None
    if model is None:
        validate(_Kind, node, what, report)
        return None
    url = node.get("url") if isinstance(node, Mapping) else None
    if url is not None and holds_password(str(plain(url))):
        report.warning(
            url.mark,
            f"url of {what} holds a password in plain text",
            "plain-password",
            hint="take it out; libpq finds it in PGPASSWORD, in ~/.pgpass or through PGSERVICE",
        )
    return validate(model, node, what, report)
