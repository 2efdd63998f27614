"""What expressions can name: `var`, `inputs`, `env`, `agent`, `service`, `secret`, `depends_on`.

Everything is looked up when an expression asks for it, so that a variable may refer to another and a URL to
the port of a workload that is itself computed; what comes back to itself is an error at the place where it
began.
"""

from collections.abc import Callable, Iterable
from collections.abc import Mapping as AbstractMapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from jinja2 import Undefined

from sutazai.address import Address, Kind
from sutazai.diagnostics import did_you_mean
from sutazai.specs.interpolate import Context, Failed, Renderer, SecretReference
from sutazai.specs.modules import Module
from sutazai.specs.nodes import Entry, Mapping, Mark, Node, Plain, Where, plain, with_article
from sutazai.specs.report import Report, is_in
from sutazai.specs.sandbox import Namespace

Undefine = Callable[[str, str | None], Undefined]


@dataclass(frozen=True, slots=True)
class EnvironmentName(Namespace):
    noun: ClassVar[str] = "the environment"
    name: str

    def member(self, name: str, undefined: Undefine) -> Any:
        return self.name if name == "name" else undefined(f"env has no member {name!r}", "write env.name")


@dataclass(slots=True, eq=False)
class Variables(Namespace):
    """`var`: each variable is rendered once, when it is first asked for."""

    noun: ClassVar[str] = "all variables"
    entries: AbstractMapping[str, Entry]
    renderer: Renderer
    report: Report
    env: EnvironmentName
    unread: tuple[str | None, ...] = ()
    """Of the environments."""
    _values: dict[str, Plain] = field(default_factory=dict)
    _failed: set[str] = field(default_factory=set)
    _open: list[str] = field(default_factory=list)

    @property
    def names(self) -> Iterable[str]:
        return self.entries.keys()

    def member(self, name: str, undefined: Undefine) -> Any:
        if self.may_be_declared(name):
            raise Failed
        if name not in self.entries:
            known = list(self.entries)
            hint = did_you_mean(name, known) or (
                f"the variables are {', '.join(known)}"
                if 0 < len(known) <= 12
                else "declare it under variables"
            )
            return undefined(f"there is no variable {name!r}", hint)
        return self.value(name)

    def may_be_declared(self, name: str) -> bool:
        """Whether only a file that could not be read may declare it."""
        unread = is_in(name, self.unread) or self.report.may_be_declared(name)
        return name not in self.entries and unread

    def value(self, name: str) -> Plain:
        """The variable's value. Raises Failed when it has none; why is reported."""
        if name in self._values:
            return self._values[name]
        if name in self._failed:
            raise Failed
        entry = self.entries[name]
        if name in self._open:
            path = " → ".join([*self._open[self._open.index(name) :], name])
            self.report.error(
                entry.key,
                f"the variable {name} refers to itself: {path}",
                "cycle",
                hint="give one of them a value of its own",
            )
            self._failed.update(self._open)
            raise Failed
        self._open.append(name)
        try:
            node = self.renderer.render(entry.node, {"var": self, "env": self.env})
        except Failed:
            self._failed.add(name)
            raise
        finally:
            self._open.pop()
        self._values[name] = plain(node)
        return self._values[name]


@dataclass(slots=True, eq=False)
class Inputs(Namespace):
    """`inputs`: what the body gives to its module, checked against what the module declares, with its
    defaults."""

    noun: ClassVar[str] = "all inputs"
    module: Module | None
    given: Mapping | None
    renderer: Renderer
    report: Report
    owner: str
    mark: Mark
    where: Where
    context: Context = field(default_factory=dict)
    _nodes: dict[str, Node | None] = field(default_factory=dict)
    _open: set[str] = field(default_factory=set)

    @property
    def names(self) -> Iterable[str]:
        return self.module.inputs.keys() if self.module else (self.given.entries.keys() if self.given else ())

    def member(self, name: str, undefined: Undefine) -> Any:
        known = list(self.names)
        if name not in known:
            hint = did_you_mean(name, known) or (
                f"the inputs are {', '.join(known)}" if known else "declare it under inputs"
            )
            return undefined(f"there is no input {name!r}", hint)
        node = self.node(name)
        if node is None:
            return undefined(f"the input {name} has no value", f"give {self.owner} inputs: {{{name}: …}}")
        return plain(node)

    def node(self, name: str) -> Node | None:
        """The value as a tree, None when the input is optional and nobody gives it. Raises Failed when it is
        wrong."""
        if name not in self._nodes:
            if name in self._open:
                self.report.error(
                    self._place(name), f"the input {name} of {self.owner} refers to itself", "cycle"
                )
                raise Failed
            self._open.add(name)
            try:
                self._nodes[name] = self._read(name)
            finally:
                self._open.discard(name)
        return self._nodes[name]

    def _place(self, name: str) -> Mark:
        return self.given.entries[name].key if self.given and name in self.given.entries else self.mark

    def _read(self, name: str) -> Node | None:
        declared = self.module.inputs[name] if self.module else None
        node = self.given.get(name) if self.given else None
        if node is None:
            node = declared.default if declared else None
            if node is None:
                if declared and declared.required:
                    raise Failed  # check() reports it
                return None
        rendered = self.renderer.render(node, self.context, self.where)
        if declared and not (node is declared.default and plain(node) is None):
            problem = declared.problem(rendered)
            if problem:
                mark = node.mark
                related = self.where(mark) or [("declared here", declared.mark)]
                self.report.error(mark, problem[0], "bad-input", hint=problem[1], related=related)
                raise Failed
        return rendered

    def check(self) -> bool:
        """Report missing, unknown and mistyped inputs. False when there are any."""
        fine = True
        declared = self.module.inputs if self.module else {}
        for name, entry in (self.given.entries if self.given and self.module else {}).items():
            if name not in declared:
                fine = False
                hint = did_you_mean(name, declared) or (
                    f"its inputs are {', '.join(declared)}" if declared else "it has no inputs"
                )
                self.report.error(
                    entry.key,
                    f'the module {self.module.name if self.module else ""} has no input "{name}"',
                    "unknown-input",
                    hint=hint,
                )
        for name, wanted in declared.items():
            if wanted.required and not (self.given and name in self.given.entries):
                fine = False
                self.report.error(
                    self.mark,
                    f'{self.owner} lacks the input "{name}" of its module',
                    "missing-input",
                    hint=f"write inputs: {{{name}: …}}, {with_article(wanted.type)}",
                    related=[("declared here", wanted.mark)],
                )
                continue
            try:
                self.node(name)
            except Failed:
                fine = False
        return fine


@dataclass(frozen=True, slots=True, eq=False)
class Peer(Namespace):
    """A workload as another sees it. `find_port` gives its main port, None when it declares none."""

    noun: ClassVar[str] = "a workload"
    address: Address
    host: str
    find_port: Callable[[], int | None]

    def member(self, name: str, undefined: Undefine) -> Any:
        if name == "port":
            port = self.find_port()
            return (
                port
                if port is not None
                else undefined(f"{self.address} declares no port", "give it a route, ports or expose")
            )
        members = {"host": self.host, "name": self.address.name, "kind": self.address.kind.value}
        if name in members:
            return members[name]
        return undefined(
            f"{self.address} has no member {name!r}", "the members are host, port, name and kind"
        )


@dataclass(frozen=True, slots=True, eq=False)
class Peers(Namespace):
    """`agent` and `service`: the workloads of one kind."""

    noun: ClassVar[str] = "all workloads of a kind"
    kind: Kind
    peers: AbstractMapping[Address, Peer]
    excluded: AbstractMapping[Address, Any]
    environment: str
    report: Report

    def member(self, name: str, undefined: Undefine) -> Any:
        address = Address(self.kind, name)
        if address in self.peers:
            return self.peers[address]
        if address in self.excluded:
            return undefined(
                f"{address} is excluded from the environment {self.environment}",
                f"test it: {{% if {self.kind.value}['{name}'] is defined %}}, or exclude what needs it too",
            )
        if self.report.may_be_declared(name):
            raise Failed
        names = [known.name for known in self.peers if known.kind is self.kind]
        other = next((known for known in self.peers if known.name == name), None)
        return undefined(
            f"there is no {self.kind.value} {name!r}",
            f"write {other}"
            if other
            else did_you_mean(name, names) or f"declare it under {self.kind.value}s",
        )


@dataclass(frozen=True, slots=True, eq=False)
class Secrets(Namespace):
    """`secret`: references by name, never values."""

    noun: ClassVar[str] = "all secrets"
    declared: Iterable[str]
    report: Report

    def member(self, name: str, undefined: Undefine) -> Any:
        if name in self.declared:
            return SecretReference(name)
        if self.report.may_be_declared(name):
            raise Failed
        return undefined(
            f"there is no secret {name!r}", did_you_mean(name, self.declared) or "declare it under secrets"
        )
