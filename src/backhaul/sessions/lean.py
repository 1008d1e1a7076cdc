"""httpx without its command line, which would load click, pygments and rich for nothing."""

from __future__ import annotations

import sys
from types import ModuleType


def without_command_line() -> None:
    """Have the first `import httpx` after this leave its command line out."""
    if "httpx" in sys.modules:
        return

    def main() -> None:
        raise SystemExit("the command line of httpx is not loaded here")

    command_line = ModuleType("httpx._main")
    command_line.main = main  # type: ignore[attr-defined]
    sys.modules["httpx._main"] = command_line
