"""What Windows does not have: no module needs it, and what stands in its place works."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted([*(ROOT / "src").rglob("*.py"), *(ROOT / "systems").glob("*/*.py"), ROOT / "tools" / "bootstrap.py"])
UNIX_MODULES = {"fcntl", "resource", "pwd", "grp", "termios", "tty", "pty", "syslog", "posix", "readline", "crypt"}
UNIX_NAMES = {
    "os": {
        *(
            "fork",
            "forkpty",
            "killpg",
            "setsid",
            "getuid",
            "geteuid",
            "getgid",
            "getegid",
            "setuid",
            "chown",
            "lchown",
        ),
        *("mkfifo", "nice", "uname", "statvfs", "getloadavg", "sched_getaffinity", "wait3", "wait4", "setpgid"),
        *("posix_fadvise", "posix_fallocate", "pread", "pwrite", "sync", "O_DIRECTORY", "O_NOFOLLOW", "getpgid"),
    },
    "signal": {
        "SIGALRM",
        "SIGKILL",
        "SIGHUP",
        "SIGQUIT",
        "SIGUSR1",
        "SIGUSR2",
        "SIGCHLD",
        "SIGPIPE",
        "alarm",
        "pause",
    },
    "time": {"tzset"},
    "socket": {"AF_UNIX", "SO_REUSEPORT"},
}
IMPORT_ALL = f"""
import builtins, importlib, pkgutil, sys

missing, real = {sorted(UNIX_MODULES)!r}, builtins.__import__

def windows(name, globals=None, locals=None, fromlist=(), level=0):
    if level == 0 and name in missing and (globals or {{}}).get("__name__", "").startswith("backhaul"):
        raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
    return real(name, globals, locals, fromlist, level)

builtins.__import__ = windows
import backhaul

names = [each.name for each in pkgutil.walk_packages(backhaul.__path__, "backhaul.")]
for name in names:
    if not name.endswith("__main__"):
        importlib.import_module(name)

import pathlib
from backhaul.engine import memory
memory.Path = lambda path: pathlib.Path("/no" + path)
print(len(names), memory.peak_bytes())
"""


def guarded(tree):
    """Yield each node below tree with whether a test of the platform, or a `try`, stands around it."""

    def walk(node, is_guarded):
        yield node, is_guarded
        tested = getattr(node, "test", node if isinstance(node, ast.BoolOp) else None)
        words = ast.unparse(tested) if tested is not None else ""
        asks = any(word in words for word in ("platform", "os.name", "hasattr"))
        suppresses = isinstance(node, ast.With) and "ImportError" in ast.unparse(node.items[0])
        tries = isinstance(node, ast.Try) and any(
            "Error" in ast.unparse(handler.type) for handler in node.handlers if handler.type
        )
        for child in ast.iter_child_nodes(node):
            yield from walk(child, is_guarded or asks or suppresses or tries)

    yield from walk(tree, False)


def unix_only(text):
    found = []
    for node, is_guarded in guarded(ast.parse(text)):
        if is_guarded:
            continue
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name in UNIX_MODULES]
        elif isinstance(node, ast.ImportFrom) and node.module in UNIX_MODULES:
            found.append(node.module)
        elif isinstance(node, ast.Attribute) and node.attr in UNIX_NAMES.get(ast.unparse(node.value), ()):
            found.append(ast.unparse(node))
    return found


@pytest.mark.parametrize("text", ["import fcntl", "from pwd import getpwnam", "os.fork()", "signal.SIGALRM"])
def test_the_search_finds_what_windows_lacks(text):
    assert unix_only(text)


@pytest.mark.parametrize(
    "text",
    [
        "try:\n    import resource\nexcept ImportError:\n    pass",
        "if os.name != 'nt':\n    os.fork()",
        "ok = sys.platform == 'linux' and os.geteuid() == 0",
        "if hasattr(os, 'geteuid'):\n    os.geteuid()",
    ],
)
def test_the_search_lets_what_is_guarded_pass(text):
    assert unix_only(text) == []


def test_nothing_needs_what_windows_lacks():
    found = {str(path.relative_to(ROOT)): names for path in SOURCES if (names := unix_only(path.read_text("utf-8")))}

    assert len(SOURCES) > 100
    assert found == {}


def test_every_file_is_opened_with_an_encoding():
    """Windows reads and writes in its own code page where none is said."""
    without = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            said = {keyword.arg for keyword in node.keywords}
            is_text = node.func.attr == "write_text" or (node.func.attr == "read_text" and not node.args)
            if (
                is_text
                and isinstance(node.func.value, (ast.Name, ast.Attribute, ast.BinOp))
                and "encoding" not in said
            ):
                without.append(f"{path.relative_to(ROOT)}:{node.lineno}")

    assert without == []


def test_every_module_can_be_imported_where_the_unix_ones_are_missing():
    done = subprocess.run([sys.executable, "-c", IMPORT_ALL], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    number, peak = done.stdout.split()
    assert int(number) > 100
    assert peak == "None"


CTRL_BREAK = """
import signal, time
signal.SIGBREAK = signal.SIGUSR1  # Linux has no signal of that name; this one plays it.
from backhaul.cli.output import Output, told
import typer
try:
    with told(Output()):
        signal.raise_signal(signal.SIGUSR1)
        time.sleep(5)
except typer.Exit as ended:
    raise SystemExit(ended.exit_code)
"""


def test_ctrl_break_ends_a_command_as_ctrl_c_does():
    done = subprocess.run([sys.executable, "-c", CTRL_BREAK], capture_output=True, text=True, check=False, timeout=60)

    assert done.returncode == 130, done.stderr
    assert "interrupted" in done.stderr


def test_time_zones_come_with_the_installation_on_windows():
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]

    assert any(line.startswith("tzdata") and "win32" in line for line in project["dependencies"])


def test_the_command_is_there_as_a_module_for_py_m():
    done = subprocess.run(
        [sys.executable, "-m", "backhaul", "--version"], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0
    assert done.stdout.startswith("backhaul ")
