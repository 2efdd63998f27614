"""Terraform's JSON plan, format 1.2, as its documentation says it ("JSON Output Format"), strictly: a key that Terraform does not
have is an error, except the block `sutazai` and what the documentation leaves open."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

Text = Annotated[str, StringConstraints(min_length=1)]
Actions = (
    tuple[Literal["no-op", "create", "read", "update", "delete"]]
    | tuple[Literal["delete"], Literal["create"]]
    | tuple[Literal["create"], Literal["delete"]]
)
Marks = dict[str, Any] | bool


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Identity(Strict):
    address: Text
    mode: Literal["managed"]
    type: Text
    name: Text

    @model_validator(mode="after")
    def _named_by_its_address(self) -> "Identity":
        assert self.address.partition(".")[2] == self.name
        return self


class Change(Strict):
    actions: Actions
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    after_unknown: Marks
    before_sensitive: Marks
    after_sensitive: Marks
    replace_paths: list[list[str | int]] | None = None

    @model_validator(mode="after")
    def _sides_fit_the_actions(self) -> "Change":
        if self.actions == ("create",):
            assert self.before is None
            assert self.after is not None
        if self.actions == ("delete",):
            assert self.before is not None
            assert self.after is None
        if self.actions == ("no-op",):
            assert self.after is not None
        assert self.replace_paths is None or len(self.actions) == 2
        assert all(path for path in self.replace_paths or [])
        return self


class ResourceChange(Identity):
    provider_name: Text
    action_reason: Annotated[str, StringConstraints(pattern=r"^[a-z_]+$")] | None = None
    change: Change


class Resource(Identity):
    provider_name: Text
    schema_version: int
    values: dict[str, Any]
    sensitive_values: dict[str, Any]
    depends_on: list[Text] = []
    tainted: bool = False


class Module(Strict):
    resources: list[Resource]


class Values(Strict):
    outputs: dict[str, Any] = {}
    root_module: Module


class PriorState(Strict):
    format_version: Literal["1.0"]
    terraform_version: Text
    values: Values


class ConfiguredResource(Identity):
    provider_config_key: Text
    schema_version: int
    expressions: dict[str, dict[Literal["constant_value", "references"], Any]]
    depends_on: list[Text] = []


class ConfiguredModule(Strict):
    resources: list[ConfiguredResource]


class ProviderConfig(Strict):
    name: Text
    full_name: Text


class Configuration(Strict):
    provider_config: dict[str, ProviderConfig]
    root_module: ConfiguredModule


class Wave(Strict):
    index: int
    canary: bool
    addresses: list[Text]


class Own(BaseModel):
    """What the contract of this project asks for beside it."""

    environment: Text
    lineage: Text | None
    serial: int
    spec_digest: str
    waves: list[Wave]
    beside: list[Text]
    capacity: dict[str, Any] | None


class TerraformPlan(Strict):
    format_version: Literal["1.2"]
    terraform_version: Annotated[str, StringConstraints(pattern=r"^1\.\d+\.\d+$")]
    timestamp: Annotated[str, StringConstraints(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")]
    errored: bool
    applyable: bool
    complete: bool
    resource_changes: list[ResourceChange]
    resource_drift: list[ResourceChange]
    output_changes: dict[str, Any]
    prior_state: PriorState
    planned_values: Values
    configuration: Configuration
    checks: list[dict[str, Any]]
    sutazai: Annotated[Own, Field(...)]

    @model_validator(mode="after")
    def _parts_agree(self) -> "TerraformPlan":
        there = {c.address for c in self.resource_changes if c.change.after is not None}
        assert {r.address for r in self.planned_values.root_module.resources} == there
        was = {c.address for c in self.resource_changes if c.change.before is not None}
        assert {r.address for r in self.prior_state.values.root_module.resources} == was
        used = {r.provider_config_key for r in self.configuration.root_module.resources}
        assert used <= set(self.configuration.provider_config)
        return self
