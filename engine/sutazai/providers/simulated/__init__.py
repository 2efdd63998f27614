"""A simulated engine: Docker's behaviour as far as operations can tell, without Docker.

`SimulatedEngine` is the machine, `SimulatedProvider` one scope's view of it. Everything is deterministic: IDs,
addresses and ports are counted, time is what `now` says (nothing, by default), and nothing happens by
itself. Tests set what an image does (`SimulatedImage.health`, `exits`); faults are injected by wrapping the
provider. The contract suite holds this and the Docker adapter to the same behaviour.
"""

from sutazai.providers.simulated.engine import SimulatedEngine, SimulatedImage
from sutazai.providers.simulated.provider import SimulatedProvider

__all__ = ["SimulatedEngine", "SimulatedImage", "SimulatedProvider"]
