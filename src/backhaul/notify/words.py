"""The translator of a notifier."""

from __future__ import annotations

from backhaul.errors import ConfigError
from backhaul.languages import LANGUAGES, Translator, translator


def words_of(language: str) -> Translator:
    """Return the translator of a language. Raises ConfigError, naming those there are, for another one."""
    try:
        return translator(language)
    except ValueError:
        raise ConfigError(
            f"there is no language {language!r} for messages",
            next_step=f"Choose one of {', '.join(LANGUAGES)}.",
        ) from None
