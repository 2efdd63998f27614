"""`sutazai state`: a file for what looks, one for what changes what is recorded, one for where it is kept."""

import click

from sutazai.cli.declaring import Group
from sutazai.cli.state.change import forget, move, push, take_over
from sutazai.cli.state.keep import migrate, unlock
from sutazai.cli.state.look import list_, pull, show, verify


@click.group(cls=Group, example="sutazai state list 'agent.*'")
def command() -> None:
    """Look into the state, and change what it records without touching a container."""


for each in (list_, show, pull, verify, move, forget, take_over, push, unlock, migrate):
    command.add_command(each)
