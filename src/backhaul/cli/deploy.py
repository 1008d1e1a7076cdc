"""`deploy`: services at Render, what is deployed there, how the last run went, what it printed and took."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

from backhaul.cli.output import Output
from backhaul.cli.render.api import RenderApi
from backhaul.cli.render.facts import CRON, SUCCEEDED, CronRun, Deploy, Figures, Service
from backhaul.config import Secret, Setting, home, load_settings, resolved, text
from backhaul.errors import ConfigError, TransientError

API_KEY = Secret("RENDER_API_KEY")
API_URL = Setting("RENDER_API_URL", default="https://api.render.com")

FOLLOW_S = 3600.0
FIRST_LOOK_S, LONGEST_LOOK_S = 1.0, 10.0
FAILED_LOOKS = 5
INTERRUPTED = 130
METRICS = ("memory", "cpu")
EXIT_CODES = {
    1: "failed",
    2: "a setting is missing or wrong",
    3: "partly done, or something is pending",
    4: "a login is needed",
    5: "it was already running",
    130: "interrupted",
}
"""What the exit code of `backhaul run` means, for the last run of a cron service."""

_SINCE = re.compile(r"([1-9]\d{0,4})([mhd])")
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
LONGEST_SINCE = timedelta(days=30)


def render() -> RenderApi:
    """Return the API with the key and address of the settings; use it with `with`. Raises ConfigError."""
    key, url = resolved((API_KEY, API_URL), load_settings(home()))
    return RenderApi(text(url), text(key))


def list_services(output: Output) -> None:
    """Print every service that the key can see."""
    with render() as api:
        services = api.services()
    if output.json:
        output.document([asdict(each) for each in services])
        return
    if not services:
        output.say("The key sees no service. A key belongs to one account; services are made in Render's dashboard.")
        return
    headers = ("service", "kind", "schedule (UTC)", "plan", "region", "state", "id")
    output.table(headers, [_service_row(each) for each in services], spare=("region", "plan"))


def start_deploy(output: Output, wanted: str, *, clear_cache: bool, follow: bool) -> int:
    """Trigger a deploy, follow it to its end if asked to; return the exit code: 0 live or on its way, 1 failed."""
    with render() as api:
        service = api.service(wanted)
        output.progress(f"{service.name}: asking for a deploy")
        deploy = api.start(service, clear_cache=clear_cache)
        exit_code = None
        try:
            output.progress(
                f"{service.name}: {deploy.id} {_words(deploy.status)}; it goes on without this command too"
            )
            deploy = followed(api, service, deploy, output) if follow else deploy
        except KeyboardInterrupt:
            exit_code = INTERRUPTED
            output.progress(f"interrupted; {deploy.id} goes on: backhaul deploy status {service.name}")
    if exit_code is None:
        exit_code = 0 if deploy.status == SUCCEEDED or not (follow or deploy.has_failed) else 1
    if output.json:
        output.document({"exit_code": exit_code, "service": asdict(service), "deploy": asdict(deploy)})
        return exit_code
    output.say(f"{service.name}: {deploy.id} {_words(deploy.status)}")
    if exit_code == 1:
        output.say(f"  next: backhaul deploy logs {service.name}, or the build's own lines in Render's dashboard")
    return exit_code


def followed(
    api: RenderApi,
    service: Service,
    deploy: Deploy,
    output: Output,
    *,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Deploy:
    """Return the deploy as it stands at its end; each change of its status is told on stderr.

    Raises TransientError if it has not ended after an hour, or cannot be looked at several times in a row.
    """
    begun, wait_s, failed = clock(), FIRST_LOOK_S, 0
    while not deploy.is_over:
        if clock() - begun > FOLLOW_S:
            raise TransientError(
                f"{service.name}: {deploy.id} is still {_words(deploy.status)} after {FOLLOW_S / 60:.0f} minutes",
                next_step=f"It goes on by itself; look again later: backhaul deploy status {service.name}.",
            )
        sleep(wait_s)
        wait_s = min(wait_s * 1.5, LONGEST_LOOK_S)
        try:
            earlier, deploy = deploy, api.deploy(service, deploy.id)
        except TransientError as error:
            failed += 1
            if failed >= FAILED_LOOKS:
                raise
            output.progress(f"{service.name}: {error}; looking again")
            continue
        failed = 0
        if deploy.status != earlier.status:
            output.progress(f"{service.name}: {_words(deploy.status)} ({clock() - begun:.0f} s)")
    return deploy


def show_status(output: Output, wanted: str) -> None:
    """Print the last deploy of a service, and the last run of a cron service."""
    with render() as api:
        service = api.service(wanted)
        deploys = api.deploys(service, most=1)
        runs = api.runs(service) if service.kind == CRON else []
    deploy, run = next(iter(deploys), None), next(iter(runs), None)
    if output.json:
        output.document(
            {
                "service": asdict(service),
                "deploy": asdict(deploy) if deploy else None,
                "run": {**asdict(run), "why": _why(run)} if run else None,
            }
        )
        return
    state = " (suspended)" if service.is_suspended else ""
    output.say(f"{service.name}: {_words(service.kind)}{state}, {service.id}")
    if service.schedule:
        output.say(f"  schedule     {service.schedule} (UTC)")
    output.say(f"  last deploy  {_deploy_line(deploy) if deploy else 'none yet'}")
    if service.kind == CRON:
        output.say(f"  last run     {_run_line(run) if run else 'none among its last events'}")


def show_logs(output: Output, wanted: str, since: str) -> None:
    """Print what a service has printed since so long ago; with --json one line a document."""
    start, now = _window(since)
    number = 0
    with render() as api:
        service = api.service(wanted)
        for line in api.logs(service, start, now):
            number += 1
            if output.json:
                output.line(asdict(line))
            else:
                at = f"{line.at:%m-%d %H:%M:%S}Z" if line.at else " " * 15
                output.say(f"{at}  {_harmless(line.text)}")
    if not number:
        output.progress(f"{service.name} has printed nothing in the last {since}; ask for more: --since 1d")


def show_metrics(output: Output, wanted: str, since: str) -> None:
    """Print the latest and highest memory and CPU of a service since so long ago."""
    start, now = _window(since)
    with render() as api:
        service = api.service(wanted)
        found = {metric: api.figures(service, metric, start, now) for metric in METRICS}
    if output.json:
        output.document({metric: asdict(figures) for metric, figures in found.items()})
        return
    if all(figures.latest is None for figures in found.values()):
        output.say(f"{service.name} has no figures in the last {since}; a cron service has some only while it runs.")
        return
    rows = [_figures_row(metric, figures) for metric, figures in found.items()]
    output.table(("metric", "latest", "highest", "limit", "at (UTC)"), rows)


def _window(since: str) -> tuple[datetime, datetime]:
    found = _SINCE.fullmatch(since)
    length = int(found[1]) * _UNITS[found[2]] if found else None
    if length is None or length > LONGEST_SINCE:
        raise ConfigError(
            f"--since {since}: say how long ago, at most {LONGEST_SINCE.days} days",
            next_step="For example --since 30m, 12h or 2d.",
        )
    now = datetime.now(UTC)
    return now - length, now


def _harmless(line: str) -> str:
    """Return a printed line without what a terminal would obey."""
    return "".join(letter for letter in line.expandtabs() if letter.isprintable())


def _service_row(service: Service) -> tuple[object, ...]:
    state = "suspended" if service.is_suspended else "active"
    return (
        service.name,
        _words(service.kind),
        service.schedule,
        service.plan,
        service.region,
        state,
        service.id,
    )


def _words(status: str) -> str:
    """Return a word of Render's as people write it."""
    return status.replace("_", " ")


def _deploy_line(deploy: Deploy) -> str:
    parts = [_words(deploy.status), deploy.id, f"commit {deploy.commit}" if deploy.commit else None]
    parts += [_moment(deploy.created_at), f"by {_words(deploy.trigger)}" if deploy.trigger else None]
    return ", ".join(part for part in parts if part)


def _run_line(run: CronRun) -> str:
    parts = [_words(run.status), _why(run), _moment(run.started_at or run.ended_at)]
    if run.started_at and run.ended_at:
        parts.append(f"took {(run.ended_at - run.started_at).total_seconds():.0f} s")
    return ", ".join(part for part in parts if part)


def _why(run: CronRun) -> str:
    code = re.fullmatch(r"exit code (\d+)", run.why)
    meaning = EXIT_CODES.get(int(code[1])) if code else None
    return f"{run.why}: {meaning}" if meaning else run.why


def _moment(moment: datetime | None) -> str | None:
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment else None


def _figures_row(metric: str, figures: Figures) -> tuple[object, ...]:
    values = (_value(value, figures.unit) for value in (figures.latest, figures.highest, figures.limit))
    return (metric, *values, _moment(figures.latest_at))


def _value(value: float | None, unit: str) -> str | None:
    if value is None:
        return None
    if unit.lower() in ("b", "byte", "bytes"):
        return f"{value / 1e6:,.0f} MB"
    return f"{value:,.3g} {unit}".strip()
