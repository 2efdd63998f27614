"""The events of a YAML text, from one of two parsers.

ruamel.yaml's own parser says what a text means, where everything in it stands and what is wrong with it. libyaml, which
ruamel.yaml.clib brings, is several times as fast, and differs from it in corners of YAML. So its events are given for what
both are known to read alike, and for nothing else; `tests/unit/specs/test_events.py` holds the two against each other.
"""

import re
from collections.abc import Iterator
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.events import AliasEvent, CollectionStartEvent, MappingStartEvent, ScalarEvent
from ruamel.yaml.parser import Parser

from sutazai.specs.nodes import Tag

_READ_APART = re.compile("[\t\x85\u2028\u2029\ufeff]|\r(?!\n)|(?m:^(?:%|[.][.][.]))")
"""Tabs, what only one of the two takes for the end of a line, marks of byte order, directives and ends of documents."""
_ANCHOR = re.compile(r"[&*][A-Za-z0-9_-]+(?=[] ,}\r\n]|$)")
_BLOCK = re.compile(r"[|>][-+]?\r?\n +[^ \r\n]")
"""Anchors and aliases that end where both say so, and block scalars whose indentation is that of the next line."""


class UnsureError(Exception):
    """libyaml may read this text otherwise than ruamel.yaml's own parser does."""


def events_of(text: str) -> Iterator[Any]:
    """What the text says. Raises what ruamel.yaml's own parser raises."""
    return iter(YAML(typ="safe", pure=True).parse(text))


def quick_events_of(text: str) -> Iterator[Any]:
    """The same, sooner. Raises UnsureError, also in the midst of it, where it might not be the same, and at once where
    ruamel.yaml.clib is not there, as on PyPy; anything else that is raised tells no more than that."""
    yaml = YAML(typ="safe")
    if yaml.Parser is Parser or _READ_APART.search(text):
        raise UnsureError
    for event in yaml.parse(text):
        if not _read_alike(event, text):
            raise UnsureError
        yield event


def _read_alike(event: Any, text: str) -> bool:
    if not isinstance(event, (AliasEvent, ScalarEvent, CollectionStartEvent)):
        return True
    start = event.start_mark
    if event.anchor is not None and not _ANCHOR.match(text, start.index):
        return False
    if isinstance(event, AliasEvent):
        return True
    if event.ctag not in (None, Tag.APPEND, Tag.RESET):
        return False
    if isinstance(event, ScalarEvent):
        if event.style in ("|", ">"):
            return _BLOCK.match(text, start.index) is not None
        return bool(event.value or event.style)  # the two put a value that is left out at different places
    braced = event.end_mark.column > start.column
    is_pair = event.flow_style and isinstance(event, MappingStartEvent)  # [key: value] has no braces
    return braced or not is_pair
