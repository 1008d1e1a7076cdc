"""What people read, in their language: gettext catalogues, and numbers and times as each language writes them.

`id.po` and `he.po` are written by hand; `python -m tools.catalogues` compiles them. English is the source.
"""

from backhaul.languages.translator import LANGUAGES, Translator, translator

__all__ = ["LANGUAGES", "Translator", "translator"]
