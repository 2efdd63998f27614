"""Names of workloads in `depends_on`: `NAME`, `agent.NAME`, `service.NAME`."""

from collections.abc import Mapping as AbstractMapping
from dataclasses import dataclass

from sutazai.address import Address, Kind
from sutazai.diagnostics import did_you_mean
from sutazai.specs.merge import merge
from sutazai.specs.nodes import Mapping, Mark, Node, Scalar, Where
from sutazai.specs.report import Report


@dataclass(frozen=True, slots=True)
class References:
    """Every workload that the specs declare, whether the environment excludes it or not."""

    declared: frozenset[Address]

    def candidates(self, reference: str) -> tuple[Address, ...]:
        """What a reference may mean: both kinds for a plain name that both have."""
        kind, dot, name = reference.partition(".")
        if dot and kind in (Kind.AGENT, Kind.SERVICE) and Address(Kind(kind), name) in self.declared:
            return (Address(Kind(kind), name),)
        both = (Address(Kind.AGENT, reference), Address(Kind.SERVICE, reference))
        return tuple(address for address in both if address in self.declared)

    def find(self, reference: str) -> Address | None:
        found = self.candidates(reference)
        return found[0] if found else None

    def short(self, address: Address) -> str:
        """The shortest reference that means `address`."""
        return address.name if len(self.candidates(address.name)) == 1 else str(address)

    def dependencies(
        self,
        owner: Address,
        node: Node | None,
        excluded: AbstractMapping[Address, Mark],
        environment: str,
        report: Report,
        where: Where,
    ) -> dict[Address, tuple[Mark, Node]]:
        """The dependencies that are there in this environment, with what is said of each. What is required
        and is not there is reported; what is not required is left out."""
        named: dict[Address, tuple[Mark, Node]] = {}
        for name, entry in (node.entries if isinstance(node, Mapping) else {}).items():
            candidates = self.candidates(name)
            if len(candidates) == 1:
                earlier = named.get(candidates[0])  # `redis` and `service.redis`, of two layers
                joined = merge(earlier[1], entry.node) if earlier else entry.node
                named[candidates[0]] = (entry.key, joined or entry.node)
            elif candidates:
                report.error(
                    entry.key,
                    f'"{name}" is both an agent and a service',
                    "ambiguous-name",
                    hint=f"write {candidates[0]} or {candidates[1]}",
                    related=where(entry.key),
                )
            elif not _is_optional(entry.node) and not report.may_be_declared(_last(name)):
                report.error(
                    entry.key,
                    f'{owner} depends on "{name}", which is not declared',
                    "unknown-dependency",
                    hint=self._nearest(name),
                    related=where(entry.key),
                )
        for target in [target for target in named if target in excluded]:
            mark, value = named.pop(target)
            if not _is_optional(value):
                self._excluded(owner, target, mark, excluded, environment, report)
        return named

    def _nearest(self, name: str) -> str:
        return (
            did_you_mean(name, sorted(self._names()))
            or f"declare it under services or agents, or write {name}: {{required: false}}"
        )

    def owner(
        self,
        user: Address,
        name: str,
        mark: Mark,
        report: Report,
        where: Where,
    ) -> Address | None:
        """The workload that `service:NAME` means; None with a reported problem."""
        candidates = self.candidates(name)
        if len(candidates) == 1 and candidates[0] != user:
            return candidates[0]
        if not candidates and report.may_be_declared(_last(name)):
            return None
        if len(candidates) == 1:
            summary, code, hint = f"{user} can't share its own namespace", "cycle", "name another workload"
        elif candidates:
            summary, code = f'"{name}" is both an agent and a service', "ambiguous-name"
            hint = f"write service:{candidates[0]} or service:{candidates[1]}"
        else:
            summary, code = (
                f'{user} shares a namespace of "{name}", which is not declared',
                "unknown-dependency",
            )
            hint = did_you_mean(name, sorted(self._names())) or "declare it under services or agents"
        report.error(mark, summary, code, hint=hint, related=where(mark))
        return None

    def _names(self) -> set[str]:
        return {text for address in self.declared for text in (address.name, str(address))}

    def _excluded(
        self,
        owner: Address,
        target: Address,
        mark: Mark,
        excluded: AbstractMapping[Address, Mark],
        environment: str,
        report: Report,
    ) -> None:
        report.error(
            mark,
            f"{owner} depends on {target}, which the environment {environment} excludes",
            "excluded-dependency",
            hint=f"exclude {owner.name} too, or let an override set "
            f"depends_on: {{{self.short(target)}: {{required: false}}}}",
            related=[("excluded here", excluded[target])],
        )


def _last(reference: str) -> str:
    """What stands, of a reference, where its workload is declared."""
    return reference.rpartition(".")[2]


def _is_optional(node: Node) -> bool:
    required = node.get("required") if isinstance(node, Mapping) else None
    return isinstance(required, Scalar) and required.value is False
