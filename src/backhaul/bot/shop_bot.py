"""The declaration of a shop's bot: a plain frozen value named `bot` in a system's module."""

from __future__ import annotations

from dataclasses import dataclass, field

from backhaul.bot.people import People
from backhaul.config import Secret, Setting, Text, text
from backhaul.errors import ConfigError
from backhaul.languages import LANGUAGES, Translator, translator
from backhaul.search import SearchIndex

MOST_RESULTS = 50
"""Products in one answer at most."""

ALLOWED = Setting("ALLOWED_USERS", default="")
OWNERS = Setting("OWNER_USERS", default="")
RESULTS = Setting("SEARCH_RESULTS_LIMIT", default="10")
API_URL = Setting("TELEGRAM_API_URL", default="https://api.telegram.org")


@dataclass(frozen=True)
class ShopBot:
    """A Telegram bot that answers what things cost, from the last catalogue of a pipeline.

    Args:
        pipeline: the pipeline that `/sync` runs and `/status` tells of.
        catalogue: where it looks things up: the SearchIndex that the pipeline delivers to.
        token: the bot's token from @BotFather.
        allowed: the Telegram user ids of those who may ask; empty is nobody.
        owners: those who also see costs and may start a sync.
        results: how many products an answer has at most.
        language: `en`, `he` or `id`.
        api_url: another server of the Bot API, such as one of your own.
        changes: the curated table of price changes, for `/perubahan`.
        stale_after_h: hours after which the catalogue counts as too old, in `/status` and in the health answer.
    """

    pipeline: str
    catalogue: SearchIndex
    token: Text = field(default=Secret("TELEGRAM_BOT_TOKEN"), repr=False)
    allowed: Text = ALLOWED
    owners: Text = OWNERS
    results: Text = RESULTS
    language: Text = "id"
    api_url: Text = API_URL
    changes: str = "perubahan_harga"
    stale_after_h: float = 36.0

    @property
    def people(self) -> People:
        """Who may ask. Raises ConfigError naming an entry that is no id."""
        return People.named(text(self.allowed), text(self.owners))

    @property
    def most_results(self) -> int:
        """How many products an answer has at most. Raises ConfigError."""
        said = text(self.results).strip()
        if not said.isascii() or not said.isdigit() or not 1 <= int(said) <= MOST_RESULTS:
            raise ConfigError(
                f"SEARCH_RESULTS_LIMIT: {said[:20]!r} is not a number from 1 to {MOST_RESULTS}",
                next_step="Say SEARCH_RESULTS_LIMIT=10, or take it out.",
            )
        return int(said)

    @property
    def words(self) -> Translator:
        """The bot's language. Raises ConfigError."""
        try:
            return translator(text(self.language))
        except ValueError:
            raise ConfigError(
                f"there is no language {text(self.language)!r} for a bot",
                next_step=f"Choose one of {', '.join(LANGUAGES)}.",
            ) from None
