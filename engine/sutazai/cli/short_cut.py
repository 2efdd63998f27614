"""The short way of `plan` and `apply` where it is known, after a full look, that there is nothing to do.

What is printed and how the command ends are the same as the long way round; `settled` says why that holds.
"""

import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from sutazai.cli.context import Globals
from sutazai.cli.streams import heard_or_not

if TYPE_CHECKING:
    from sutazai.diagnostics import Diagnostic
    from sutazai.settled import Watch, Whereabouts
    from sutazai.wiring import Project


def whereabouts(options: Globals, variables: Mapping[str, str]) -> "Whereabouts":
    from sutazai.settled import Whereabouts

    return Whereabouts(options.chdir, options.env, variables, options.environ)


def nothing_to_plan(options: Globals, variables: Mapping[str, str]) -> bool:
    """Whether a plan of everything has nothing to show; says so then."""
    from sutazai.settled import find

    found = find(whereabouts(options, variables), locked=False)
    if found is None:
        return False
    _say(options, found.warnings)
    return True


def nothing_to_apply(options: Globals, variables: Mapping[str, str], lock_timeout: float) -> bool:
    """As `nothing_to_plan`, under the lock of the state: while another run is under way nobody can tell."""
    from sutazai import __version__
    from sutazai.settled import find, folder_of
    from sutazai.store.lock import Lock

    here = whereabouts(options, variables)
    folder = folder_of(here)
    if folder is None:
        return False
    with Lock(folder.absolute(), __version__).hold("apply", lock_timeout):
        found = find(here, locked=True)
        if found is None:
            return False
        with heard_or_not(sys.stdout):
            _say(options, found.warnings)
        nothing_was_done(options)
        return True


def nothing_was_done(options: Globals) -> None:
    """End the stream of events of a run that did not begin: a program waits for its end, while people have read the plan."""
    if not options.json:
        return
    from sutazai.events import RunFinished
    from sutazai.views.events_json import JsonLines

    with heard_or_not(sys.stdout):
        JsonLines(sys.stdout)(RunFinished(time.time(), "done", None, 0, 0, 0, 0, 0.0, 0, 0))


def watch(options: Globals, variables: Mapping[str, str], project: "Project") -> "Watch":
    """Begin a plan of everything: one that has nothing to do is kept for the next one."""
    from sutazai.settled import Watch

    return Watch.begin(whereabouts(options, variables), project.loaded)


def _say(options: Globals, warnings: "tuple[Diagnostic, ...]") -> None:
    from sutazai.views.no_changes import no_changes

    options.warn(warnings)
    if not options.json:
        options.console().print([no_changes()])
