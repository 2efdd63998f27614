"""`python -m simulation SEED`: one history, told."""

import sys

from simulation.history import live

if __name__ == "__main__":
    print("\n".join(live(int(sys.argv[1])).story))  # noqa: T201 - that is what it is for
