"""`logs`: what happened in a run, step by step."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from backhaul.cli.output import Output
from backhaul.cli.progress import describe, line
from backhaul.cli.run import installation
from backhaul.cli.show import local, pipeline_zones
from backhaul.engine import events
from backhaul.engine.events import Event, RunStarted, StreamFailed
from backhaul.errors import ConfigError
from backhaul.model import Counts


def show_logs(output: Output, run: str | None) -> None:
    """Print a run's events, by the clock of its pipeline; the last run's without an id."""
    history = installation().ledger.history
    if run is None:
        newest = history.runs(most=1)
        if not newest:
            raise ConfigError("there are no runs yet", next_step="Start one: backhaul run NAME.")
        run = newest[0]["id"]
    found = history.events(run)
    if not found:
        raise ConfigError(f"there is no run {run}", next_step="`backhaul runs` lists them.")
    if len(several := sorted({event["run"] for event in found}, reverse=True)) > 1:
        raise ConfigError(f"{len(several)} runs begin with {run}", next_step=f"Name one: {', '.join(several[:5])}.")
    if output.json:
        for record in found:
            output.line(record)
        return
    # Not always the first one: a run may begin with a warning.
    began = [event for event in map(recalled, found) if isinstance(event, RunStarted)]
    zone = pipeline_zones().get(began[0].pipeline, UTC) if began else UTC
    output.say(f"started {local(found[0]['at'], zone)}")
    for record in found:
        at = datetime.fromisoformat(record["at"]).astimezone(zone)
        event = recalled(record)
        words = describe(event) if event else _plainly(record)
        output.say(f"{at:%H:%M:%S}  {line(record['stream'], words)}")
        if isinstance(event, StreamFailed):
            output.say(f"{'':10}{line(record['stream'], f'  next: {event.next_step}')}")


def recalled(record: dict[str, Any]) -> Event | None:
    """Return the event of a record of the ledger; None for one that another version has written."""
    kind = getattr(events, record["kind"], None)
    if not (isinstance(kind, type) and issubclass(kind, Event)):
        return None
    facts = {name: Counts(**value) if isinstance(value, dict) else value for name, value in record["facts"].items()}
    try:
        return kind(run=record["run"], stream=record["stream"], **facts)
    except TypeError:
        return None


def _plainly(record: dict[str, Any]) -> str:
    return " ".join([record["kind"], *(f"{name}={value}" for name, value in record["facts"].items())])
