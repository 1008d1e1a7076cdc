"""Set up what `make` needs, from nothing but Python: a virtual environment; Chromium and PostgreSQL when asked.

    python3 tools/bootstrap.py packages    make .venv from requirements.lock
    python3 tools/bootstrap.py browser     find Chromium or install it; never fails
    python3 tools/bootstrap.py postgres    find PostgreSQL's programs or unpack them; never fails

It runs before anything is installed, so it imports the standard library only. Each step has a way for the
administrator of a machine and one for everybody else. Whatever indexes and proxies pip and apt are told to
use on this machine, they use.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
BUILD = ROOT / "build"
PRIVATE_BROWSER = BUILD / "browser"
PRIVATE_POSTGRES = BUILD / "postgres"
DRIVER_LIBRARY = "libatomic1"  # Playwright's own node needs it; a small Debian lacks it
STARTER = """#!/bin/sh
LD_LIBRARY_PATH="{libraries}" FONTCONFIG_FILE="{fonts}" exec "{program}" "$@"
"""
FONTS = """<?xml version="1.0"?>
<fontconfig><dir>{folder}</dir><dir>/usr/share/fonts</dir><cachedir>{folder}</cachedir></fontconfig>
"""
OLDEST_PYTHON = (3, 11)
DOWNLOAD_TIMEOUT_S = 900.0


class SetupFailed(Exception):
    """The set-up cannot go on; the text tells a person why and what to do."""


def say(text: str) -> None:
    """Print one line of progress at once, also into a pipe."""
    print(text, flush=True)


def venv_python() -> Path:
    """Return the path of the virtual environment's Python, whether it exists or not."""
    return VENV / "Scripts" / "python.exe" if os.name == "nt" else VENV / "bin" / "python"


def works(command: list[str | Path], *, cwd: Path = ROOT, timeout_s: float = DOWNLOAD_TIMEOUT_S) -> bool:
    """Return whether command ends well within timeout_s; what it prints is dropped."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, timeout=timeout_s, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def is_root() -> bool:
    """Return whether we may install packages of the system."""
    return hasattr(os, "geteuid") and os.geteuid() == 0


def apt_install(*packages: str) -> bool:
    """Install Debian packages for the whole machine; return whether it worked."""
    if not (is_root() and shutil.which("apt-get")):
        return False
    works(["apt-get", "update", "-qq"])  # a failing mirror among several does not matter if the install works
    return works(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages])


class PrivateApt:
    """Debian's packages without being root: lists and downloads of our own, unpacked into a folder."""

    def __init__(self, folder: Path) -> None:
        """Keep everything in folder, which is made."""
        self.folder = folder
        for name in ("state/lists/partial", "cache/archives/partial", "packages"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        state, cache = folder / "state", folder / "cache"
        self.options = [
            "-qq",
            *("-o", f"Dir::State={state}"),
            *("-o", f"Dir::Cache={cache}"),
            *("-o", "Dir::State::status=/var/lib/dpkg/status"),
            *("-o", "APT::Install-Recommends=false"),
            *("-o", "Debug::NoLocking=true"),
        ]

    def unpack(self, *packages: str, target: Path, with_dependencies: bool = False) -> bool:
        """Unpack packages into target, and on request all they need that the machine lacks."""
        if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
            return False
        works(["apt-get", *self.options, "update"])
        names = self._lacking(packages) if with_dependencies else list(packages)
        downloads = self.folder / "packages"
        if not names or not works(["apt-get", *self.options, "download", *names], cwd=downloads):
            return False
        files = sorted(downloads.glob("*.deb"))
        target.mkdir(parents=True, exist_ok=True)
        unpacked = [works(["dpkg-deb", "-x", file, target]) for file in files]
        for file in files:
            file.unlink()
        return bool(files) and all(unpacked)

    def _lacking(self, packages: tuple[str, ...]) -> list[str]:
        command = ["apt-get", *self.options, "--simulate", "install", *packages]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        lines = [line.split() for line in done.stdout.splitlines()]
        return [words[1] for words in lines if len(words) > 1 and words[0] == "Inst"]


def venv_by_python() -> bool:
    """Make the virtual environment the usual way; Debian's Python can only do it with python3-venv."""
    if importlib.util.find_spec("ensurepip") is None:
        return False
    return works([sys.executable, "-m", "venv", "--clear", VENV])


def venv_by_administrator() -> bool:
    """Install what Debian leaves out of Python, then make the environment the usual way."""
    if not apt_install("python3-venv"):
        return False
    # a fresh process: this one has looked for ensurepip already and remembers its absence
    return works([sys.executable, "-m", "venv", "--clear", VENV])


def venv_by_private_pip() -> bool:
    """Make the environment without pip, then let Debian's own pip wheel install itself into it."""
    folder = BUILD / "pip"
    if not PrivateApt(BUILD / "apt").unpack("python3-pip-whl", target=folder):
        return False
    wheels = sorted(folder.glob("usr/share/python-wheels/pip-*.whl"))
    if not wheels or not works([sys.executable, "-m", "venv", "--clear", "--without-pip", VENV]):
        return False
    return works([venv_python(), wheels[-1] / "pip", "install", "--no-index", "--no-deps", wheels[-1]])


WAYS_TO_VENV: tuple[Callable[[], bool], ...] = (venv_by_python, venv_by_administrator, venv_by_private_pip)


def make_venv() -> None:
    """Make .venv with pip in it, by the first way that works. Raises SetupFailed."""
    if not any(way() for way in WAYS_TO_VENV):
        raise SetupFailed(
            "This Python cannot make virtual environments. "
            "Ask the administrator to run: apt-get install python3-venv. Then run make again."
        )


def pip_install(*arguments: str) -> None:
    """Run pip in .venv; its own words are shown only when it fails. Raises SetupFailed."""
    command = [str(venv_python()), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run([*command, "--no-input", *arguments], cwd=ROOT, text=True, stderr=subprocess.PIPE)
    if done.returncode:
        print(done.stderr, file=sys.stderr)
        raise SetupFailed(
            "pip could not install the packages; its own words stand above. "
            "Check the network and `pip config list`, then run make again."
        )


def packages() -> None:
    """Make .venv anew from requirements.lock, with this checkout in it. Raises SetupFailed."""
    if sys.version_info < OLDEST_PYTHON:
        raise SetupFailed(
            f"Python {sys.version_info.major}.{sys.version_info.minor} is too old: 3.11 or newer is needed. "
            "Name a newer one: make PYTHON=python3.11"
        )
    say("Setting up Python packages (about a minute, once) ...")
    make_venv()
    pip_install("--require-hashes", "-r", "requirements.lock")
    pip_install("--no-deps", "--no-build-isolation", "--editable", ".")
    say(f"Python packages are in {VENV.name}.")


def browser_works() -> bool:
    """Return whether Playwright starts and the product itself finds a Chromium."""
    question = (
        "from backhaul.sessions.chromium import find_chromium\nraise SystemExit(not find_chromium(headless=True))"
    )
    return works([venv_python(), "-m", "playwright", "--version"], timeout_s=60.0) and works(
        [venv_python(), "-c", question], timeout_s=60.0
    )


def browser_by_administrator() -> bool:
    """Install Debian's headless Chromium, or its full one where there is no other."""
    return any(apt_install(name, DRIVER_LIBRARY) for name in ("chromium-headless-shell", "chromium"))


def browser_by_private_apt() -> bool:
    """Unpack Debian's headless Chromium and all that the machine lacks for it, with starters that use it."""
    unpacked = PRIVATE_BROWSER / "debian"
    apt = PrivateApt(BUILD / "apt")
    if not apt.unpack("chromium-headless-shell", DRIVER_LIBRARY, target=unpacked, with_dependencies=True):
        return False
    libraries = ":".join(sorted({str(file.parent) for file in unpacked.glob("**/lib/**/*.so*")}))
    programs = {
        "chromium-headless-shell": unpacked / "usr/lib/chromium/chromium-headless-shell",
        "node": next(VENV.glob("lib/python*/site-packages/playwright/driver/node")),
    }
    fonts = PRIVATE_BROWSER / "fonts.conf"
    fonts.write_text(FONTS.format(folder=unpacked / "usr/share/fonts"), encoding="utf-8")
    for name, program in programs.items():
        starter = PRIVATE_BROWSER / name
        text = STARTER.format(libraries=libraries, fonts=fonts, program=program)
        starter.write_text(text, encoding="utf-8")
        starter.chmod(0o755)
    return all(works([PRIVATE_BROWSER / name, "--version"], timeout_s=60.0) for name in programs)


def browser_by_playwright() -> bool:
    """Let Playwright download its own; a closed network refuses it."""
    return works([venv_python(), "-m", "playwright", "install", "chromium-headless-shell"])


WAYS_TO_BROWSER: tuple[Callable[[], bool], ...] = (
    browser_by_administrator,
    browser_by_private_apt,
    browser_by_playwright,
)


def browser() -> None:
    """Find Chromium or install it; where neither works, say so, because everything else works without."""
    if browser_works():
        return
    shutil.rmtree(PRIVATE_BROWSER, ignore_errors=True)
    say("Setting up Chromium for the browser tests (about a minute, once) ...")
    if any(way() for way in WAYS_TO_BROWSER):
        say("Chromium is ready.")
        return
    shutil.rmtree(PRIVATE_BROWSER, ignore_errors=True)
    say("No Chromium found or installable: the browser parts are left out, everything else works.")


def postgres_works() -> bool:
    """Return whether the tests find a PostgreSQL that they can start."""
    question = "from tests.postgres import is_there\nraise SystemExit(not is_there())"
    return works([venv_python(), "-c", question], timeout_s=60.0)


def postgres_by_private_apt() -> bool:
    """Unpack Debian's PostgreSQL and all that the machine lacks for it; nothing starts by itself."""
    apt = PrivateApt(BUILD / "apt")
    return apt.unpack("postgresql", target=PRIVATE_POSTGRES, with_dependencies=True) and postgres_works()


def postgres_by_administrator() -> bool:
    """Install Debian's PostgreSQL, where the account that the tests use cannot reach this folder."""
    return apt_install("postgresql") and postgres_works()


WAYS_TO_POSTGRES: tuple[Callable[[], bool], ...] = (postgres_by_private_apt, postgres_by_administrator)


def postgres() -> None:
    """Find PostgreSQL or unpack it; where neither works, say so, because everything else works without."""
    if postgres_works():
        return
    shutil.rmtree(PRIVATE_POSTGRES, ignore_errors=True)
    say("Setting up PostgreSQL for the database tests (about a minute, once) ...")
    if any(way() for way in WAYS_TO_POSTGRES):
        say("PostgreSQL is ready.")
        return
    shutil.rmtree(PRIVATE_POSTGRES, ignore_errors=True)
    say("No PostgreSQL found or installable: its tests are left out, everything else works.")


def main(arguments: list[str]) -> int:
    """Run the step that is named; return the exit code of the process."""
    steps = {"packages": packages, "browser": browser, "postgres": postgres}
    if len(arguments) != 1 or arguments[0] not in steps:
        print(__doc__)
        return 2
    try:
        steps[arguments[0]]()
    except SetupFailed as failure:
        print(failure, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
