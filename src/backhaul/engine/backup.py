"""Back-ups of destinations: all that pipelines deliver to, and back again."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from backhaul.engine.backup_files import (
    MANIFEST,
    Backup,
    backups_in,
    claimed,
    lines_of,
    new_folder,
    prove,
    prune,
    read_manifest,
    write_collection,
    write_manifest,
)
from backhaul.engine.run import Installation
from backhaul.engine.systems import Target
from backhaul.engine.upkeep import Place, at_rest, has_ledger, places
from backhaul.engine.words import counted
from backhaul.errors import ConfigError
from backhaul.model import Counts, Migratable, Restorable
from backhaul.sealing import OLD_KEYS_SETTING


@dataclass(frozen=True)
class Made:
    """A new back-up, and the folders of older ones that went for it."""

    backup: Backup
    gone: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Restored:
    """What became of one collection."""

    stream: str
    collection: str
    counts: Counts
    has_pending_migrations: bool = False


def make_backup(
    name: str,
    targets: Sequence[Target],
    installation: Installation,
    folder: Path,
    *,
    keep: int | None = None,
    now: datetime | None = None,
) -> Made:
    """Back up every collection that targets deliver to into a new folder below `folder`; of older ones `keep` stay.

    Reads only, so that runs may go on. Raises ConfigError where there is nothing to back up or the folder is none,
    AlreadyRunning if another back-up is being written into it, DeliveryError if it cannot be written to.
    """
    if keep is not None and keep < 1:
        raise ConfigError("--keep is 1 or more", next_step="Say how many back-ups stay, the new one among them.")
    found = _collections(name, targets, installation)
    seal, made_at = installation.seal, (now or datetime.now(UTC)).astimezone(UTC).replace(microsecond=0)
    with claimed(folder):
        with new_folder(folder, made_at) as (path, part):
            kept = tuple(
                write_collection(collection, each.stream_name, each.destination.dump(each.stream), part, seal)
                for collection, each in found.items()
            )
            backup = Backup(path, name, made_at, seal.key_id if seal else None, kept)
            write_manifest(backup, part)
        gone = prune(folder, name, keep) if keep else ()
    if has_ledger(installation):
        number = counted(sum(each.documents for each in kept), "document")
        installation.ledger.keep_audit("backup", name, f"{counted(len(kept), 'collection')}, {number}")
    return Made(backup, gone)


def chosen(name: str, targets: Sequence[Target], installation: Installation, folder: Path) -> Backup:
    """Return the back-up that folder is, else the newest in it that holds all collections of targets.

    Raises ConfigError where there is none, Damaged for one whose manifest cannot be read.
    """
    wanted = set(_collections(name, targets, installation))
    if not folder.is_dir():
        raise ConfigError(f"{folder}: there is no such folder", next_step="Name the folder of a back-up.")
    found = [read_manifest(folder)] if (folder / MANIFEST).is_file() else list(reversed(backups_in(folder)))
    if not found:
        raise ConfigError(f"{folder} holds no back-up", next_step=f"Make one: backhaul backup {name} --to {folder}.")
    for each in found:
        if wanted <= {kept.collection for kept in each.collections}:
            return each
    missing = ", ".join(sorted(wanted - {kept.collection for kept in found[0].collections}))
    raise ConfigError(
        f"{found[0].folder} is a back-up of {found[0].of}, and holds no {missing}",
        next_step="Name what it is of, or the folder of another back-up.",
    )


def restore(
    name: str, targets: Sequence[Target], installation: Installation, backup: Backup, *, dry_run: bool = False
) -> list[Restored]:
    """Bring the collections of targets back from backup, once all its files are proven; no run is under way then.

    Documents that are not in the back-up stay. Raises Damaged before anything is written, AlreadyRunning,
    ConfigError where the key is missing.
    """
    found = _collections(name, targets, installation)
    kept = {each.collection: each for each in backup.collections}
    seal = installation.seal
    if backup.key and seal is None:
        raise ConfigError(
            f"{backup.folder} is encrypted with the key {backup.key}, and no key is set here",
            next_step="Put that key into BACKHAUL_KEY.",
        )
    if backup.key and seal and not seal.opens(backup.key):
        raise ConfigError(
            f"{backup.folder} is sealed with the key {backup.key}, which is not known here",
            next_step=f"Put that key into {OLD_KEYS_SETTING}, beside the one in BACKHAUL_KEY.",
        )
    for collection in found:
        prove(kept[collection], backup, seal)
    results = []
    with ExitStack() as stack:
        for pipeline in dict.fromkeys(each.pipeline for each in found.values()):
            if not dry_run:
                stack.enter_context(at_rest(installation, pipeline))
        for collection, place in found.items():
            with contextlib.closing(lines_of(kept[collection], backup, seal)) as lines:
                counts = place.destination.restore(place.stream, lines, dry_run=dry_run)
            if not dry_run:
                detail = f"{counts.new} new, {counts.updated} updated, of {backup.folder.name}"
                installation.ledger.keep_audit("restore", place.stream_name, detail)
            waits = isinstance(place.destination, Migratable) and bool(place.destination.pending(place.stream))
            results.append(Restored(place.stream_name, collection, counts, waits))
    return results


def _collections(name: str, targets: Sequence[Target], installation: Installation) -> dict[str, Place[Restorable]]:
    """Return by collection the place to read it from; one that several streams deliver to stands once."""
    found = places(targets, installation.settings, Restorable)  # type: ignore[type-abstract]
    if not found:
        raise ConfigError(
            f"{name} delivers to nothing that can be backed up", next_step="Name one that goes to MongoDB."
        )
    by_collection: dict[str, Place[Restorable]] = {}
    for each in found:
        by_collection.setdefault(each.destination.place(each.stream), each)
    return by_collection
