"""Where Chromium is on this machine, and how it is started."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from backhaul.errors import ConfigError

_SHELLS = ("chromium-headless-shell", "chrome-headless-shell")
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_MAC = (
    "Google Chrome.app/Contents/MacOS/Google Chrome",
    "Chromium.app/Contents/MacOS/Chromium",
)
_WINDOWS = ("Google/Chrome/Application/chrome.exe", "Chromium/Application/chrome.exe")
_PLAYWRIGHT_SHELLS = ("chromium_headless_shell-*/*/*headless*shell*",)
_PLAYWRIGHT_BROWSERS = (
    "chromium-*/chrome-linux*/chrome",
    "chromium-*/chrome-win*/chrome.exe",
    "chromium-*/chrome-mac*/*.app/Contents/MacOS/*",
)

INSTALL = (
    "Install Chrome or Chromium (Debian: apt install chromium-headless-shell; anywhere: "
    "python -m playwright install chromium-headless-shell), or name its program in CHROME_BIN."
)


def is_headed() -> bool:
    """Tell whether a person wants to watch the browser (BACKHAUL_HEADED=1)."""
    return os.environ.get("BACKHAUL_HEADED", "") not in ("", "0", "false")


def find_chromium(*, headless: bool) -> Path | None:
    """Return the program to start: CHROME_BIN, the system's, or Playwright's own; None where there is none.

    Headless, the smaller headless shell goes first. Raises ConfigError if CHROME_BIN names no file.
    """
    if named := os.environ.get("CHROME_BIN"):
        path = Path(shutil.which(named) or named)
        if not path.is_file():
            raise ConfigError(f"CHROME_BIN names {named}, and there is no such program", next_step=INSTALL)
        return path
    return next(_candidates(headless=headless), None)


def launch_args() -> list[str]:
    """Return the arguments that Chromium is started with, beside those of Playwright."""
    args = [
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ]
    in_container = _in_container()
    if sys.platform.startswith("linux") and (os.geteuid() == 0 or in_container):
        # Chromium's own sandbox refuses root, and containers lack the namespaces that it needs.
        args.append("--no-sandbox")
    if in_container:
        # /dev/shm of a container is 64 MB, too small for large pages.
        args.append("--disable-dev-shm-usage")
    return args


def _in_container() -> bool:
    marks = (Path("/.dockerenv"), Path("/run/.containerenv"))
    return any(mark.exists() for mark in marks) or bool({"KUBERNETES_SERVICE_HOST", "container"} & set(os.environ))


def _candidates(*, headless: bool) -> Iterator[Path]:
    own = _playwright_folder()
    if headless:
        yield from (Path(found) for name in _SHELLS if (found := shutil.which(name)))
        yield from _files(own, _PLAYWRIGHT_SHELLS)
    yield from (Path(found) for name in _BROWSERS if (found := shutil.which(name)))
    for folder in (Path("/Applications"), Path.home() / "Applications"):
        yield from _files(folder, _MAC)
    for variable in ("PROGRAMFILES", "PROGRAMFILES(X86)", "LOCALAPPDATA"):
        if base := os.environ.get(variable):
            yield from _files(Path(base), _WINDOWS)
    yield from _files(own, _PLAYWRIGHT_BROWSERS)


def _files(folder: Path, patterns: tuple[str, ...]) -> Iterator[Path]:
    """Yield the programs in folder that fit, of each pattern the newest version first."""
    for pattern in patterns:
        found = sorted(folder.glob(pattern), reverse=True)
        yield from (path for path in found if path.is_file() and os.access(path, os.X_OK))


def _playwright_folder() -> Path:
    if named := os.environ.get("PLAYWRIGHT_BROWSERS_PATH"):
        return Path(named)
    if sys.platform == "darwin":
        return Path.home() / "Library/Caches/ms-playwright"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home()) / "ms-playwright"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ms-playwright"
