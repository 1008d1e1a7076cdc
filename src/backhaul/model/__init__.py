"""The facts that travel through a run, and the contracts of the parts that handle them."""

from backhaul.model.batch import Batch, Changes, RowClass
from backhaul.model.checks import BatchFacts, Check, Rejected, RowCheck, Severity, TableCheck
from backhaul.model.contracts import (
    Checkable,
    Destination,
    Judging,
    Landing,
    Session,
    Source,
    StreamsCheckable,
    Vault,
)
from backhaul.model.facts import REMOVED_AT, ROW, Artifact, Counts, Fetched, Landed, Origin, Window
from backhaul.model.setting import Secret, SecretText, Setting, Text, text
from backhaul.model.stream import Retention, Stream, StreamOptions
from backhaul.model.upkeep import Markable, Marked, Migratable, Migrated, Migration, Readable, Restorable, united

__all__ = [
    "REMOVED_AT",
    "ROW",
    "Artifact",
    "Batch",
    "BatchFacts",
    "Changes",
    "Check",
    "Checkable",
    "Counts",
    "Destination",
    "Fetched",
    "Judging",
    "Landed",
    "Landing",
    "Markable",
    "Marked",
    "Migratable",
    "Migrated",
    "Migration",
    "Origin",
    "Readable",
    "Rejected",
    "Restorable",
    "Retention",
    "RowCheck",
    "RowClass",
    "Secret",
    "SecretText",
    "Session",
    "Setting",
    "Severity",
    "Source",
    "Stream",
    "StreamOptions",
    "StreamsCheckable",
    "TableCheck",
    "Text",
    "Vault",
    "Window",
    "text",
    "united",
]
