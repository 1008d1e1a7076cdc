"""Channels: what people are told about runs, in their language, and what programs find in a log."""

from backhaul.notify.apprise import Apprise
from backhaul.notify.kinds import ALERTS, EVERY_RUN, WARNINGS
from backhaul.notify.mongo_log import LastRun, MongoLog
from backhaul.notify.telegram import Telegram

__all__ = ["ALERTS", "EVERY_RUN", "WARNINGS", "Apprise", "LastRun", "MongoLog", "Telegram"]
