"""What every source must do, as a suite: subclass SourceContract and say how to make yours."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import ClassVar

import polars as pl
import pytest

from backhaul.errors import BackhaulError, SourceChanged, TransientError
from backhaul.lake import LandingFolder
from backhaul.model import Artifact, Landed, Stream, Window
from backhaul.sessions.vault import Vault

WINDOW = Window(date(2025, 9, 12), date(2025, 9, 12), "Asia/Jakarta")


class SourceContract:
    """The contract of `open`, `fetch` and `parse`. Override `outside`; the stream's window is WINDOW."""

    uses_window: ClassVar[bool] = True
    """Whether the source is asked for days; the files of one that is not have no window."""

    def outside(self) -> AbstractContextManager[Stream]:
        """Start what the source talks to, and give a stream of the source; at the end the outside is gone."""
        raise NotImplementedError

    @pytest.fixture
    def landing(self, tmp_path: Path) -> LandingFolder:
        """An empty landing folder."""
        return LandingFolder(tmp_path / "landing")

    @pytest.fixture
    def vault(self, tmp_path: Path) -> Vault:
        """An empty vault."""
        return Vault(tmp_path / "vault")

    def landed(self, stream: Stream, vault: Vault, landing: LandingFolder) -> tuple[Landed, ...]:
        """Return what one fetch in a session of its own brings."""
        session = stream.source.open(vault)
        try:
            return stream.source.fetch(session, stream, WINDOW, None, landing).artifacts
        finally:
            session.close()
            session.close()

    def test_a_source_is_a_frozen_value_with_a_name(self) -> None:
        with self.outside() as stream:
            source = stream.source
            assert dataclasses.is_dataclass(source)
            assert source.name
            assert source.parallel >= 1
            with pytest.raises(dataclasses.FrozenInstanceError):
                source.parallel = 99

    def test_fetch_lands_whole_files_with_their_hash_and_window(self, vault: Vault, landing: LandingFolder) -> None:
        with self.outside() as stream:
            files = self.landed(stream, vault, landing)

        assert files
        for file in files:
            content = file.path.read_bytes()
            assert (file.sha256, file.size_bytes) == (hashlib.sha256(content).hexdigest(), len(content))
            assert file.window == (WINDOW if self.uses_window else None)
        assert {path for path in landing.folder.rglob("*") if path.is_file()} == {file.path for file in files}

    def test_parse_needs_nothing_but_the_file_and_gives_the_same_rows_each_time(
        self, vault: Vault, landing: LandingFolder
    ) -> None:
        with self.outside() as stream:
            files = self.landed(stream, vault, landing)
        before = [file.path.read_bytes() for file in files]

        first, second = ([self.rows(stream, file) for file in files] for _ in range(2))

        assert all(one.equals(two) for one, two in zip(first, second, strict=True))
        assert sum(frame.height for frame in first)
        assert [file.path.read_bytes() for file in files] == before

    def test_fetched_twice_the_rows_are_the_same(self, vault: Vault, landing: LandingFolder) -> None:
        with self.outside() as stream:
            first = [self.rows(stream, file) for file in self.landed(stream, vault, landing)]
            second = [self.rows(stream, file) for file in self.landed(stream, vault, landing)]

        assert [frame.rows() for frame in first] == [frame.rows() for frame in second]

    def test_the_frames_of_a_file_have_one_schema_and_keys_are_text(
        self, vault: Vault, landing: LandingFolder
    ) -> None:
        with self.outside() as stream:
            files = self.landed(stream, vault, landing)

        for file in files:
            schemas = [frame.schema for frame in self.frames(stream, file)]
            assert all(schema == schemas[0] for schema in schemas)
            assert all(schemas[0][name] == pl.String for name in stream.key)

    def test_a_file_that_is_something_else_is_a_changed_source(self, tmp_path: Path) -> None:
        with self.outside() as stream:
            pass
        garbage = tmp_path / "garbage"
        garbage.write_bytes(bytes(range(256)) * 8)

        with pytest.raises(SourceChanged):
            self.rows(stream, Landed(garbage, "garbage", "", 2048, WINDOW))

    def test_an_outside_that_is_gone_may_come_back(self, vault: Vault, landing: LandingFolder) -> None:
        with self.outside() as stream:
            pass

        with pytest.raises(TransientError):
            self.landed(stream, vault, landing)
        assert not landing.folder.exists() or not list(landing.folder.rglob("*.*"))

    def test_an_outside_that_goes_away_in_the_middle_raises_our_errors_only(
        self, vault: Vault, landing: LandingFolder
    ) -> None:
        with self.outside() as stream:
            session = stream.source.open(vault)
        try:
            with pytest.raises(BackhaulError):
                stream.source.fetch(session, stream, WINDOW, None, landing)
        finally:
            session.close()

    def frames(self, stream: Stream, file: Landed) -> Iterator[pl.DataFrame]:
        """Yield the frames that the source parses from a landed file."""
        now = datetime.now(UTC)
        artifact = Artifact("a1", file.path, file.name, file.sha256, file.size_bytes, file.window, now)
        return stream.source.parse(stream, artifact)

    def rows(self, stream: Stream, file: Landed) -> pl.DataFrame:
        """Return all rows of a landed file."""
        return pl.concat(list(self.frames(stream, file)))
