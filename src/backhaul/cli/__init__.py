"""The command line: data on stdout, progress on stderr, one exit code per outcome."""

from backhaul.cli.app import main

__all__ = ["main"]
