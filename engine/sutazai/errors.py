"""Everything that can end a command, in one small tree; `cli.main` alone turns it into exit codes."""

from collections.abc import Iterable
from enum import IntEnum

from sutazai.diagnostics import Diagnostic


class ExitCode(IntEnum):
    """What a command's exit status means (contract, section 4)."""

    OK = 0
    ERROR = 1
    CHANGES = 2
    ROLLED_BACK = 3
    APPLY_FAILED = 4
    LOCKED = 5
    POLICY_REFUSED = 6
    PROVIDER_UNREACHABLE = 7
    INTERRUPTED = 130


class SutazaiError(Exception):
    """An end that is explained to the user. `hint` says what to do."""

    exit_code = ExitCode.ERROR

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class InvalidInput(SutazaiError):
    """What the user wrote is wrong; every problem found is in `diagnostics`."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        super().__init__(f"{len(self.diagnostics)} problem(s) in the input")


class NotCarriedOut(SutazaiError):
    """The spec asks for something that parses and validates but that this version does not carry out yet."""


class Refused(SutazaiError):
    """The run would do something that the state, a lock on destruction or the user forbids."""


class PolicyRefused(SutazaiError):
    exit_code = ExitCode.POLICY_REFUSED


class ApplyFailed(SutazaiError):
    """A run stopped before its end; what was done is recorded."""

    exit_code = ExitCode.APPLY_FAILED


class TrafficError(SutazaiError):
    """The traffic switch can't be reached, or did not do as it was told."""

    exit_code = ExitCode.APPLY_FAILED


class RolledBack(SutazaiError):
    """A run failed and what it had touched was taken back."""

    exit_code = ExitCode.ROLLED_BACK


class Interrupted(SutazaiError):
    """The user stopped the run; everything done so far is recorded."""

    exit_code = ExitCode.INTERRUPTED


class StateError(SutazaiError):
    """The state can't be read, or must not be written: damaged, foreign, or newer than this version."""


class NewerFormat(StateError):
    """The state is whole, and only a newer version can read it."""


class PlanFileError(SutazaiError):
    """A plan file can't be read or written: none, damaged, altered, or newer than this version."""


class StateLocked(SutazaiError):
    """Somebody else writes this state now."""

    exit_code = ExitCode.LOCKED


class ProviderError(SutazaiError):
    """The provider answered that it would not do what was asked. `status` is its HTTP status, if it has one."""

    def __init__(self, message: str, *, status: int | None = None, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.status = status


class NotFound(ProviderError):
    """The object asked for does not exist."""


class Conflict(ProviderError):
    """The name or port is taken, or the object is in a state that forbids the call."""


class Unstartable(ProviderError):
    """This container can't be started any more: the engine was killed while it started it, and what lies beneath still holds
    its ID. One made of the same can."""


class NotEnded(ProviderError):
    """A command did not end in the time that it was given, or is not waited for any longer."""


class ProviderUnreachable(ProviderError):
    """No answer from the provider at all."""

    exit_code = ExitCode.PROVIDER_UNREACHABLE
