"""Channels to people: what they are told about runs, in their language."""

from backhaul.notify.apprise import Apprise
from backhaul.notify.kinds import ALERTS, EVERY_RUN, WARNINGS
from backhaul.notify.telegram import Telegram

__all__ = ["ALERTS", "EVERY_RUN", "WARNINGS", "Apprise", "Telegram"]
