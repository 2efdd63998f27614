"""What `--help` says of defaults is what a user may write."""

import pytest
from click.testing import CliRunner

from sutazai.cli.context import Globals
from sutazai.cli.main import cli


@pytest.mark.parametrize("command", ["apply", "destroy", "rollback", "deploy", "emergency"])
def test_the_default_of_a_duration_is_a_duration(command: str) -> None:
    shown = " ".join(CliRunner().invoke(cli, [command, "--help"], obj=Globals()).output.split())
    assert "How long to wait for the state's lock. [default: 0s]" in shown
