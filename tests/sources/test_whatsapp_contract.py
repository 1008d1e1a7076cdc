"""Both WhatsApp sources pass the contract of sources."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from backhaul.model import Stream
from backhaul.sources import WhatsAppExports
from backhaul.testing import SourceContract
from tests.sources.whatsapp_chat import TITLE, ZONE, Page, Post, source_of


class TestWhatsAppWeb(SourceContract):
    uses_window = False

    @contextmanager
    def outside(self) -> Iterator[Stream]:
        start = datetime(2025, 9, 27, 12, 0)
        page = Page([Post(f"3A{n:04}", start + timedelta(minutes=n), "Dana", f"text {n}") for n in range(20)])
        yield source_of(page).group("messages", group=TITLE, chat="students")
        page.is_gone = True


class TestWhatsAppExports(SourceContract):
    uses_window = False

    @contextmanager
    def outside(self) -> Iterator[Stream]:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "exports" / "students" / "_chat.txt"
            file.parent.mkdir(parents=True)
            file.write_text("[27/09/2025, 12:00:05] Dana: ok\r\n[27/09/2025, 12:00:09] Dana: ok", encoding="utf-8")
            os.utime(file, (1_759_600_000, 1_759_600_000))
            source = WhatsAppExports(str(file.parents[1]), timezone=ZONE)
            yield source.group("exports", folder="students", chat="students")
