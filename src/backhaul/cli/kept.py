"""`kept`: the files that are kept of a stream, and a copy of one."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from backhaul.cli.output import Output
from backhaul.cli.run import installation
from backhaul.cli.show import local
from backhaul.config import home
from backhaul.engine.kept import Shown, copy_kept, kept_files
from backhaul.engine.systems import Target, find
from backhaul.engine.words import counted
from backhaul.errors import ConfigError

KILOBYTE = 1000


def list_kept(output: Output, name: str) -> None:
    """Print the kept files of what name stands for, newest first: name, age, size, and what it waits for."""
    here, targets = installation(), find(home() / "systems", name)
    found = [(target, shown) for target in targets for shown in kept_files(target, here)]
    if output.json:
        output.document([_as_document(shown) for _, shown in found])
        return
    if not found:
        output.say(f"no file of {name} is kept")
        return
    headers = ("stream", "file", "days", "made", "fetched", "kB", "state", "id")
    output.table(headers, [_line(*each) for each in found], spare=("days", "made"))
    for _, shown in found:
        if shown.file.reason:
            output.say(f"{shown.file.name}: {shown.file.state}: {shown.file.reason}")
    total = sum({shown.file.sha256: shown.file.size_bytes for _, shown in found}.values()) / KILOBYTE
    output.say(f"{counted(len(found), 'file')}, {total:,.0f} kB")
    output.say(f"  next: to get one back: backhaul kept {name} --copy {found[0][1].file.name!r} --to FOLDER")


def copy_named(output: Output, name: str, which: str, folder: Path) -> None:
    """Copy one kept file of what name stands for to folder, and say where it is."""
    targets = find(home() / "systems", name)
    if len(targets) != 1:
        names = ", ".join(each.name for each in targets)
        raise ConfigError(f"{name} has {len(targets)} pipelines", next_step=f"Name one of: {names}.")
    path = copy_kept(targets[0], installation(), which, folder.expanduser())
    if output.json:
        output.document({"file": str(path), "size_bytes": path.stat().st_size})
        return
    output.say(f"{which} is in {path}")


def _line(target: Target, shown: Shown) -> tuple[object, ...]:
    zone, file = ZoneInfo(target.pipeline.timezone), shown.file

    def said(moment: datetime | None) -> str:
        return local(moment.isoformat(), zone) if moment else "-"

    size = max(1, round(file.size_bytes / KILOBYTE))
    return (
        shown.stream,
        file.name,
        file.days or "-",
        said(file.made_at),
        said(file.fetched_at),
        size,
        file.state,
        file.id,
    )


def _as_document(shown: Shown) -> dict[str, Any]:
    file = shown.file
    return {
        "stream": shown.stream,
        "id": file.id,
        "file": file.name,
        "days": file.days,
        "made_at": file.made_at and file.made_at.isoformat(),
        "fetched_at": file.fetched_at.isoformat(),
        "size_bytes": file.size_bytes,
        "state": file.state,
        "waits": file.waits,
        "reason": file.reason,
        "is_repair": file.is_repair,
    }
