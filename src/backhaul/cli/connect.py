"""`login` for a folder in Dropbox: the owner of the folder lets the app in, once."""

from __future__ import annotations

import sys

from backhaul.cli.output import Output
from backhaul.config import Setting, home, load_settings, resolved
from backhaul.engine.systems import find
from backhaul.errors import ConfigError
from backhaul.sources import DropboxFolder

TOKEN = "DROPBOX_REFRESH_TOKEN"


def dropbox_of(name: str) -> DropboxFolder | None:
    """Return the folder in Dropbox that what name stands for is fetched from, or None."""
    sources = [stream.source for target in find(home() / "systems", name) for stream in target.pipeline.streams]
    return next((source for source in sources if isinstance(source, DropboxFolder)), None)


def connect_dropbox(output: Output, source: DropboxFolder) -> None:
    """Ask for the code that Dropbox shows to the folder's owner; print the line for .env that it gives.

    Raises ConfigError where the app's key is missing or no code is typed, LoginRequired for a code that is not good.
    """
    spare = (TOKEN, *([source.folder.name] if isinstance(source.folder, Setting) else []))
    asked = resolved(source, load_settings(home()), spare=spare)
    output.progress("Open this address as the owner of the folder, and allow it:")
    output.progress(f"  {asked.permission_url}")
    print("Then type or paste the code that Dropbox shows: ", end="", file=sys.stderr, flush=True)
    code = sys.stdin.readline().strip()
    if not code:
        raise ConfigError("no code was typed; nothing was changed", next_step="Start the command again.")
    line = f"{TOKEN}={str.__str__(asked.connect(code))}"
    if output.json:
        output.document({"line": line})
    output.say(line)
    output.progress(f"The line belongs into {home() / '.env'}, in place of the one that is there.")
    output.progress("Then: backhaul doctor")
