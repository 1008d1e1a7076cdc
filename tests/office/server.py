"""Starts and ends the office: a fresh database and a gunicorn of its own on a free loopback port."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).resolve().parents[2]
START_TIMEOUT_S = 60.0

EXPORT_PAGES = {
    "transaksi": "/admin/office/transaksi/export/",
    "point_trx": "/admin/office/pointtrx/export/",
    "user": "/admin/office/user/export/",
    "pembayaran_koin": "/admin/office/pembayarankoin/export/",
    "transaksi_besar": "/admin/office/transaksibesar/export/",
}
LOGIN_PAGE = "/admin/login/?next=/admin/"


class DjangoOffice:
    """A running office, as a context manager; `large_rows` fills `transaksi_besar`, all on one day.

    Attributes:
        url: where it answers, without a slash at the end.
        username: of its one user; the password is another at each start.
        database: its SQLite file, the truth that a test may compare with.
    """

    def __init__(self, *, large_rows: int = 0) -> None:
        self.username = "petugas"
        self.password = secrets.token_urlsafe(12)
        self.large_rows = large_rows
        self.url = ""
        self._folder = Path()
        self._server: subprocess.Popen[bytes] | None = None

    @property
    def database(self) -> Path:
        """The office's own database."""
        return self._folder / "office.sqlite3"

    def __enter__(self) -> DjangoOffice:
        self._folder = Path(tempfile.mkdtemp(prefix="office-"))
        try:
            subprocess.run([sys.executable, "-m", "tests.office.data"], cwd=ROOT, env=self._environment(), check=True)
            self._start()
            self._wait()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the whole process group and remove the database."""
        if self._server is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._server.pid, signal.SIGKILL)
            self._server.wait()
            self._server = None
        shutil.rmtree(self._folder, ignore_errors=True)

    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.office.settings",
            "PYTHONPATH": str(ROOT),
            "OFFICE_DATABASE": str(self.database),
            "OFFICE_SIGNING_KEY": secrets.token_urlsafe(40),
            "OFFICE_USERNAME": self.username,
            "OFFICE_PASSWORD": self.password,
            "OFFICE_LARGE_ROWS": str(self.large_rows),
        }

    def _start(self) -> None:
        # The port is bound here and handed on, so that nobody else can take it in between.
        with socket.create_server(("127.0.0.1", 0)) as port, (self._folder / "log").open("wb") as log:
            self.url = f"http://127.0.0.1:{port.getsockname()[1]}"
            command = [
                *(sys.executable, "-m", "gunicorn", "tests.office.wsgi:application"),
                *("--bind", f"fd://{port.fileno()}", "--workers", "1", "--threads", "8", "--timeout", "600"),
                *("--worker-tmp-dir", str(self._folder), "--log-level", "warning", "--no-control-socket"),
            ]
            self._server = subprocess.Popen(
                command,
                cwd=ROOT,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=(port.fileno(),),
                start_new_session=True,
            )

    def _wait(self) -> None:
        give_up = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < give_up:
            if self._server is None or self._server.poll() is not None:
                break
            with (
                contextlib.suppress(urllib.error.URLError, OSError),
                urllib.request.urlopen(self.url + LOGIN_PAGE, timeout=START_TIMEOUT_S),
            ):
                return
            time.sleep(0.05)
        log = (self._folder / "log").read_text(encoding="utf-8", errors="replace")
        raise RuntimeError(f"the office did not start; its log ends with: {log[-2000:]}")
