"""Numbers with their nouns, for messages that a person reads."""

from __future__ import annotations


def counted(number: int, noun: str, nouns: str = "") -> str:
    """Return number and noun, such as `1 row` and `2,000 rows`; nouns is the plural that is not noun and s."""
    return f"{number:,} {noun if number == 1 else nouns or f'{noun}s'}"


def reason(stream: str, message: str) -> str:
    """Return message without the stream's name, whole or short, where it stands before the message already."""
    return message.removeprefix(f"{stream}: ").removeprefix(f"{stream.rpartition('.')[2]}: ")
