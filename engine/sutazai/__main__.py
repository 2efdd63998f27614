"""The command's way in. It is done with Python's imports only after a tenth of a second, or several on a loaded machine: until
then a signal ends it at once, as there is nothing to record yet."""

import os
import signal

_INTERRUPTED = 130
"""`ExitCode.INTERRUPTED`, without the import."""
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def main() -> None:
    heeded = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    for number in heeded:
        signal.signal(number, lambda *_: os._exit(_INTERRUPTED))
    from sutazai.cli.main import main as run

    run()


if __name__ == "__main__":
    main()
