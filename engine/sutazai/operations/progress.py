"""What a run has done so far, and how one change of it ends: well, failed, or not begun because of another's failure."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from sutazai.address import Address
from sutazai.errors import ProviderError, ProviderUnreachable, SutazaiError, TrafficError
from sutazai.events import ChangeFailed, ChangeFinished, ChangeSkipped, ChangeStarted, Progress
from sutazai.operations.hand import Unhealthy
from sutazai.operations.session import Run
from sutazai.plan.branches import Branches, hold_up
from sutazai.plan.change import Action, ResourceChange
from sutazai.state.v2 import ResourceRecord


@dataclass(frozen=True, slots=True)
class Failure:
    """`address` is None for what is not about one resource. `error` is the exception behind it."""

    address: Address | None
    cause: str
    error: Exception
    logs: tuple[str, ...] | None = None

    @property
    def hint(self) -> str | None:
        """What to do, where that is not a part of the cause already."""
        match self.error:
            case ProviderError() | Unhealthy():
                return None
            case SutazaiError():
                return self.error.hint
            case _:
                return "please report it with what DEBUG=true shows"


@dataclass(slots=True)
class Progressed:
    """What a run has done so far; the only thing about it that changes. `branches` is None where the first failure stops
    the run, else what hangs on each change; `held` is then what must not begin any more, each with the failure it is held
    up by."""

    branches: Branches | None = None
    held: dict[Address, Address] = field(default_factory=dict)
    records: dict[Address, ResourceRecord | None] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    finished: list[ResourceChange] = field(default_factory=list)
    touched: bool = False


async def guarded(
    run: Run, done: Progressed, change: ResourceChange, work: Callable[[], Awaitable[ResourceRecord | None]]
) -> None:
    """Carry out one change; its failure, of whatever kind, is kept."""
    address, clock = change.address, run.session.clock
    began = clock.monotonic()
    done.touched = True
    try:
        run.emit(ChangeStarted(run.now, address, change.action.value))
        done.records[address] = await work()
        if address.kind.is_workload and change.action is not Action.DESTROY and run.manner.gated:
            await run.saw_healthy(address)
        done.finished.append(change)
        run.emit(ChangeFinished(run.now, address, change.action.value, clock.monotonic() - began))
    except Unhealthy as error:
        if error.record is not None:
            done.records[address] = error.record
        if error.interrupted:
            run.emit(Progress(run.now, address, f"interrupted while waiting: {error.cause}"))
            return
        failed(run, done, change, error, error.logs)
    except Exception as error:  # noqa: BLE001 - whatever went wrong, the others must end well and be recorded
        failed(run, done, change, error)
    finally:
        run.pulse.done(address)


def failed(
    run: Run,
    done: Progressed,
    change: ResourceChange | None,
    error: Exception,
    logs: tuple[str, ...] | None = None,
) -> None:
    """Keep a failure, and let the run end. `change` is None for what is not about one resource. Where a run continues with
    what does not depend on it, that holds for what the engine refused, not for a journal that can't be written."""
    if (
        done.branches is None
        or change is None
        or not isinstance(error, (ProviderError, TrafficError, Unhealthy))
    ):
        run.stop.failed.set()
    cause = explained(error)
    done.failures.append(Failure(change.address if change else None, cause, error, logs))
    if change is not None and done.branches is not None:
        hold_up(done.held, change.address, done.branches)
    if change is not None:
        run.emit(ChangeFailed(run.now, change.address, change.action.value, cause, logs))


def decisive(failures: Sequence[Failure]) -> Failure:
    """The one to be named: what happens while an engine goes away is a consequence of that. Else the first."""
    return next((one for one in failures if isinstance(one.error, ProviderUnreachable)), failures[0])


def left_out(run: Run, done: Progressed, change: ResourceChange) -> bool:
    """Whether a change must not begin: it failed already, or something that it needs did."""
    cause = done.held.get(change.address)
    if cause is not None and cause != change.address:
        run.emit(ChangeSkipped(run.now, change.address, change.action.value, cause))
    return cause is not None


def explained(error: Exception) -> str:
    match error:
        case Unhealthy():
            return error.cause
        case ProviderError():
            return f"{error.message}{f' ({error.hint})' if error.hint else ''}"
        case SutazaiError():
            return error.message
        case _:
            return f"this is a bug in sutazai: {type(error).__name__}: {error}"
