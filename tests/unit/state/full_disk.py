"""Run as a program in a mount namespace of its own: a disk that fills up, and one that turns read-only.
Prints what the store said and what was left, as JSON."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from sutazai.errors import StateError
from sutazai.ports import JournalEntry
from sutazai.store.local import LocalStore
from unit.state.samples import a_state


def main(mount: Path) -> dict[str, object]:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(mount)], check=True)
    store = LocalStore(mount / "state", "shop", "local")
    said: dict[str, object] = {}
    with store.lock("apply"):
        first = store.commit(a_state(1))
        store.journal().append(JournalEntry("begin", "run", 1.0))
        filler = mount / "filler"
        filler.write_bytes(b"")
        with filler.open("ab", buffering=0) as file:
            try:
                while file.write(b"x" * 4096) == 4096:
                    pass
            except OSError:
                pass
        before = listing(mount)
        said["commit"] = attempt(lambda: store.commit(a_state(2)))
        said["journal"] = attempt(lambda: write_lines(store))
        said["same files"] = listing(mount) == before
        said["same state"] = store.newest() == first
        said["entries are whole"] = {len(entry.key) for entry in store.journal().read()} <= {3, 900}
        filler.unlink()
        said["goes on"] = store.commit(a_state(2)).serial
        store.journal().append(JournalEntry("end", "run", 1.0))
        said["last entry"] = store.journal().read()[-1].phase
    subprocess.run(["mount", "-o", "remount,ro", str(mount)], check=True)
    said["read-only"] = attempt(lambda: store.commit(a_state(3)))
    said["lock on read-only"] = attempt(lambda: store.lock("apply").__enter__())
    said["still read"] = store.read(2).serial
    return said


def write_lines(store: LocalStore) -> None:
    for _ in range(9):
        store.journal().append(JournalEntry("intent", "k" * 900, 1.0))


def attempt(call: Callable[[], object]) -> list[str | None]:
    try:
        call()
    except StateError as error:
        return [error.message, error.hint]
    return ["no error", None]


def listing(folder: Path) -> list[str]:
    return sorted(str(path) for path in folder.rglob("*"))


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(Path(sys.argv[1]))) + "\n")
