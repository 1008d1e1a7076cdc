"""The group of commands about Render; what they do lies in `deploy.py`, imported on use."""

from __future__ import annotations

from typing import Annotated

import typer

from backhaul.cli.options import Debug, Json, output_of
from backhaul.cli.output import told

deploy = typer.Typer(
    name="deploy",
    help="Deploy to Render, and look at what runs there. Needs RENDER_API_KEY."
    "\n\nExample: backhaul deploy start andalan --follow",
    no_args_is_help=True,
)

ServiceName = Annotated[str, typer.Argument(metavar="SERVICE", help="A service's name or id at Render")]


@deploy.command()
def services(context: typer.Context, json: Json = False, debug: Debug = False) -> None:
    """List the services that the key can see.

    Example: backhaul deploy services
    """
    from backhaul.cli.deploy import list_services

    output = output_of(context, json, debug)
    with told(output):
        list_services(output)


@deploy.command()
def start(
    context: typer.Context,
    service: ServiceName,
    clear_cache: Annotated[bool, typer.Option("--clear-cache", help="Build anew, without a cache.")] = False,
    follow: Annotated[bool, typer.Option("--follow", help="Wait for its end; exit 0 if it is live, else 1.")] = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Trigger a deploy, once: also where the answer is lost, it is not triggered twice.

    Example: backhaul deploy start andalan --follow
    """
    from backhaul.cli.deploy import start_deploy

    output = output_of(context, json, debug)
    with told(output):
        raise typer.Exit(start_deploy(output, service, clear_cache=clear_cache, follow=follow))


@deploy.command()
def status(context: typer.Context, service: ServiceName, json: Json = False, debug: Debug = False) -> None:
    """Show the last deploy, and of a cron service the last run.

    Example: backhaul deploy status andalan
    """
    from backhaul.cli.deploy import show_status

    output = output_of(context, json, debug)
    with told(output):
        show_status(output, service)


@deploy.command()
def logs(
    context: typer.Context,
    service: ServiceName,
    since: Annotated[str, typer.Option("--since", help="How long ago: 30m, 12h, 2d.")] = "1h",
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Show what a service has printed, oldest first, in UTC. With --json one line a document.

    Example: backhaul deploy logs andalan --since 12h
    """
    from backhaul.cli.deploy import show_logs

    output = output_of(context, json, debug)
    with told(output):
        show_logs(output, service, since)


@deploy.command()
def metrics(
    context: typer.Context,
    service: ServiceName,
    since: Annotated[str, typer.Option("--since", help="How long ago: 30m, 12h, 2d.")] = "1d",
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Show the latest and the highest memory and CPU of a service.

    Example: backhaul deploy metrics andalan
    """
    from backhaul.cli.deploy import show_metrics

    output = output_of(context, json, debug)
    with told(output):
        show_metrics(output, service, since)
