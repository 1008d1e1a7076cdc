"""Calls of Render's REST API: services, deploys, runs, logs and metrics."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from backhaul.cli.render.facts import (
    CronRun,
    Deploy,
    Figures,
    LogLine,
    Service,
    deploy_of,
    inner,
    log_line_of,
    newest_first,
    points_of,
    runs_of,
    service_of,
    stamp,
)
from backhaul.cli.render.http import MayHaveWorked, RenderHttp
from backhaul.errors import BackhaulError, ConfigError, TransientError
from backhaul.retry import Budget

PATIENCE = Budget(attempts=4, seconds=180.0, first_wait_s=1.0, longest_wait_s=90.0)
PAGE_ROWS = 100
MOST_PAGES = 100
LOOKS = 4
"""How often the list of deploys is looked at for one that a lost answer may have started."""


class RenderApi:
    """Calls with one key; use it with `with`. Reads are tried again within patience.

    Raises ConfigError for an address or a key that cannot be right. Every call may raise ConfigError (what a person
    must change: key, rights, plan, service), TransientError (what may go better later) and SourceChanged.
    """

    def __init__(
        self,
        api_url: str,
        key: str,
        *,
        patience: Budget = PATIENCE,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._http = RenderHttp(api_url, key, patience)
        self._sleep = sleep

    def __enter__(self) -> RenderApi:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def services(self) -> list[Service]:
        """Return every service that the key may see, by name."""
        found = [service_of(each) for each in self._pages("/services", "service")]
        return sorted(found, key=lambda each: (each.name, each.id))

    def service(self, wanted: str) -> Service:
        """Return the service with this id or name. Raises ConfigError, naming those there are."""
        services = self.services()
        found = [each for each in services if wanted in (each.id, each.name)]
        if len(found) == 1:
            return found[0]
        if found:
            ids = ", ".join(each.id for each in found)
            raise ConfigError(
                f"{len(found)} services at Render are named {wanted}", next_step=f"Name one by its id: {ids}."
            )
        names = ", ".join(each.name for each in services) or "none: the key may belong to another workspace"
        raise ConfigError(f"there is no service {wanted} at Render", next_step=f"Services there: {names}.")

    def deploys(self, service: Service, most: int = 20) -> list[Deploy]:
        """Return the newest deploys, at most 100, newest first."""
        path = f"/services/{service.id}/deploys"
        rows = self._http.list(path, {"limit": str(min(most, PAGE_ROWS))}, service.name)
        return newest_first([deploy_of(inner(row, "deploy")) for row in rows])

    def deploy(self, service: Service, id: str) -> Deploy:
        """Return a deploy as it stands now."""
        return deploy_of(self._http.object(f"/services/{service.id}/deploys/{id}", {}, service.name))

    def start(self, service: Service, *, clear_cache: bool) -> Deploy:
        """Trigger a deploy, once, and return it.

        Where the answer is lost, the list of deploys tells whether there is a new one: that is returned, and nothing
        is triggered again. Raises TransientError if none turns up.
        """
        known = {each.id for each in self.deploys(service)}
        body = {"clearCache": "clear" if clear_cache else "do_not_clear"}
        try:
            answer = self._http.post(f"/services/{service.id}/deploys", body, service.name)
        except MayHaveWorked as lost:
            return self._new_deploy(service, known, lost)
        if isinstance(answer, Mapping) and answer.get("id"):
            return deploy_of(answer)
        # A queued deploy is confirmed without saying which it is.
        return self._new_deploy(service, known, None)

    def runs(self, service: Service) -> list[CronRun]:
        """Return the last runs of a cron service, newest first: those among its last 100 events."""
        rows = self._http.list(f"/services/{service.id}/events", {"limit": str(PAGE_ROWS)}, service.name)
        return runs_of([inner(row, "event") for row in rows])

    def logs(self, service: Service, since: datetime, until: datetime) -> Iterator[LogLine]:
        """Yield what the service printed between two moments, oldest first, page by page, each line once."""
        query = {
            "ownerId": service.owner,
            "resource": service.id,
            "direction": "forward",
            "limit": str(PAGE_ROWS),
            "startTime": stamp(since),
            "endTime": stamp(until),
        }
        seen: set[str] = set()
        for _ in range(MOST_PAGES):
            page = self._http.object("/logs", query, service.name)
            for row in page.get("logs") or ():
                if isinstance(row, Mapping) and (id := str(row.get("id"))) not in seen:
                    seen.add(id)
                    yield log_line_of(row)
            following = {
                **query,
                "startTime": str(page.get("nextStartTime") or query["startTime"]),
                "endTime": str(page.get("nextEndTime") or query["endTime"]),
            }
            if not page.get("hasMore") or following == query:
                return
            query = following
        raise BackhaulError(
            f"{service.name}: there are more than {MOST_PAGES * PAGE_ROWS:,} lines; the later ones are left out",
            next_step="Ask for a shorter time: --since 10m.",
        )

    def figures(self, service: Service, metric: str, since: datetime, until: datetime) -> Figures:
        """Return the latest and the highest value of `memory` or `cpu`, and its limit, over all instances."""
        query = {
            "resource": service.id,
            "startTime": stamp(since),
            "endTime": stamp(until),
            "resolutionSeconds": "60",
        }
        unit, points = points_of(self._http.list(f"/metrics/{metric}", query, service.name))
        _, limits = points_of(self._http.list(f"/metrics/{metric}-limit", query, service.name))
        latest = max(points, default=None)
        return Figures(
            unit=unit,
            latest=latest[1] if latest else None,
            latest_at=latest[0] if latest else None,
            highest=max((value for _, value in points), default=None),
            limit=max((value for _, value in limits), default=None),
        )

    def _new_deploy(self, service: Service, known: set[str], lost: MayHaveWorked | None) -> Deploy:
        for look in range(LOOKS):
            if look:
                self._sleep(2.0 * look)
            found = [each for each in self.deploys(service) if each.id not in known]
            ours = [each for each in found if each.trigger == "api"] or found
            if ours:
                return ours[0]
        what = f"{lost}; no new deploy" if lost else f"Render: {service.name}: the deploy is queued, and not yet"
        raise TransientError(
            f"{what} in the list of deploys; it was not triggered again",
            next_step=f"Look in a minute: backhaul deploy status {service.name}. If there is none, start it again.",
        ) from None

    def _pages(self, path: str, name: str) -> Iterator[Mapping[str, Any]]:
        query = {"limit": str(PAGE_ROWS)}
        for _ in range(MOST_PAGES):
            rows = self._http.list(path, query, None)
            for row in rows:
                yield inner(row, name)
            cursor = rows[-1].get("cursor") if rows else None
            if len(rows) < PAGE_ROWS or not cursor or cursor == query.get("cursor"):
                return
            query = {**query, "cursor": str(cursor)}
