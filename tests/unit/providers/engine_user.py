"""Run as a program: makes so many networks on the simulated engine in a file, one after the other."""

import sys
from pathlib import Path

from sutazai.model.fleet import Network
from sutazai.providers.simulated import SimulatedProvider
from sutazai.providers.simulated.file import FileEngine
from sutazai.state.scope import Scope

if __name__ == "__main__":
    engine = SimulatedProvider(Scope("shop", "test"), FileEngine(Path(sys.argv[1])))
    for number in range(int(sys.argv[3])):
        engine.create_network(f"{sys.argv[2]}{number}", Network(), {})
