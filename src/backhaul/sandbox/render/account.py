"""The sandbox Render: its REST API on loopback, with services whose deploys, runs, logs and figures a test plays."""

from __future__ import annotations

import secrets
import string
import threading
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any

from backhaul.sandbox.render.server import RecordedRenderCall, RenderFaults, RenderServer
from backhaul.sandbox.serving import Serving

CRON, WEB = "cron_job", "web_service"
WALK = ("created", "build_in_progress", "update_in_progress", "live")
"""The statuses that a deploy passes through unless another way is planned; each look at it takes it one further."""


class SandboxRender:
    """One workspace with the cron service `andalan` (one deploy, one run, some lines) and the web service `portal`.

    Runs between `with` and its end; every wait of a hanging answer ends when it closes. It stands for
    https://api.render.com.

    Args:
        log_rows: the most lines of one answer; Render's are 100.
        port: 0 takes any free one.
    """

    def __init__(self, *, log_rows: int = 100, port: int = 0) -> None:
        letters = string.ascii_letters + string.digits
        self.key = f"rnd_{''.join(secrets.choice(letters) for _ in range(32))}"
        self.faults = RenderFaults()
        self.owner = _id("tea")
        self.ways: list[tuple[str, ...]] = []
        """The statuses of the next deploys, first come first served; WALK when there are none."""
        self._log_rows = log_rows
        self._lock = threading.RLock()
        self._services: dict[str, dict[str, Any]] = {}
        self._deploys: dict[str, list[dict[str, Any]]] = {}
        self._left: dict[str, list[str]] = {}
        self._events: dict[str, list[dict[str, Any]]] = {}
        self._lines: dict[str, list[dict[str, Any]]] = {}
        self._figures: dict[tuple[str, str], list[dict[str, Any]]] = {}
        self.is_queueing = False
        """Whether a deploy is confirmed by 202 and no body, as where another one is under way."""
        self._server = RenderServer(("127.0.0.1", port), self.key, self)
        self._serving = Serving(self._server, "sandbox render")
        self._furnish()

    def __enter__(self) -> SandboxRender:
        self._serving.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hang up on everybody and give the port back; may be called twice."""
        self._serving.close()

    @property
    def url(self) -> str:
        """The address that stands in for https://api.render.com."""
        return self._server.url

    @property
    def settings(self) -> dict[str, str]:
        """What an `.env` says to reach it."""
        return {"RENDER_API_KEY": self.key, "RENDER_API_URL": self.url}

    @property
    def calls(self) -> list[RecordedRenderCall]:
        """Every call that was answered or cut off, oldest first."""
        return list(self._server.calls)

    def add_service(self, name: str, kind: str = WEB, *, schedule: str | None = None) -> str:
        """Add a service and return its id."""
        id = _id("crn" if kind == CRON else "srv")
        details: dict[str, Any] = {"plan": "starter", "region": "singapore", "runtime": "docker", "env": "docker"}
        if schedule:
            details["schedule"] = schedule
        facts = {
            "id": id,
            "name": name,
            "slug": name,
            "ownerId": self.owner,
            "type": kind,
            "suspended": "not_suspended",
            "suspenders": [],
            "createdAt": stamp(datetime.now(UTC)),
            "serviceDetails": details,
        }
        with self._lock:
            self._services[id] = facts
            self._deploys[id], self._events[id], self._lines[id] = [], [], []
        return id

    def service_id(self, name: str) -> str:
        """Return the id of the first service with this name. Raises LookupError."""
        for id, facts in self._services.items():
            if facts["name"] == name:
                return id
        raise LookupError(f"no service {name}")

    def remove_service(self, name: str) -> None:
        """Remove a service; calls about it answer 404 then."""
        with self._lock:
            del self._services[self.service_id(name)]

    def add_deploy(
        self, service: str, statuses: Sequence[str] = ("live",), *, trigger: str = "manual"
    ) -> dict[str, Any]:
        """Add a deploy of the service with this id, which stands at the first of its statuses; return it."""
        now = stamp(datetime.now(UTC))
        facts: dict[str, Any] = {
            "id": _id("dep"),
            "commit": {"id": secrets.token_hex(20), "message": "A made-up change", "createdAt": now},
            "status": statuses[0],
            "trigger": trigger,
            "createdAt": now,
            "updatedAt": now,
        }
        with self._lock:
            self._deploys[service].append(facts)
            self._left[facts["id"]] = list(statuses[1:])
            self._settle(facts)
        return facts

    def add_run(
        self,
        service: str,
        status: str | None = "successful",
        *,
        reason: dict[str, Any] | None = None,
        minutes_ago: int = 0,
    ) -> str:
        """Add a run of a cron service that took one minute; without a status it has not ended. Return its id."""
        run = _id("run")
        begun = datetime.now(UTC) - timedelta(minutes=minutes_ago + 1)
        self._add_event(service, "cron_job_run_started", begun, {"cronJobRunId": run})
        if status is not None:
            details: dict[str, Any] = {"cronJobRunId": run, "status": status}
            if reason is not None:
                details["reason"] = {"evicted": False, **reason}
            self._add_event(service, "cron_job_run_ended", begun + timedelta(minutes=1), details)
        return run

    def print_lines(
        self, service: str, lines: Iterable[str], *, minutes_ago: float = 1.0, level: str = "info"
    ) -> None:
        """Let the service have printed lines, a millisecond apart."""
        begun = datetime.now(UTC) - timedelta(minutes=minutes_ago)
        labels = [{"name": "resource", "value": service}, {"name": "level", "value": level}]
        with self._lock:
            for number, line in enumerate(lines):
                at = stamp(begun + timedelta(milliseconds=number))
                self._lines[service].append({"id": _id("log"), "timestamp": at, "message": line, "labels": labels})
            self._lines[service].sort(key=lambda each: each["timestamp"])

    def set_figures(self, service: str, metric: str, *instances: Sequence[float], unit: str, limit: float) -> None:
        """Set what `memory` or `cpu` came to, one row of values a minute apart up to now for each instance."""
        now = datetime.now(UTC)
        self._figures[service, metric] = [_series(service, values, unit, now) for values in instances]
        self._figures[service, f"{metric}-limit"] = [_series(service, [limit], unit, now)]

    def deploys_of(self, service: str) -> list[dict[str, Any]]:
        """Return the deploys of the service with this id, oldest first."""
        with self._lock:
            return [dict(each) for each in self._deploys[service]]

    # What follows answers calls; status and content of each.

    def list_services(self, query: dict[str, str]) -> tuple[int, Any]:
        """Answer the list of services."""
        return 200, self._page([("service", each) for each in self._services.values()], query)

    def list_deploys(self, service: str, query: dict[str, str]) -> tuple[int, Any]:
        """Answer the list of deploys, newest first."""
        with self._lock:
            if service not in self._services:
                return _not_found(service)
            newest = reversed(self._deploys[service])
            return 200, self._page([("deploy", each) for each in newest], query)

    def get_deploy(self, service: str, deploy: str) -> tuple[int, Any]:
        """Answer one deploy, one status further than at the last look."""
        with self._lock:
            for facts in self._deploys.get(service, ()) if service in self._services else ():
                if facts["id"] == deploy:
                    if self._left[deploy]:
                        facts["status"] = self._left[deploy].pop(0)
                        self._settle(facts)
                    return 200, dict(facts)
        return _not_found(deploy)

    def create_deploy(self, service: str, body: object) -> tuple[int, Any]:
        """Answer a trigger."""
        with self._lock:
            if service not in self._services:
                return _not_found(service)
            if not isinstance(body, dict) or body.get("clearCache", "do_not_clear") not in ("clear", "do_not_clear"):
                return 400, {"id": _id("err"), "message": "clearCache must be clear or do_not_clear"}
            facts = self.add_deploy(service, self.ways.pop(0) if self.ways else WALK, trigger="api")
            return (202, None) if self.is_queueing else (201, facts)

    def list_events(self, service: str, query: dict[str, str]) -> tuple[int, Any]:
        """Answer the list of events, newest first."""
        with self._lock:
            if service not in self._services:
                return _not_found(service)
            newest = sorted(self._events[service], key=lambda each: str(each["timestamp"]), reverse=True)
            return 200, self._page([("event", each) for each in newest], query)

    def list_logs(self, query: dict[str, str]) -> tuple[int, Any]:
        """Answer a page of lines, oldest first."""
        if query.get("ownerId") != self.owner or query.get("direction") != "forward":
            return 400, {"id": _id("err"), "message": "ownerId must be given, and direction be forward here"}
        start, end = _moment(query["startTime"]), _moment(query["endTime"])
        with self._lock:
            within = [each for each in self._lines[query["resource"]] if start <= _moment(each["timestamp"]) <= end]
        rows = within[: min(_limit(query), self._log_rows)]
        more = len(within) > len(rows)
        following = within[len(rows)]["timestamp"] if more else query["endTime"]
        page = {"hasMore": more, "nextStartTime": following, "nextEndTime": query["endTime"], "logs": rows}
        return 200, page

    def list_figures(self, metric: str, query: dict[str, str]) -> tuple[int, Any]:
        """Answer a metric; an empty list where there are no figures."""
        return 200, self._figures.get((query.get("resource", ""), metric), [])

    def _page(self, rows: list[tuple[str, dict[str, Any]]], query: dict[str, str]) -> list[dict[str, Any]]:
        first = int(query.get("cursor") or 0)
        chosen = rows[first : first + _limit(query)]
        return [{name: facts, "cursor": str(first + number)} for number, (name, facts) in enumerate(chosen, 1)]

    def _add_event(self, service: str, kind: str, at: datetime, details: dict[str, Any]) -> None:
        event = {"id": _id("evt"), "timestamp": stamp(at), "serviceId": service, "type": kind, "details": details}
        with self._lock:
            self._events[service].append(event)

    def _settle(self, facts: dict[str, Any]) -> None:
        if not self._left[facts["id"]]:
            facts["finishedAt"] = facts["updatedAt"] = stamp(datetime.now(UTC))

    def _furnish(self) -> None:
        cron = self.add_service("andalan", CRON, schedule="0 1,11 * * *")
        self.add_service("portal")
        self.add_deploy(cron)
        self.add_run(cron, minutes_ago=10)
        self.print_lines(cron, ["transaksi  27 rows", "point_trx  50 rows", "done in 4.2 s"], minutes_ago=10)
        self.set_figures(cron, "memory", [90e6, 150e6, 130e6], unit="bytes", limit=512e6)
        self.set_figures(cron, "cpu", [0.05, 0.4, 0.1], unit="cpu", limit=0.5)


def stamp(moment: datetime) -> str:
    """Return moment as Render writes it."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _limit(query: dict[str, str]) -> int:
    return min(int(query.get("limit") or 20), 100)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _id(kind: str) -> str:
    return f"{kind}-{''.join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(20))}"


def _not_found(what: str) -> tuple[int, Any]:
    return 404, {"id": _id("err"), "message": f"not found: {what}"}


def _series(service: str, values: Sequence[float], unit: str, now: datetime) -> dict[str, Any]:
    begun = now - timedelta(minutes=len(values) - 1)
    points = [{"timestamp": stamp(begun + timedelta(minutes=i)), "value": value} for i, value in enumerate(values)]
    return {"labels": [{"field": "service", "value": service}], "unit": unit, "values": points}
