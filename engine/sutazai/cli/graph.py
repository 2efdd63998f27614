"""`sutazai graph`."""

import click

from sutazai.cli.context import Globals
from sutazai.cli.declaring import declare
from sutazai.cli.options import variables_option


@declare("sutazai graph --format svg > fleet.svg")
@click.option(
    "--format",
    "form",
    type=click.Choice(["dot", "mermaid", "json", "svg"]),
    default="dot",
    show_default=True,
    help="What to print.",
)
@variables_option
@click.pass_obj
def command(options: Globals, form: str, variables: dict[str, str]) -> None:
    """Print the dependency graph with its waves."""
    from sutazai.graph.waves import order_waves
    from sutazai.views.graph import Graph, to_dot, to_json, to_mermaid
    from sutazai.views.graph_svg import to_svg

    fleet = options.project(variables).fleet
    edges = {address: fleet.dependencies(address) for address, _ in fleet.workloads()}
    graph = Graph(
        edges,
        order_waves(edges),
        {address: workload.tier or "" for address, workload in fleet.workloads()},
        {address: workload.category or "" for address, workload in fleet.workloads()},
        f"{fleet.project} {fleet.environment}",
    )
    write = {"dot": to_dot, "mermaid": to_mermaid, "json": to_json, "svg": to_svg}
    click.echo(write["json" if options.json else form](graph))
