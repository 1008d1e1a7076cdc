"""Reading a file as its stream reads it, and nothing else: no ledger, no warehouse, no network."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from backhaul.config import resolved, settings_in
from backhaul.engine.derived import is_derived
from backhaul.engine.stage import Staged, Stager
from backhaul.engine.systems import Target
from backhaul.errors import ConfigError, SourceChanged, TransientError
from backhaul.lake import Lake
from backhaul.model import Artifact, Stream


@dataclass(frozen=True)
class Extracted:
    """A file's rows as they would be delivered; its parts are gone when the extraction is over."""

    name: str
    stream: Stream
    staged: Staged


@contextmanager
def extracted(target: Target, file: Path, settings: dict[str, str]) -> Iterator[Extracted]:
    """Give the rows of file as the one stream of target that is fetched makes them: parsed, transformed, checked.

    What a check would hold back is told, not held. No setting is needed. Raises ConfigError where target has not
    one such stream, SourceChanged for a file that it cannot read.
    """
    streams = [stream for stream in target.pipeline.streams if not is_derived(stream)]
    if len(streams) != 1:
        names = ", ".join(f"{target.name}.{stream.name}" for stream in streams)
        raise ConfigError(
            f"a file is of one stream; {target.name} has {len(streams)}",
            next_step=f"Name one of: {names}." if streams else "A derived stream is computed; it takes no file.",
        )
    if not file.is_file():
        raise ConfigError(f"{file}: there is no such file", next_step="Check its path.")
    spare = {setting.name for setting in settings_in(streams[0])}
    # Nothing is kept, so nothing is sealed.
    stream = replace(resolved(streams[0], settings, spare=spare), personal=False)
    with tempfile.TemporaryDirectory(prefix="backhaul-extract-") as folder:
        name = f"{target.name}.{stream.name}"
        stager = Stager(name=name, stream=stream, timezone=target.pipeline.timezone, lake=Lake(Path(folder)))
        yield Extracted(name, stream, _staged(stager, file))


def _staged(stager: Stager, file: Path) -> Staged:
    from backhaul.formats import prove

    facts = file.stat()
    changed_at = datetime.fromtimestamp(facts.st_mtime, UTC)
    artifact = Artifact(
        id="file",
        path=file,
        name=file.name,
        sha256="",
        size_bytes=facts.st_size,
        window=None,
        fetched_at=changed_at,
        made_at=changed_at,
    )
    try:
        prove(file)
        return stager.stage(artifact, "file")
    except TransientError as error:
        raise SourceChanged(
            f"{stager.name}: {file.name} is not whole: {error}", next_step="Get the whole file once more."
        ) from None
