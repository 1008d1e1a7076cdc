"""A log of runs for programs: one MongoDB document for each run, and the moment of the last good one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from backhaul.config import Secret, Setting, Text, text
from backhaul.errors import ConfigError, DeliveryError, TransientError
from backhaul.notices import Message, Notice, RunSummary, SendInterrupted
from backhaul.sessions.mongo import HOST_SETTING, URL_SETTING, MongoServer

LEVELS = {"done": "INFO", "failed": "ERROR"}
"""The level of each status of a run; of every other it is WARNING."""

MOST_CHARACTERS = 2_000
"""Of an error message."""

COUNTED = ("new", "updated", "unchanged", "duplicate", "rejected", "removed")
TRIES = 5
CLOCKS_DIFFER = timedelta(minutes=5)


@dataclass(frozen=True)
class LastRun:
    """The document that says when the last good run began: all that was there by then has been read.

    It holds `identifier`, `last_run_timestamp` (ISO text in UTC with a Z) and `updated_at`.
    """

    database: Text = field(default=Setting("SALES_DB", default="sales_db"))
    collection: Text = "last_run_timestamp"
    identifier: str = "sales_leads_etl"


@dataclass(frozen=True)
class MongoLog:
    """A collection that gets one document for each run, whatever came of it; nobody is told anything.

    A document holds `source`, `log_level` (INFO, WARNING, ERROR), `timestamp` (the run's end), `new_leads`,
    `total_run_time` (seconds), `success`, `error_message` (null for a good run) and `metadata`: `run`, `pipeline`,
    `status`, and for each of its `streams` the status and the counts. It is written once, however often it is sent.

    Args:
        source: what programs know the pipeline by.
        count: the streams whose new rows are `new_leads`.
        url: the server with user, password, TLS and whatever else MongoDB's addresses can say.
        host: the server where there is no url; with neither, `mongo` in a container that finds it, else localhost.
        last_run: the document that a good run moves on.
        name: what the outbox calls it; two notifiers of a pipeline need two names.
    """

    tells_people: ClassVar[bool] = False

    source: str
    database: Text = field(default=Setting("LOGGER_DB", default="logger_db"))
    collection: Text = field(default=Setting("LOGGER_COLLECTION", default="logger_stats"))
    url: Text = field(default=Secret(URL_SETTING, also=("MONGO_URL",), default=""), repr=False)
    host: Text = field(default=Setting(HOST_SETTING, default=""))
    count: tuple[str, ...] = ()
    last_run: LastRun | None = None
    name: str = "mongo log"

    def compose(self, notice: Notice) -> Message | None:
        """Return the documents of a run that has ended, as JSON; None for every other notice. Pure."""
        if not isinstance(notice, RunSummary):
            return None
        said: dict[str, Any] = {"log": _document(notice, self.source, self.count)}
        if self.last_run is not None and notice.status == "done":
            began_at = notice.at - timedelta(seconds=notice.seconds)
            said["last_run"] = {"at": _iso(began_at), "timezone": notice.timezone}
        return Message(json.dumps(said))

    def send(self, message: Message, skip_parts: int = 0) -> str | None:
        """Write the documents, unless they are there. Raises SendInterrupted, and ConfigError for refusals."""
        said = json.loads(message.text)
        try:
            with self._server.connected() as client:
                _keep(client[text(self.database)][text(self.collection)], said["log"])
                if self.last_run is not None and "last_run" in said:
                    collection = client[text(self.last_run.database)][text(self.last_run.collection)]
                    _move_on(collection, self.last_run.identifier, **said["last_run"])
        except TransientError as error:
            raise SendInterrupted(str(error), parts_sent=0, next_step=error.next_step) from None
        except DeliveryError as error:
            raise ConfigError(str(error), next_step="Look at the collection: its rules and its indexes.") from None
        return None

    def check(self) -> str:
        """Return in a line which server this is and what is there; writes nothing. Raises our errors."""
        return self._server.described(text(self.database), text(self.collection))

    @property
    def _server(self) -> MongoServer:
        url = text(self.url)
        return MongoServer(url, "" if url else text(self.host), self.name)


def _document(summary: RunSummary, source: str, count: tuple[str, ...]) -> dict[str, Any]:
    streams = [
        {"stream": line.stream, "status": line.status, **{name: getattr(line.counts, name) for name in COUNTED}}
        for line in summary.streams
    ]
    is_good = summary.status == "done"
    return {
        "source": source,
        "log_level": LEVELS.get(summary.status, "WARNING"),
        "timestamp": _iso(summary.at),
        "new_leads": sum((line.counts + line.left_over).new for line in summary.streams if line.stream in count),
        "total_run_time": round(summary.seconds, 3),
        "success": is_good,
        "error_message": None if is_good else _reasons(summary),
        "metadata": {
            "run": summary.run,
            "pipeline": summary.pipeline,
            "status": summary.status,
            "streams": streams,
        },
    }


def _reasons(summary: RunSummary) -> str:
    """Return what went wrong, each reason once with the streams that it holds for; else the run's status."""
    streams: dict[str, list[str]] = {}
    for line in summary.streams:
        if line.message:
            streams.setdefault(line.message, []).append(line.stream)
    told = "; ".join(f"{', '.join(names)}: {message}" for message, names in streams.items())
    return told[:MOST_CHARACTERS] or summary.status


def _keep(collection: Any, log: dict[str, Any]) -> None:
    """Write a run's document, unless it is there: a message may come twice, and two may come at once."""
    from backhaul.sessions.mongo_values import document_id

    at = datetime.fromisoformat(log["timestamp"])
    same = {"_id": document_id(log["source"], log["metadata"]["run"], at=at)}
    collection.update_one(same, {"$setOnInsert": {**log, "timestamp": at}}, upsert=True)


def _move_on(collection: Any, identifier: str, at: str, timezone: str) -> None:
    """Write the moment of the last run, unless a later one stands there."""
    from backhaul.sessions.mongo_values import document_id

    for _ in range(TRIES):
        now = datetime.now(UTC)
        fields = {"last_run_timestamp": at, "updated_at": now}
        there = collection.find_one({"identifier": identifier}, sort=[("_id", 1)])
        if there is None:
            new = {"$setOnInsert": {"identifier": identifier, **fields}}
            if collection.update_one({"_id": document_id(identifier)}, new, upsert=True).upserted_id is not None:
                return
        elif not _is_behind(there, datetime.fromisoformat(at), timezone, now):
            return
        else:
            same = {"_id": there["_id"], "last_run_timestamp": there.get("last_run_timestamp")}
            if collection.update_one(same, {"$set": fields}).matched_count:
                return
    raise TransientError("the document of the last run is being changed by somebody else all the time")


def _is_behind(there: Mapping[str, Any], at: datetime, timezone: str, now: datetime) -> bool:
    """Tell whether a document's moment is before `at`; one that is none, or has not come yet, counts as such."""
    found = there.get("last_run_timestamp")
    if isinstance(found, str):
        try:
            found = datetime.fromisoformat(found)
        except ValueError:
            return True
    if not isinstance(found, datetime):
        return True
    # Other programs write the clock on the wall, without its zone.
    found = found if found.tzinfo else found.replace(tzinfo=ZoneInfo(timezone))
    return found < at or found > now + CLOCKS_DIFFER


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
