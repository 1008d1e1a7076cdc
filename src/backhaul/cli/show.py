"""`plan`, `status`, `runs`, `logs`: what is declared, how far it is, what has happened."""

from __future__ import annotations

from typing import Any

from backhaul.cli.output import Output
from backhaul.cli.run import installation
from backhaul.config import home, settings_in
from backhaul.engine.run import CURATED
from backhaul.engine.systems import Target, find, load_system, system_names
from backhaul.errors import ConfigError


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
        output.table(headers, rows)
        output.table(
            ("setting", "value"),
            [(name, "set" if is_set else "MISSING") for name, is_set in plan["settings"].items()],
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
        "settings": {setting.name: setting.name in known for setting in settings_in(pipeline)},
    }


def show_status(output: Output, name: str | None) -> None:
    """Print each stream's last result and what waits for a person or for the next run."""
    ledger = installation().ledger
    streams = [
        {"stream": stream_name, "delivered_to": end and end.isoformat(), **_last_result(ledger, stream_name)}
        for stream_name in _stream_names(name)
        for end in [ledger.cursor(stream_name).window_end]
    ]
    waiting = [each for each in ledger.history.open_work() if _is_part(each["stream"], name)]
    if output.json:
        output.document({"streams": streams, "waiting": waiting})
        return
    output.table(
        ("stream", "last day delivered", "last run", "result", "rows", "message"),
        [
            (
                each["stream"],
                each["delivered_to"] or "never",
                each.get("at") or "-",
                each.get("status") or "-",
                each.get("rows", ""),
                each.get("message") or "",
            )
            for each in streams
        ],
    )
    if not streams:
        output.say(f"no systems in {home()}; start with: backhaul init --from andalan")
    for each in waiting:
        output.say(f"{each['stream']}: {each['number']} {each['what']}")


def _last_result(ledger: Any, stream: str) -> dict[str, Any]:
    row = ledger.history.last_result(stream)
    if row is None:
        return {}
    rows = sum(row[name] for name in ("new", "updated", "unchanged", "duplicate", "rejected"))
    return {
        "at": row["started_at"][:16].replace("T", " "),
        "status": row["status"],
        "rows": rows,
        "message": row["message"],
    }


def _stream_names(name: str | None) -> list[str]:
    """Return the streams that name stands for, all without one; a system that cannot be imported is an error."""
    folder = home() / "systems"
    targets = (
        find(folder, name)
        if name
        else [target for system in system_names(folder) for target in load_system(folder / system)]
    )
    return [f"{target.name}.{stream.name}" for target in targets for stream in target.pipeline.streams]


def _is_part(stream: str, name: str | None) -> bool:
    return name is None or stream == name or stream.startswith(f"{name}.")


def show_runs(output: Output, name: str | None, most: int) -> None:
    """Print runs, newest first."""
    pipelines = {target.name for target in find(home() / "systems", name)} if name else None
    found = installation().ledger.history.runs(pipelines, most)
    if output.json:
        output.document(found)
        return
    rows = []
    for run in found:
        total = {
            key: sum(each[key] for each in run["streams"]) for key in ("new", "updated", "unchanged", "rejected")
        }
        rows.append((run["id"], run["pipeline"], run["window"] or "-", run["status"], *total.values()))
    output.table(("run", "pipeline", "window", "result", "new", "updated", "unchanged", "rejected"), rows)
    if not rows:
        output.say("no runs yet; start one with `backhaul run NAME`")


def show_logs(output: Output, run: str | None) -> None:
    """Print a run's events; the last run's without an id."""
    ledger = installation().ledger
    if run is None:
        newest = ledger.history.runs(most=1)
        run = newest[0]["id"] if newest else ""
    events = ledger.history.events(run) if run else []
    if not events:
        raise ConfigError(
            f"there is no run {run}" if run else "there are no runs yet",
            next_step="`backhaul runs` lists them.",
        )
    if len(several := sorted({event["run"] for event in events}, reverse=True)) > 1:
        raise ConfigError(f"{len(several)} runs begin with {run}", next_step=f"Name one: {', '.join(several[:5])}.")
    for event in events:
        if output.json:
            output.line(event)
            continue
        facts = "  ".join(f"{name}={_short(value)}" for name, value in event["facts"].items())
        output.say(f"{event['at'][:23]}  {event['stream'] or '-':28} {event['kind']:15} {facts}")


def _short(value: Any) -> str:
    if isinstance(value, dict):
        return "/".join(f"{number} {name}" for name, number in value.items() if number) or "0"
    return str(value)
