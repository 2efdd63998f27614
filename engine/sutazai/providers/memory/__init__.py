"""An engine in memory: Docker's behaviour as far as operations can tell, without Docker.

`MemoryEngine` is the machine, `MemoryProvider` one scope's view of it. Everything is deterministic: IDs,
addresses and ports are counted, time is what `now` says (nothing, by default), and nothing happens by
itself. Tests set what an image does (`MemoryImage.health`, `exits`); faults are injected by wrapping the
provider. The contract suite holds this and the Docker adapter to the same behaviour.
"""

from sutazai.providers.memory.engine import MemoryEngine, MemoryImage
from sutazai.providers.memory.provider import MemoryProvider

__all__ = ["MemoryEngine", "MemoryImage", "MemoryProvider"]
