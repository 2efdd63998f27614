"""From bodies to rendered bodies: each workload's layers joined, its expressions evaluated, what the
environment excludes gone.

Order of the layers, weakest first: module template, the body, environment defaults, overrides in order.
Selectors of overrides and exclusions see what module and body say.
"""

from collections.abc import Mapping as AbstractMapping
from dataclasses import dataclass, field, replace
from functools import partial

from pydantic import ValidationError

from sutazai.address import Address, Kind
from sutazai.diagnostics import did_you_mean
from sutazai.graph.selectors import Selectable, SelectorError, select
from sutazai.model.workload import NAMESPACES, Workload
from sutazai.specs.environment import Environment
from sutazai.specs.interpolate import Context, Failed, Renderer
from sutazai.specs.merge import by_name, canonical, merge, settle
from sutazai.specs.modules import Module
from sutazai.specs.names import EnvironmentName, Inputs, Peer, Peers, Secrets, Variables
from sutazai.specs.nodes import NOWHERE, Entry, Mapping, Mark, Node, Scalar, kind_of, plain
from sutazai.specs.project import Project
from sutazai.specs.references import References
from sutazai.specs.report import Report
from sutazai.state.scope import host_name

_FIRST = ("category", "tier")
_PORTS = ("route", "ports", "expose")
_TABLES = ((Kind.SERVICE, "services"), (Kind.AGENT, "agents"))
_CONSUMED = ("module", "inputs")
_STARTED = Scalar("service_started", NOWHERE)


@dataclass(slots=True, eq=False)
class Draft:
    """A workload on its way to the model. `tree` holds its joined layers; `body` the rendered result,
    `complete` when everything in it has a value."""

    address: Address
    key: Mark
    tree: Mapping
    module: Module | None
    inputs: Inputs
    context: dict[str, object] = field(default_factory=dict)
    parts: dict[str, Entry] = field(default_factory=dict)
    body: Mapping | None = None
    complete: bool = False
    depends_on: dict[Address, Mark] = field(default_factory=dict)
    port: int | None = None
    port_state: str = "unknown"

    def where(self, mark: Mark) -> list[tuple[str, Mark]]:
        """The workload, as a further place of a problem that is in its module."""
        return [(f"used by {self.address}", self.key)] if mark.source.module else []

    def let_go(self) -> None:
        """Forget what its expressions could name. That leads to every other draft and back: together they would stay in
        memory until somebody looks for such circles."""
        self.context = {}
        self.inputs.context = {}
        self.inputs.where = lambda _mark: []


@dataclass(slots=True, eq=False)
class Resolver:
    """Everything that resolving one environment needs."""

    project: Project
    modules: AbstractMapping[str, Module | None]
    environment: Environment
    variables: Variables
    renderer: Renderer
    report: Report
    drafts: dict[Address, Draft] = field(default_factory=dict)
    excluded: dict[Address, Mark] = field(default_factory=dict)

    def resolve(self) -> tuple[Draft, ...]:
        """Every workload of the environment, rendered as far as that was possible."""
        base = dict(self._bases())
        known = References(
            frozenset(Address(kind, name) for kind, table in _TABLES for name in self.project.table(table))
        )
        self._prepare_contexts(base, base)
        items = {address: self._selectable(draft, known) for address, draft in base.items()}
        for node in self.environment.exclude:
            for address in self._select(node, items):
                self.excluded.setdefault(address, node.mark)
        layers = {address: [draft.tree] for address, draft in base.items()}
        for override in self.environment.overrides:
            for address in self._select(override.select, items):
                layers[address].append(override.body)
        for address, draft in base.items():
            if address not in self.excluded:
                self.drafts[address] = self._finish(draft, layers[address])
        self._prepare_contexts(self.drafts, base)
        for draft in self.drafts.values():
            self._render(draft, known)
        for draft in (*base.values(), *self.drafts.values()):
            draft.let_go()
        return tuple(self.drafts.values())

    def context(self) -> Context:
        """What expressions outside of any workload can name."""
        return {"var": self.variables, "env": self.variables.env}

    def _bases(self) -> list[tuple[Address, Draft]]:
        found = []
        for kind, table in _TABLES:
            for name, entry in self.project.table(table).items():
                if isinstance(entry.node, Mapping):
                    address = Address(kind, name)
                    found.append((address, self._draft(address, entry.key, entry.node)))
        return found

    def _draft(self, address: Address, key: Mark, body: Mapping) -> Draft:
        node, module = body.get("module"), None
        if isinstance(node, Scalar) and isinstance(node.value, str):
            module = self.modules.get(node.value)
            if node.value not in self.modules:
                self.report.error(
                    node.mark,
                    f"there is no module {node.value!r}",
                    "unknown-module",
                    hint=did_you_mean(node.value, self.modules) or f"write modules/{node.value}/module.yaml",
                )
        elif node is not None and not (isinstance(node, Scalar) and node.value is None):
            self.report.error(node.mark, f"module is the name of a module, not {kind_of(node)}", "wrong-type")
        elif body.get("inputs") is not None:
            self.report.error(
                body.entries["inputs"].key,
                f"{address} has inputs but no module",
                "missing-key",
                hint="write module: NAME, or remove inputs",
            )
        tree: Node | None = merge(module.template, body) if module else body
        checks = self.project.single.get("checks")
        if checks is not None and isinstance(tree, Mapping) and "checks" not in tree.entries:
            tree = tree.with_entry("checks", checks)
        tree = settle(tree, self.report) if tree is not None else None
        return self._with_inputs(address, key, tree if isinstance(tree, Mapping) else body, module)

    def _with_inputs(self, address: Address, key: Mark, tree: Mapping, module: Module | None) -> Draft:
        given = tree.get("inputs")
        inputs = Inputs(
            module,
            given if isinstance(given, Mapping) else None,
            self.renderer,
            self.report,
            str(address),
            key,
            lambda _: [],
        )
        draft = Draft(address, key, tree, module, inputs)
        inputs.where = draft.where
        return draft

    def _finish(self, draft: Draft, layers: list[Mapping]) -> Draft:
        """The draft with the environment's layers over it."""
        bodies = layers[1:] if self.environment.defaults is None else [self.environment.defaults, *layers[1:]]
        tree: Node | None = draft.tree
        for body in bodies:
            tree = merge(tree, body)
        if bodies and tree is not None:
            tree = settle(tree, self.report)
        given = draft.tree.get("inputs")
        if given is not None and not isinstance(given, Mapping) and plain(given) is not None:
            self.report.error(given.mark, f"inputs must be a map, not {kind_of(given)}", "wrong-type")
        return self._with_inputs(
            draft.address, draft.key, tree if isinstance(tree, Mapping) else draft.tree, draft.module
        )

    def _prepare_contexts(
        self, drafts: AbstractMapping[Address, Draft], declared: AbstractMapping[Address, Draft]
    ) -> None:
        names = {address.name for address in declared if address.kind is Kind.AGENT}
        peers = {
            address: Peer(
                address, host_name(address, shared=address.name in names), partial(self._port, draft)
            )
            for address, draft in drafts.items()
        }
        env = EnvironmentName(self.environment.name)
        spaces = {
            kind.value: Peers(kind, peers, self.excluded, env.name, self.report)
            for kind in (Kind.AGENT, Kind.SERVICE)
        }
        secrets = Secrets(self.project.table("secrets"), self.report)
        for draft in drafts.values():
            draft.context = {
                "var": self.variables,
                "inputs": draft.inputs,
                "name": draft.address.name,
                "env": env,
                **spaces,
                "secret": secrets,
            }
            draft.inputs.context = draft.context
            for name in _FIRST:
                node = self._part(draft, name)
                draft.context = {**draft.context, name: plain(node) if node is not None else None}

    def _part(self, draft: Draft, name: str) -> Node | None:
        """One field, rendered; None when it is not there or wrong."""
        if name in draft.parts:
            return draft.parts[name].node
        entry = draft.tree.entries.get(name)
        if entry is None:
            return None
        try:
            node = self.renderer.render(entry.node, draft.context, draft.where)
        except Failed:
            return None
        draft.parts[name] = entry.with_node(node)
        return node

    def _port(self, draft: Draft) -> int | None:
        """The port that others reach the workload on. Raises Failed when what says so is wrong."""
        if draft.port_state == "open":
            self.report.error(draft.key, f"the port of {draft.address} depends on itself", "cycle")
            raise Failed
        if draft.port_state == "unknown":
            draft.port_state = "open"
            fields = {
                name: plain(node)
                for name in _PORTS
                if (node := self._part(draft, name)) is not None and plain(node) is not None
            }
            missing = [name for name in _PORTS if name in draft.tree.entries and name not in draft.parts]
            try:
                draft.port = Workload.model_validate(fields).main_port
                draft.port_state = "failed" if missing else "known"
            except (ValidationError, ValueError):
                draft.port_state = (
                    "failed"  # the same field is validated with the whole workload, and reported there
                )
        if draft.port_state == "failed":
            raise Failed
        return draft.port

    def _selectable(self, draft: Draft, known: References) -> Selectable:
        tier, category, labels = (self._part(draft, name) for name in ("tier", "category", "labels"))
        texts = (
            {key: str(value) for key, value in data.items()}
            if isinstance(data := plain(labels) if labels else None, dict)
            else {}
        )
        depends = self._part(draft, "depends_on")
        form = by_name(depends) if depends else None
        found = [known.find(name) for name in (form.entries if isinstance(form, Mapping) else ())]
        return Selectable(
            draft.address, _text(tier), _text(category), texts, tuple(address for address in found if address)
        )

    def _select(self, node: Scalar, items: AbstractMapping[Address, Selectable]) -> list[Address]:
        try:
            expression = self.renderer.value(node, self.context())
            return sorted(select(str(expression), items))
        except SelectorError as error:
            if error.unknown is not None and self.report.may_be_declared(error.unknown):
                return []
            self.report.error(node.mark, error.message, "bad-selector", hint=error.hint)
        except Failed:
            pass
        return []

    def _render(self, draft: Draft, known: References) -> None:
        """Evaluate everything in the draft's tree, as far as it has a value."""
        fine = draft.inputs.check()
        if draft.module is None and plain(draft.tree.get("module") or Scalar(None, draft.key)) is not None:
            fine = False  # an unknown or broken module, reported already
        self._resolve_dependencies(draft, known)
        peers: list[Peer] = []
        for address in draft.depends_on:
            space = draft.context[address.kind.value]
            if isinstance(space, Peers) and address in space.peers:
                peers.append(space.peers[address])
        draft.context = {**draft.context, "depends_on": peers}
        for name in draft.tree.entries:
            if name not in _CONSUMED and self._part(draft, name) is None:
                fine = False
        names = dict.fromkeys((*draft.tree.entries, "depends_on"))
        kept_names = [name for name in names if name in draft.parts and name not in _CONSUMED]
        draft.body = canonical(Mapping({name: draft.parts[name] for name in kept_names}, draft.tree.mark))
        draft.complete = fine

    def _resolve_dependencies(self, draft: Draft, known: References) -> None:
        """Put the dependencies that are there in this environment into the draft: those of `depends_on`, and as in Compose
        the workloads whose namespaces it shares, which must run before it does."""
        declared = self._part(draft, "depends_on")
        owners = self._owners(draft, known)
        if declared is None and not owners:
            return
        at = declared.mark if declared is not None else draft.key
        entry = draft.parts.get("depends_on") or Entry(at, Mapping({}, at))
        form = by_name(entry.node)
        kept = known.dependencies(
            draft.address, form, self.excluded, self.environment.name, self.report, draft.where
        )
        for address, mark in owners.items():
            kept.setdefault(address, (mark, Mapping({"condition": Entry(mark, _STARTED)}, mark)))
        draft.depends_on = {address: mark for address, (mark, _) in kept.items()}
        if owners or isinstance(form, Mapping):
            keys = {known.short(address): Entry(mark, node) for address, (mark, node) in kept.items()}
            draft.parts["depends_on"] = entry.with_node(Mapping(keys, at))

    def _owners(self, draft: Draft, known: References) -> dict[Address, Mark]:
        """The workloads whose network, processes or IPC it shares (`service:NAME`), which are written by their shortest
        names from here on."""
        found: dict[Address, Mark] = {}
        for name in NAMESPACES:
            node = self._part(draft, name)
            text = node.value if isinstance(node, Scalar) else None
            if not isinstance(node, Scalar) or not isinstance(text, str) or not text.startswith("service:"):
                continue
            owner = known.owner(
                draft.address, text.removeprefix("service:"), node.mark, self.report, draft.where
            )
            if owner in self.excluded:
                self.report.error(
                    node.mark,
                    f"{draft.address} shares a namespace of {owner}, which the environment "
                    f"{self.environment.name} excludes",
                    "excluded-dependency",
                    hint=f"exclude {draft.address.name} too, or let an override set another {name}",
                    related=[("excluded here", self.excluded[owner])],
                )
            elif owner is not None:
                found.setdefault(owner, node.mark)
                short = replace(node, value=f"service:{known.short(owner)}")
                draft.parts[name] = draft.parts[name].with_node(short)
        return found


def _text(node: Node | None) -> str | None:
    return str(node.value) if isinstance(node, Scalar) and node.value is not None else None
