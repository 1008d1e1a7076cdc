"""Who may ask: the lists of Telegram user ids in the settings."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from backhaul.errors import ConfigError


class Role(StrEnum):
    """What a person may see."""

    STRANGER = "stranger"
    STAFF = "staff"
    OWNER = "owner"


@dataclass(frozen=True)
class People:
    """The ids of those who may ask; owners may all that staff may."""

    staff: frozenset[int]
    owners: frozenset[int]

    @classmethod
    def named(cls, allowed: str, owners: str) -> People:
        """Return the people of two settings: ids with commas or spaces between them, or nothing.

        Raises ConfigError naming an entry that is no id of a person.
        """
        return cls(ids_in(allowed, "ALLOWED_USERS"), ids_in(owners, "OWNER_USERS"))

    def role(self, user: int) -> Role:
        """Return what a user is."""
        if user in self.owners:
            return Role.OWNER
        return Role.STAFF if user in self.staff else Role.STRANGER

    @property
    def is_empty(self) -> bool:
        """Whether nobody at all may ask."""
        return not (self.staff or self.owners)


def ids_in(setting: str, name: str) -> frozenset[int]:
    """Return the user ids in a setting of this name. Raises ConfigError naming the first that is none."""
    found = set()
    for entry in re.split(r"[\s,;]+", setting.strip()):
        if not entry:
            continue
        if not re.fullmatch(r"[0-9]{1,15}", entry) or not int(entry):
            raise ConfigError(
                f"{name}: {entry[:40]!r} is not the id of a Telegram user, which is a number",
                next_step="Take it out; who writes to the bot is told their id. Groups and @names cannot be listed.",
            )
        found.add(int(entry))
    return frozenset(found)
