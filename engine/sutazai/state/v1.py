"""Format 1 of the recorded state: containers were ours by their labels alone.

Format 2 adds what labels can't say: `imported` of a resource, `adopted` of an instance, `released` of the state. All may
be absent, and are in what format 1 holds, so nothing of it changes but the version.
"""

from collections.abc import Mapping

from pydantic import JsonValue


def upgraded(document: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
    """The document in format 2. It keeps the hash that it was written with, by which the next serial names it."""
    return {**document, "format_version": 2}
