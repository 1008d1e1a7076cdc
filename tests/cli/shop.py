"""The command line as a person starts it: another process, in a folder of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backhaul.sandbox import SandboxBackOffice

SYSTEMS = Path(__file__).resolve().parents[1] / "systems"
DAY = "2025-09-12"


@dataclass(frozen=True)
class Shop:
    """A folder with system A in it, and the settings of a sandbox."""

    folder: Path
    settings: dict[str, str]

    @classmethod
    def at(cls, folder: Path, office: SandboxBackOffice) -> Shop:
        shutil.copytree(SYSTEMS, folder / "systems", ignore=shutil.ignore_patterns("__pycache__", "tests"))
        settings = {
            "BACKEND_URL": office.url,
            "BACKEND_USERNAME": office.username,
            "BACKEND_PASSWORD": office.password,
        }
        return cls(folder, settings)

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("BACKHAUL_", "BACKEND_"))}
        return {**kept, **self.settings, "BACKHAUL_HOME": str(self.folder)}

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        command = [sys.executable, "-m", "backhaul", *arguments]
        return subprocess.Popen(command, text=True, env=self.environment, cwd=self.folder, **pipes)

    def call(self, *arguments: str, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
        with self.start(*arguments) as process:
            out, told = process.communicate(timeout=timeout_s)
        return subprocess.CompletedProcess(arguments, process.returncode, out, told)

    def document(self, *arguments: str) -> Any:
        """Return what the command prints with --json; it must be one document."""
        return json.loads(self.call(*arguments, "--json").stdout)
