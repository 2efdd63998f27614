"""A signal that comes before the command knows what it is to do."""

import json
import subprocess
import sys

import pytest

WHILE_IMPORTING = """
import os, signal, sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "{module}":
            os.kill(os.getpid(), signal.{signal})
sys.meta_path.insert(0, Finder())
sys.argv = ["sutazai", "version", *{options}]
from sutazai.__main__ import main
main()
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("module", ["click", "sutazai.cli.main", "sutazai.cli.version"])
def test_one_that_comes_while_python_imports_ends_it_without_a_traceback(name: str, module: str) -> None:
    program = WHILE_IMPORTING.format(module=module, signal=name, options=[])
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
    assert (ended.returncode, ended.stdout) == (130, "")
    assert ended.stderr.strip() in ("", "Interrupted.")


def test_one_that_comes_early_is_told_as_json_where_that_was_asked_for() -> None:
    """Every other end is: whoever reads the events knows of this one, too, from the last of them."""
    program = WHILE_IMPORTING.format(module="sutazai.cli.version", signal="SIGINT", options=["--json"])
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
    assert (ended.returncode, ended.stderr.strip()) == (130, "")
    assert json.loads(ended.stdout) == {
        "type": "error",
        "exit_code": 130,
        "message": "interrupted",
        "hint": None,
    }


def test_one_that_is_to_be_ignored_is_ignored() -> None:
    program = WHILE_IMPORTING.format(module="click", signal="SIGINT", options=[])
    ended = subprocess.run(
        [sys.executable, "-c", "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n" + program],
        capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert (ended.returncode, ended.stderr) == (0, "")
