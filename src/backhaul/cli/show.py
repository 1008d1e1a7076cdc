"""`plan`, `status`, `runs`: what is declared, how far it is, what has run."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from backhaul.cli.output import Output
from backhaul.cli.run import installation, tell_failures
from backhaul.config import home, settings_in
from backhaul.engine.ledger import Ledger
from backhaul.engine.run import CURATED
from backhaul.engine.systems import Target, find, load_system, system_names
from backhaul.engine.words import counted, reason
from backhaul.errors import BackhaulError

WAITING = {
    "pending deliveries": ("delivery is", "deliveries are", "pending", "the next run takes it up: backhaul run {}"),
    "held batches": (
        "batch is",
        "batches are",
        "held back",
        "look at the data; if it is right: backhaul run {} --accept",
    ),
    "quarantined rows": (
        "row is",
        "rows are",
        "in quarantine",
        "look at them: backhaul quarantine show {}",
    ),
    "refused files": (
        "file is",
        "files are",
        "refused",
        "once the pipeline is repaired: backhaul replay {0}; to let go of it: backhaul quarantine dismiss {0}",
    ),
}
"""What open work is called, in the singular and the plural, and the next step."""


def show_plan(output: Output, name: str) -> None:
    """Print each pipeline's streams and settings; reads nothing from outside."""
    plans = [_plan(target) for target in find(home() / "systems", name)]
    if output.json:
        output.document(plans[0] if len(plans) == 1 else plans)
        return
    for plan in plans:
        output.say(f"{plan['pipeline']}: schedule {plan['schedule'] or 'none'}, days in {plan['timezone']}")
        headers = ("stream", "source", "key", "window column", "checks", "delivers to")
        rows = [
            (
                each["stream"],
                each["source"],
                ", ".join(each["key"]),
                each["window_column"] or "-",
                len(each["checks"]),
                ", ".join(each["to"]),
            )
            for each in plan["streams"]
        ]
        output.say()
        output.table(headers, rows, spare=("source", "checks"))
        output.say()
        if plan["reports"]:
            shown = [(each["report"], each["title"], each["days"]) for each in plan["reports"]]
            output.table(("report", "what it shows", "days"), shown)
            output.say()
        output.table(
            ("setting", "value"),
            [
                (name, "default" if name in plan["defaults"] else "set" if is_set else "MISSING")
                for name, is_set in plan["settings"].items()
            ],
        )


def _plan(target: Target) -> dict[str, Any]:
    pipeline, known = target.pipeline, installation().settings
    return {
        "pipeline": target.name,
        "schedule": pipeline.schedule.cron if pipeline.schedule else None,
        "timezone": pipeline.timezone,
        "streams": [
            {
                "stream": f"{target.name}.{stream.name}",
                "source": f"{type(stream.source).__name__} {stream.source.name}",
                "key": list(stream.key),
                "table": stream.target,
                "window_column": stream.window_column,
                "look_back_days": stream.look_back_days,
                "checks": [check.name for check in stream.checks],
                "to": [CURATED, *(each.name for each in stream.to)],
            }
            for stream in pipeline.streams
        ],
        "reports": [
            {
                "report": f"{target.name}.{each.name}",
                "title": each.title,
                "after": list(each.tables),
                "days": each.days,
            }
            for each in pipeline.reports
        ],
        "settings": {setting.name: setting.value(known) is not None for setting in settings_in(pipeline)},
        "defaults": [
            setting.name
            for setting in settings_in(pipeline)
            if setting.default is not None and not any(name in known for name in (setting.name, *setting.also))
        ],
    }


def show_status(output: Output, name: str | None) -> None:
    """Print each stream's last result and what waits for a person or for the next run."""
    ledger, zones = installation().ledger, _stream_zones(name)
    streams = [
        {
            "stream": stream_name,
            "delivered_to": end and end.isoformat(),
            "data_of": made_at and made_at.isoformat(),
            **_last_result(ledger, stream_name),
        }
        for stream_name in zones
        for end, made_at in [(ledger.cursor(stream_name).window_end, ledger.history.data_of(stream_name))]
    ]
    waiting = [each for each in ledger.history.open_work() if _is_part(each["stream"], name)]
    messages = [each for each in ledger.outbox.queues() if _is_part(each["pipeline"], name)]
    if output.json:
        output.document({"streams": streams, "waiting": waiting, "messages": messages})
        return
    if not streams:
        output.say(f"no systems in {home()}; start with: backhaul init --from andalan")
        return
    rows = [
        (
            each["stream"],
            _how_far(each, zones[each["stream"]]),
            local(each["at"], zones[each["stream"]]) if "at" in each else "-",
            each.get("status") or "-",
            each.get("rows", ""),
        )
        for each in streams
    ]
    output.table(("stream", "data up to", "last run", "result", "rows"), rows)
    failures: dict[tuple[str, str], list[str]] = {}
    for each in streams:
        if message := each.get("message"):
            why = (reason(each["stream"], message), _next_step(ledger, each["run"], each["stream"]))
            failures.setdefault(why, []).append(each["stream"])
    if failures or waiting or messages:
        output.say()
    tell_failures(output, failures, len(streams))
    for each in waiting:
        one, several, what, next_step = WAITING[each["what"]]
        output.say(f"{each['stream']}: {counted(each['number'], one, several)} {what}")
        output.say(f"  next: {next_step.format(each['stream'])}")
    for each in messages:
        because = f": {each['reason']}" if each["reason"] else ""
        many = counted(each["number"], "message waits", "messages wait")
        output.say(f"{each['pipeline']}: {many} for {each['notifier']}{because}")
        output.say(f"  next: the next run sends them; backhaul notify test {each['pipeline']}")


def _how_far(stream: dict[str, Any], zone: tzinfo) -> str:
    """Return how new a stream's data is: its newest file's age where that is known, else its last whole day."""
    if stream["data_of"]:
        age_h = (datetime.now(UTC) - datetime.fromisoformat(stream["data_of"])).total_seconds() / 3600
        age = f"{age_h:.0f} h" if age_h < 72 else f"{age_h / 24:.0f} days"
        return f"{local(stream['data_of'], zone)} ({age} ago)"
    return str(stream["delivered_to"] or ("-" if stream.get("status") == "done" else "never"))


def _next_step(ledger: Ledger, run: str, stream: str) -> str:
    """Return the next step that was told when the stream failed in that run; empty if none was."""
    steps = [
        event["facts"].get("next_step", "")
        for event in ledger.history.events(run)
        if event["stream"] == stream and event["kind"] == "StreamFailed"
    ]
    return steps[-1] if steps else ""


def local(moment: str, zone: tzinfo) -> str:
    """Return a moment of the ledger by the clock of zone, which is named."""
    return f"{datetime.fromisoformat(moment).astimezone(zone):%Y-%m-%d %H:%M %Z}"


def _last_result(ledger: Ledger, stream: str) -> dict[str, Any]:
    row = ledger.history.last_result(stream)
    if row is None:
        return {}
    rows = sum(row[name] for name in ("new", "updated", "unchanged", "duplicate", "rejected"))
    return {
        "run": row["run"],
        "at": row["started_at"],
        "status": row["status"],
        "rows": rows,
        "message": row["message"],
    }


def _stream_zones(name: str | None) -> dict[str, tzinfo]:
    """Return the streams that name stands for, all without one, and the zone of each.

    A system that cannot be imported is an error.
    """
    folder = home() / "systems"
    targets = (
        find(folder, name)
        if name
        else [target for system in system_names(folder) for target in load_system(folder / system)]
    )
    return {
        f"{target.name}.{stream.name}": ZoneInfo(target.pipeline.timezone)
        for target in targets
        for stream in target.pipeline.streams
    }


def pipeline_zones() -> dict[str, tzinfo]:
    """Return the zone of every pipeline that can be loaded; the runs of others are told in UTC."""
    folder, zones = home() / "systems", dict[str, tzinfo]()
    for system in system_names(folder):
        with suppress(BackhaulError):
            zones.update({each.name: ZoneInfo(each.pipeline.timezone) for each in load_system(folder / system)})
    return zones


def _is_part(stream: str, name: str | None) -> bool:
    return name is None or stream == name or stream.startswith(f"{name}.")


def show_runs(output: Output, name: str | None, most: int) -> None:
    """Print runs, newest first."""
    pipelines = {target.name for target in find(home() / "systems", name)} if name else None
    found = installation().ledger.history.runs(pipelines, most)
    if output.json:
        output.document(found)
        return
    if not found:
        output.say("no runs yet; start one with `backhaul run NAME`")
        return
    zones = pipeline_zones()
    rows = []
    for run in found:
        total = [sum(each[key] for each in run["streams"]) for key in ("new", "updated", "unchanged", "rejected")]
        started = local(run["started_at"], zones.get(run["pipeline"], UTC))
        rows.append((run["id"], run["pipeline"], started, run["window"] or "-", run["status"], *total))
    headers = ("run", "pipeline", "started", "window", "result", "new", "updated", "unchanged", "rejected")
    output.table(headers, rows, spare=("window", "pipeline", "unchanged", "updated"))
