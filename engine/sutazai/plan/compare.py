"""What differs between a workload as declared and one of its containers.

Three-way: only what is declared now is compared with the container, and what was declared when it was last applied but
no longer is, with the defaults of image and engine. What nobody declared is nobody's drift. What no container can report
is compared with what was last applied (`unreported.py`).
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from sutazai.model.base import Effect
from sutazai.model.places import path_of
from sutazai.model.workload import NAMESPACES, Workload, effect_of
from sutazai.plan.change import FieldChange
from sutazai.plan.differ import Path, Sides, at, differences, facing, says
from sutazai.plan.normal import FORMS, Shape, expose, port_text
from sutazai.plan.ports import port_sides
from sutazai.plan.unreported import recorded, without_unreported
from sutazai.state.observed import Image, Instance
from sutazai.state.scope import PREFIX

Json = Any
Form = dict[str, Any]

_SECRET = re.compile(r"\{\{-?\s*secret\.")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A workload as it should be, and what it was when last applied. `digests` are those of the contents of its configs;
    `image` is the local image it would run now, `image_id` the ID that a rollback pins; `past_digests` are those of the time
    when it was last applied. `host` is the name that it has in every network, whether or not that is asked for."""

    workload: Workload
    past: Workload | None
    digests: Mapping[str, str] = field(default_factory=dict)
    image: Image | None = None
    image_id: str | None = None
    past_digests: Mapping[str, str] = field(default_factory=dict)
    host: str = ""

    @property
    def form(self) -> Form:
        """What is declared now."""
        return self.workload.form

    @property
    def past_form(self) -> Form:
        """What was declared then, nothing where nobody knows."""
        return self.past.form if self.past is not None else {}


def compare(wanted: Wanted, instance: Instance, past_image_id: str | None = None) -> tuple[FieldChange, ...]:
    """Every field in which the container differs from what is wanted, less what `lifecycle.ignore_changes` names.
    `past_image_id` is the image that it ran when it was last recorded."""
    want, past = wanted.form, wanted.past_form
    comparable = {*want, *past} & FORMS.keys()
    have = instance.form
    default = _defaults_of(instance)
    unlike = {name for name in comparable if not _is_as_asked(name, want, past, have, default)}
    found = [
        *_image(wanted, past, instance, past_image_id),
        *_reported(unlike, wanted, instance, default),
        *_expose(want, past, have, default),
        *_ports(want, past, have),
        *_configs(wanted, have, instance),
        *recorded(wanted.workload, wanted.past),
    ]
    kept = [
        change for change in found if not is_ignored(change.path, wanted.workload.lifecycle.ignore_changes)
    ]
    return tuple(sorted(kept, key=lambda change: change.path))


Default = Callable[[str], Json]
"""What a field would be had nobody declared it, as plain data; None where there is none."""


def _defaults_of(instance: Instance) -> Default:
    """Worked out when one is asked for: most fields of most containers are as declared."""
    found = cache(lambda: instance.defaults)
    return lambda name: found().get(name)


def is_ignored(path: Path, ignored: Iterable[str]) -> bool:
    """Whether `lifecycle.ignore_changes` names a field or what it is in. A place in the container may be spelt as in the body."""
    words = ("image",) if path == ("image_id",) else path
    prefixes = {".".join(words[:n]) for n in range(1, len(words) + 1)}
    return any(name == "all" or not prefixes.isdisjoint((name, _placed(name))) for name in ignored)


def _placed(name: str) -> str:
    field, _, place = name.partition(".")
    return f"{field}.{path_of(place)}" if field in ("volumes", "tmpfs") and place else name


def _is_as_asked(name: str, want: Form, past: Form, have: Form, default: Default) -> bool:
    """Whether a field is there word for word, so that its normal form would be too. Most of them are."""
    asked = want.get(name)
    told_the_same = name not in past or past is want or past[name] == asked
    if not told_the_same or asked is None:
        return False
    return says(FORMS[name][0], have.get(name), asked, lambda: default(name))


def _image(
    wanted: Wanted, past: Form, instance: Instance, past_image_id: str | None
) -> Iterator[FieldChange]:
    name, new_id = wanted.workload.image, wanted.image_id or (wanted.image.id if wanted.image else None)
    renamed = name is not None and name != instance.image
    if instance.adopted and new_id == instance.image_id:
        renamed = False  # whoever made it called the same image by another name
    if renamed:
        yield FieldChange(("image",), instance.image, name, Effect.REPLACE, drift=past.get("image") == name)
    if new_id is not None and new_id != instance.image_id:
        drift = new_id == past_image_id
        yield FieldChange(("image_id",), instance.image_id, new_id, Effect.REPLACE, drift=drift)
    elif new_id is None and renamed:
        yield FieldChange(("image_id",), instance.image_id, None, Effect.REPLACE, known=False)


def _reported(
    names: AbstractSet[str], told: Wanted, instance: Instance, default: Default
) -> Iterator[FieldChange]:
    """Of the fields that a container reports, those with `names`. Without a difference nobody needs the defaults."""
    want, past, have = told.form, told.past_form, instance.form
    wanted_form = normal(want, names)
    past_form = wanted_form if past is want else normal(past, names)
    for name in {**past_form, **wanted_form}:
        shape, form = FORMS[name]
        wanted, there = wanted_form.get(name), None if have.get(name) is None else form(have[name])
        if wanted != there:
            usual = default(name)
            sides = Sides(wanted, past_form.get(name), there, None if usual is None else form(usual))
            yield from _field(name, shape, _seen(name, sides, instance, told.host))


def _ports(want: Form, past: Form, have: Form) -> Iterator[FieldChange]:
    ports = port_sides(want, past, have)
    before, after = ports.before, ports.after
    for path, old, new in differences(before, after):
        yield FieldChange(path, old, new, Effect.REPLACE, drift=at(after, path) == at(ports.past, path))


def normal(declared_fields: Form, names: AbstractSet[str]) -> Form:
    """The normal form of what is declared, of the fields with `names`, without what no container reports."""
    found: Form = {}
    for name in names - {"configs"}:
        value = declared_fields.get(name)
        if value is not None:
            form = without_unreported(name, FORMS[name][1](value))
            if form != {} or FORMS[name][0] is not Shape.RECORD:
                found[name] = form
    return found


def _field(name: str, shape: Shape, sides: Sides) -> Iterator[FieldChange]:
    if name == "environment":
        sides = _with_secrets_taken_as_set(sides)
    before, after = facing(shape, sides)
    for rest, old, new in differences(before, after):
        path = (name, *rest)
        told, was = at(sides.wanted, rest), at(sides.past, rest)
        secret = name == "environment" and any(isinstance(v, str) and _SECRET.search(v) for v in (told, was))
        same = told == was and (
            told is not None or _is_there(sides.wanted, rest) == _is_there(sides.past, rest)
        )
        yield FieldChange(path, old, new, _effect(path, new), sensitive=secret, drift=same)


def _is_there(form: Json, path: Path) -> bool:
    """Whether something is said at a path, be it that there is to be nothing (`environment: {NAME: null}`)."""
    return bool(path) and path[-1] in (at(form, path[:-1]) or {})


def _effect(path: Path, new: Json) -> Effect:
    """Docker changes a limit of memory or CPUs on a running container, but can't take one away; and it can join a network,
    but not with a MAC address of its own."""
    lifted = new is None and path[:2] == ("deploy", "resources") and path[-1] in ("cpus", "memory")
    own_mac = path[0] == "networks" and isinstance(new, dict) and new.get("mac_address") is not None
    return Effect.REPLACE if lifted or own_mac else effect_of(path)


def _seen(name: str, sides: Sides, instance: Instance, host: str) -> Sides:
    """What a container reports beyond what anybody may have declared is left out: the engine's own labels, and the
    names it gives a workload in its networks, unless they are asked for as well. A container of others whose namespace it
    shares is called as it was asked for."""
    have = sides.have
    if name == "labels" and have:
        asked = sides.wanted or {}
        have = {key: value for key, value in have.items() if key in asked or not key.startswith(PREFIX)}
    if name in NAMESPACES and have:
        told = (side for side in (sides.wanted, sides.past) if _is_lent(side, have, instance.lenders))
        have = next(told, have)
    return _with_aliases(sides, instance, host) if name == "networks" else replace(sides, have=have)


def _is_lent(asked: str | None, have: str, lenders: Mapping[str, str]) -> bool:
    """Whether a namespace is that of the container which was asked for, by name or by the beginning of its ID: the engine reports
    the ID."""
    kind, _, target = (asked or "").partition(":")
    identity = have.partition(":")[2]
    if kind != "container" or not have.startswith("container:") or not target:
        return False
    return lenders.get(identity) == target or identity.startswith(target)


def _with_aliases(sides: Sides, instance: Instance, host: str) -> Sides:
    """The aliases that somebody asks for. Its own name, which it has anyway, is none. Of a network that is not asked
    for there is only that it was joined: the addresses in it may be Docker's choice."""
    asked = {
        key: {alias for side in (sides.wanted, sides.past) for alias in at(side, (key, "aliases")) or ()}
        for key in sides.have or {}
    }
    have = {
        key: {**value, "aliases": [*(value.get("aliases") or ()), *instance.answers.get(key, ())]}
        if key in (sides.wanted or {})
        else {}
        for key, value in (sides.have or {}).items()
    }
    return Sides(
        _with_some(sides.wanted, lambda _, alias: alias != host),
        _with_some(sides.past, lambda _, alias: alias != host),
        _with_some(have, lambda key, alias: alias != host and alias in asked[key]),
        sides.default,
    )


def _with_some(networks: Form | None, wanted: Callable[[str, str], bool]) -> Form | None:
    if networks is None:
        return None
    return {
        key: {**value, "aliases": sorted({a for a in value["aliases"] if wanted(key, a)})}
        if value.get("aliases")
        else value
        for key, value in networks.items()
    }


def _with_secrets_taken_as_set(sides: Sides) -> Sides:
    """The value behind a reference can't be compared: a container that was given it is taken to have it."""
    wanted, past, have = sides.wanted or {}, sides.past or {}, sides.have or {}
    held = {
        key: value
        for key, value in wanted.items()
        if key in have and past.get(key) == value and _SECRET.search(value or "")
    }
    return replace(sides, have={**have, **held}) if held else sides


def _expose(want: Form, past: Form, have: Form, default: Default) -> Iterator[FieldChange]:
    """Docker mixes in the ports of the image and the published ones, so declared ports must be among them, and only
    ports that were declared before count as too many."""
    if "expose" not in want and "expose" not in past:
        return
    asked, before, there = (expose(form.get("expose") or ()) for form in (want, past, have))
    by_default = {
        *expose(default("expose") or ()),
        *(text.split(":")[-1] for text in map(port_text, have.get("ports") or ())),
    }
    too_many = [port for port in before if port in there and port not in asked and port not in by_default]
    kept = [port for port in asked if port in there]
    if kept != asked or too_many:
        yield FieldChange(
            ("expose",), expose([*kept, *too_many]), asked, Effect.REPLACE, drift=asked == before
        )


def _configs(wanted: Wanted, have: Form, instance: Instance) -> Iterator[FieldChange]:
    """Where each file is, and what is in it by its digest."""
    form = FORMS["configs"][1]
    asked, was, there = (form(side.get("configs") or ()) for side in (wanted.form, wanted.past_form, have))
    for name in sorted({*asked, *was, *there}) if asked or was else ():
        before, after = there.get(name), asked.get(name)
        same = wanted.past is not None and was.get(name) == after
        for rest, old, new in differences(before, after):
            yield FieldChange(("configs", name, *rest), old, new, Effect.REPLACE, drift=same)
        content, digest = instance.configs.get(name), wanted.digests.get(name)
        if before is not None and after is not None and content != digest:
            drift = digest is not None and wanted.past_digests.get(name) == digest
            yield FieldChange(("configs", name, "content"), content, digest, Effect.REPLACE, drift=drift)
