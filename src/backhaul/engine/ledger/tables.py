"""The ledger's tables. No row content anywhere: names, counts, hashes, times and row numbers only."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Float, Integer, MetaData, String, Table

VERSION = 3

KEPT, STAGED, REFUSED = "kept", "staged", "refused"
"""States of an artifact: waiting to be staged; a batch by now; not what its stream expects."""

PENDING, DONE, HELD, REPLACED = "pending", "done", "held", "replaced"
"""States of batches and deliveries; a held one waits for a person, a replaced one was staged anew by a replay."""

PRUNED, LOST, DISMISSED = "pruned", "lost", "dismissed"
"""More states: removed by retention; gone with the disk of a stateless machine; let go of by a person."""

REPAIR, PART = "repair", "part"
"""Origins that are not a source: an artifact with rows that a person has repaired; a batch of only some rows."""

OPEN, SUPERSEDED, REPAIRED, REQUEUED = "open", "superseded", "repaired", "requeued"
"""States of a quarantined row; also DISMISSED."""

WAITING, SENT, GIVEN_UP = "waiting", "sent", "given up"
"""States of a message in the outbox."""

metadata = MetaData()


def _counts() -> list[Column[int]]:
    names = ("new", "updated", "unchanged", "duplicate", "rejected", "removed")
    return [Column(name, Integer, nullable=False, default=0, server_default="0") for name in names]


runs = Table(
    "runs",
    metadata,
    Column("id", String, primary_key=True),
    Column("pipeline", String, nullable=False, index=True),
    Column("window", String, nullable=False),
    Column("status", String, nullable=False),
    Column("exit_code", Integer),
    Column("started_at", String, nullable=False),
    Column("ended_at", String),
    Column("pid", Integer, nullable=False),
    Column("version", String, nullable=False),
    Column("peak_bytes", BigInteger),
)

stream_runs = Table(
    "stream_runs",
    metadata,
    Column("run", String, primary_key=True),
    Column("stream", String, primary_key=True),
    Column("window", String, nullable=False),
    Column("status", String, nullable=False),
    *_counts(),
    Column("attempts", Integer, nullable=False, default=0),
    Column("seconds", Float),
    Column("error", String),
    Column("message", String),
)

attempts = Table(
    "attempts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("run", String, nullable=False, index=True),
    Column("stream", String, nullable=False),
    Column("number", Integer, nullable=False),
    Column("own_session", Boolean, nullable=False),
    Column("started_at", String, nullable=False),
    Column("ended_at", String),
    Column("outcome", String, nullable=False),
    Column("message", String),
)

events = Table(
    "events",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("run", String, nullable=False, index=True),
    Column("at", String, nullable=False),
    Column("stream", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("facts", String, nullable=False),
)

artifacts = Table(
    "artifacts",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("id", String, nullable=False, unique=True),
    Column("run", String, nullable=False),
    Column("stream", String, nullable=False, index=True),
    Column("name", String, nullable=False),
    Column("sha256", String, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("window_start", String),
    Column("window_end", String),
    Column("timezone", String),
    Column("fetched_at", String, nullable=False),
    Column("state", String, nullable=False),
    Column("reason", String),
    Column("origin", String),
    Column("came_from", String),
    Column("made_at", String),
)

batches = Table(
    "batches",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("id", String, nullable=False, unique=True),
    Column("artifact", String),
    Column("stream", String, nullable=False, index=True),
    Column("staged_at", String, nullable=False),
    Column("state", String, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("duplicate", Integer, nullable=False),
    Column("rejected", Integer, nullable=False),
    Column("reason", String),
    Column("origin", String),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("batch", String, nullable=False, index=True),
    Column("stream", String, nullable=False, index=True),
    Column("destination", String, nullable=False),
    Column("state", String, nullable=False),
    *_counts(),
    Column("failures", Integer, nullable=False, default=0),
    Column("message", String),
    Column("changed_at", String, nullable=False),
)

cursors = Table(
    "cursors",
    metadata,
    Column("stream", String, primary_key=True),
    Column("cursor", String),
    Column("window_end", String),
    Column("columns", String),
    Column("moved_at", String),
)

quarantine = Table(
    "quarantine",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("stream", String, nullable=False, index=True),
    Column("artifact", String),
    Column("batch", String, nullable=False),
    Column("row", Integer, nullable=False),
    Column("check", String, nullable=False),
    Column("destination", String, nullable=False, default=""),
    Column("state", String, nullable=False),
    Column("at", String, nullable=False),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("run", String, nullable=False),
    Column("pipeline", String, nullable=False, index=True),
    Column("notifier", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("message", String, nullable=False),
    Column("state", String, nullable=False, index=True),
    Column("failures", Integer, nullable=False, default=0),
    Column("reason", String),
    Column("created_at", String, nullable=False),
    Column("not_before", String),
    Column("sent_at", String),
)

alerts = Table(
    "alerts",
    metadata,
    Column("stream", String, primary_key=True),
    Column("pipeline", String, nullable=False, index=True),
    Column("error", String, nullable=False),
    Column("message", String, nullable=False),
    Column("next_step", String, nullable=False),
    Column("since", String, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("told_at", String),
)

bot_updates = Table(
    "bot_updates",
    metadata,
    Column("bot", String, primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("taken_at", String, nullable=False),
)

bot_buttons = Table(
    "bot_buttons",
    metadata,
    Column("id", String, primary_key=True),
    Column("bot", String, nullable=False),
    Column("chat", BigInteger, nullable=False),
    Column("facts", String, nullable=False),
    Column("made_at", String, nullable=False, index=True),
)

audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", String, nullable=False),
    Column("who", String, nullable=False),
    Column("what", String, nullable=False),
    Column("target", String, nullable=False),
    Column("detail", String, nullable=False),
)
