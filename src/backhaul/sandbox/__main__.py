"""Run the sandbox by hand: `python -m backhaul.sandbox --variant links --fault captcha`."""

from __future__ import annotations

import argparse
import signal
import threading

from backhaul.sandbox import Fault, SandboxBackOffice, Variant
from backhaul.sandbox.mongo import found_program
from backhaul.sandbox.outside import Outside


def main() -> None:
    """Start everything that the bundled systems talk to, print it as an `.env`, and wait for Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m backhaul.sandbox", description=__doc__)
    parser.add_argument("--port", type=int, default=8800, help="0 takes any free one (default: 8800)")
    parser.add_argument("--variant", type=Variant, default=Variant.STANDARD, help=", ".join(Variant))
    parser.add_argument(
        "--fault", type=Fault, action="append", default=[], help=f"may be repeated: {', '.join(Fault)}"
    )
    given = parser.parse_args()
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    try:
        sandbox = SandboxBackOffice(given.variant, given.fault, port=given.port)
    except OSError as error:
        parser.error(f"port {given.port} cannot be used ({error.strerror}); name another one: --port 0 takes any")
    with Outside(sandbox) as outside:
        outside.upload_backup(1)
        if found_program():
            outside.open_school().live(1)
        # As the lines of an .env, to be pasted there.
        for name, value in outside.settings.items():
            print(f"{name}='{value}'" if value.startswith("{") else f"{name}={value}")
        print(f"# Code, if one is asked for: {sandbox.code}\n# Ctrl-C ends it.", flush=True)
        try:
            # Waits in slices: on Windows an endless wait would not hear Ctrl-C.
            while not stopped.wait(0.5):
                pass
        except KeyboardInterrupt:
            print()


if __name__ == "__main__":
    main()
