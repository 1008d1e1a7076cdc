"""`extract`: a file's rows as CSV."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from backhaul.cli.output import Output
from backhaul.config import home, load_settings
from backhaul.engine.extract import Extracted, extracted
from backhaul.engine.systems import find
from backhaul.engine.words import counted
from backhaul.errors import ConfigError


def extract_named(output: Output, name: str, file: Path, to: Path) -> int:
    """Write the rows of file, as the stream reads them, to a CSV file; print what was found. Return the exit code."""
    targets = find(home() / "systems", name)
    if len(targets) != 1:
        names = ", ".join(target.name for target in targets)
        raise ConfigError(f"{name} has {len(targets)} pipelines", next_step=f"Name one of: {names}.")
    to = to.expanduser()
    if not to.parent.is_dir():
        raise ConfigError(f"the folder {to.parent} is not there", next_step="Make it, or name another file.")
    with extracted(targets[0], file.expanduser(), load_settings(home())) as found:
        _tell(output, found, _written(found, to))
    return 0


def _written(found: Extracted, to: Path) -> Path:
    """Put the CSV file in its place as a whole, or into the folder that `to` is; return its path."""
    from backhaul.destinations import CsvFiles

    with tempfile.TemporaryDirectory(prefix=".backhaul-", dir=to.parent) as folder:
        files = CsvFiles(folder)
        files.write(found.stream, files.compare(found.stream, found.staged.batch))
        return Path(shutil.move(files.path(found.stream), to))


def _tell(output: Output, found: Extracted, to: Path) -> None:
    staged, batch = found.staged, found.staged.batch
    if output.json:
        output.document(
            {
                "stream": found.name,
                "file": str(to),
                "rows": batch.rows,
                "duplicate": batch.duplicate,
                "rejected": batch.rejected,
                "warnings": list(staged.warnings),
                "held_because": staged.held_because,
            }
        )
        return
    aside = (
        f", {batch.duplicate:,} duplicate, {batch.rejected:,} rejected" if batch.duplicate or batch.rejected else ""
    )
    output.say(f"{found.name}: {counted(batch.rows, 'row')} in {to}{aside}")
    for warning in staged.warnings:
        output.say(f"  {warning}")
    if staged.held_because:
        output.say(f"  a run would hold this file back: {staged.held_because}")
