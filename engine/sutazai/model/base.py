"""What every model class shares: frozen, no unknown keys, and how a field takes effect."""

from enum import StrEnum
from functools import cached_property
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler
from pydantic_core import CoreSchema


class _Empty(dict[str, Any]):
    """pydantic copies a default for every model, deeply, unless it can be hashed."""

    def __hash__(self) -> int:  # type: ignore[override]
        return 0

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """For the JSON schema, where a default is written by its own type."""
        return handler(dict[str, Any])


EMPTY = _Empty()
"""The default of a map: one for all who leave it alone."""


class SpecModel(BaseModel):
    """Base of the desired state. Equality and hashing are by value; unknown keys are refused."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        validate_default=False,
        populate_by_name=True,
    )

    @cached_property
    def form(self) -> dict[str, Any]:
        """What is declared, as plain data (`declared`): made once for all who compare or show it, so nobody may change it."""
        return declared(self)

    def __copy__(self) -> Self:
        """Without what was worked out of it (`cached_property`): a model is copied to get other values."""
        copied, fields = super().__copy__(), type(self).__pydantic_fields__
        if len(copied.__dict__) > len(fields):
            for name in copied.__dict__.keys() - fields.keys():
                del copied.__dict__[name]
        return copied

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        """The thing itself, since nothing can change it. So all workloads that leave a field alone share its default, which
        pydantic would copy for each."""
        del memo
        return self


def declared(model: BaseModel) -> dict[str, Any]:
    """The declared part of a model as plain data: what was set, recursively, and nothing filled in."""
    return model.model_dump(mode="json", exclude_unset=True)


def keep_form(model: SpecModel, form: dict[str, Any]) -> None:
    """Spare the model its `form`, where it is known."""
    model.__dict__["form"] = form


class Effect(StrEnum):
    """What changing a field does to a running workload. Attached to fields as `Annotated` metadata; a nested field
    without one of its own has its parent's. `tests/unit/plan/test_fields.py` asks for that of every field of a workload."""

    REPLACE = "replace"
    """A new container: Docker can't change it on a running one."""
    IN_PLACE = "in-place"
    """Docker changes it on the running container."""
    ENGINE = "engine"
    """Only this engine reads it: recorded in the state, no call to Docker."""
    INPUT = "input"
    """Consumed while the specs are read; never part of the resolved model."""
