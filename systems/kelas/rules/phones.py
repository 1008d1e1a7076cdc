"""Phone numbers: what people write, as the digits that tell two numbers apart."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from backhaul import ConfigError

if TYPE_CHECKING:
    import polars as pl

REGION = "IL"
"""The country whose numbers are written without a country code."""

_DASHES = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u05be\ufe58\ufe63\uff0d"
_WRITTEN = re.compile(r"(?P<plus>\+|00)?(?P<number>[\d\s().\-/]{5,40})")
_AROUND = re.compile(r"^(?:tel:|')|[.,;]+$", re.IGNORECASE)
_EXTENSION = re.compile(r"\s*(?:;?\s*ext(?:ension)?\.?|x|#|שלוחה)\s*[:=.]?\s*\d{1,7}$", re.IGNORECASE)
_DATE = re.compile(r"\d{1,4}([./-])\d{1,2}\1\d{1,4}")
_RUN = re.compile(r"(?<![\d+])\+?\(?\d[\d\-.()/ ]{5,}\d")
_NUMBER_CELL = re.compile(r"(\d{8,15})\.0")
_LEAST_DIGITS = 8
"""Fewer, without a country code, are a local call, a date or a price, and no number to know a person by."""


def digits(shown: str | None, region: str = REGION) -> str:
    """Return a phone number as its E.164 digits without `+`, such as 972501234567; "" for what is no number.

    Direction marks, spaces of any kind, dashes, dots, slashes, brackets, a leading `+` or `00` and an extension do
    not count; digits of any script do. A number without a country code is one of `region` if it can be, else it is
    read as if it began with `+`: `972 50-123-4567` is the same as `050-123-4567`. A masked number is none,
    and neither is a date.

    The package phonenumbers decides. A number that no operator has given out yet but that has a possible length is
    taken as well: numbering plans change more often than installations do. Raises ConfigError for an unknown
    region, and where the package is missing.
    """
    numbers, code = _phonenumbers(), region_code(region)
    plain = bare(shown)
    if cell := _NUMBER_CELL.fullmatch(plain):
        plain = cell[1]
    written = _WRITTEN.fullmatch(_EXTENSION.sub("", _AROUND.sub("", plain)).strip())
    if written is None or _DATE.fullmatch(plain):
        return ""
    number = "".join(re.findall(r"\d", written["number"]))
    if not number.strip("0"):
        return ""
    if written["plus"] and not number.startswith("0"):
        return _e164(numbers, f"+{number}", code) or ""
    # Some write `+050...`: there is no country code that begins with 0.
    found = _e164(numbers, number, code, only_valid=True)
    if found is None and not number.startswith("0"):
        found = _e164(numbers, f"+{number}", code, only_valid=True)
    return found or _possible(numbers, number, code)


def first_number(text: str, region: str = REGION) -> str:
    """Return the digits of the first phone number in text that has other words as well; "" if there is none."""
    if whole := digits(text, region):
        return whole
    for run in _RUN.findall(bare(text)):
        for piece in (run, *run.split(" / "), *re.split(r"[ /]", run)):
            if found := digits(piece, region):
                return found
    return ""


def display(number: str) -> str:
    """Return digits as people read them, such as `+972 50-123-4567`; "" stays "", what is no number as it is."""
    numbers = _phonenumbers()
    try:
        parsed = numbers.parse(f"+{number}", None)
    except numbers.NumberParseException:
        return number
    return str(numbers.format_number(parsed, numbers.PhoneNumberFormat.INTERNATIONAL))


def with_digits(frame: pl.DataFrame, column: str, into: str, region: str = REGION) -> pl.DataFrame:
    """Return frame (n rows) with a text column `into`: the digits of column (of any type), "" for no number."""
    import polars as pl

    shown = frame[column].cast(pl.String)
    return frame.with_columns(digits_of(shown, region).alias(into))


def digits_of(shown: pl.Series, region: str = REGION) -> pl.Series:
    """Return the digits of each text, "" for no number; each distinct text is looked at once."""
    import polars as pl

    distinct = shown.unique()
    known = [digits(each, region) for each in distinct.to_list()]
    if not known:
        return pl.Series(shown.name, [], pl.String)
    return shown.replace_strict(distinct, pl.Series(known, dtype=pl.String), return_dtype=pl.String)


def bare(text: str | None) -> str:
    """Return text without characters that are not seen, with plain spaces, dashes and plus signs, and digits 0-9."""
    if text is None:
        return ""
    if text.isascii():
        return text.strip()
    return "".join(_bare_letters(text)).strip()


def region_code(region: str) -> str:
    """Return the two letters of a country in capitals. Raises ConfigError for one that there is not."""
    code = region.strip().upper()
    if code not in _phonenumbers().SUPPORTED_REGIONS:
        raise ConfigError(
            f"{region!r} is no country of phone numbers",
            next_step="Give the two letters of the country, such as IL or ID.",
        )
    return code


def _bare_letters(text: str) -> Iterable[str]:
    for letter in text:
        kind = unicodedata.category(letter)
        if kind == "Cf":
            continue
        if kind == "Nd":
            yield str(unicodedata.decimal(letter))
        elif kind == "Zs":
            yield " "
        elif letter in _DASHES:
            yield "-"
        else:
            yield "+" if letter == "\uff0b" else letter


def _possible(numbers: Any, number: str, region: str) -> str:
    """Return the digits of a number that nobody has been given yet: of the region by its form, else of another."""
    if len(number) < _LEAST_DIGITS:
        return ""
    national = _e164(numbers, number, region)
    if national is None or number.startswith("0"):
        return national if national and len(number) > _LEAST_DIGITS else ""
    metadata = numbers.PhoneMetadata.metadata_for_region(region)
    significant = national.removeprefix(str(numbers.country_code_for_region(region)))
    if re.fullmatch(metadata.general_desc.national_number_pattern, significant):
        return national
    return _e164(numbers, f"+{number}", region) or ""


def _e164(numbers: Any, text: str, region: str, *, only_valid: bool = False) -> str | None:
    try:
        parsed = numbers.parse(text, region)
    except numbers.NumberParseException:
        return None
    reason = numbers.is_possible_number_with_reason(parsed)
    if reason != numbers.ValidationResult.IS_POSSIBLE or (only_valid and not numbers.is_valid_number(parsed)):
        return None
    return str(numbers.format_number(parsed, numbers.PhoneNumberFormat.E164)).removeprefix("+")


def _phonenumbers() -> Any:
    try:
        import phonenumbers
    except ImportError:
        raise ConfigError(
            "the package that reads phone numbers is not installed",
            next_step='Install it: pip install "backhaul[whatsapp]"',
        ) from None
    return phonenumbers
