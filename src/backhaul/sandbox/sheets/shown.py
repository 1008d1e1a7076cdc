"""How a cell of the sandbox's sheets is shown: the text that a person sees."""

from __future__ import annotations

import re

from backhaul.sandbox.sheets.values import NumberFormat, Plain, day_of_serial

_MOMENT_KINDS = ("DATE", "TIME", "DATE_TIME")
_TOKENS = re.compile(r'"[^"]*"|y+|m+|d+|h+|s+|am/pm|.', re.IGNORECASE | re.DOTALL)
_DIGITS = re.compile(r"(?P<groups>[#0,]*,[#0,]*)?(?P<plain>[#0]*)(?:\.(?P<fraction>[#0]+))?")
_SPREAD = re.compile(r"[+(]?[0#]+(?:[ ()\-]+[0#]+)+")
_FIRST_DAY, _LAST_DAY = -693_593, 2_958_465
"""The serial numbers of 1 January of the year 1 and 31 December 9999: other days no calendar has."""

_DEFAULTS = {"DATE": "yyyy-mm-dd", "TIME": "h:mm:ss", "DATE_TIME": "yyyy-mm-dd h:mm:ss"}
_NUMBER_DEFAULTS = {"NUMBER": "#,##0.00", "PERCENT": "0.00%", "CURRENCY": "$#,##0.00", "SCIENTIFIC": "0.00E+00"}


def is_moment(number_format: NumberFormat | None) -> bool:
    """Tell whether numbers of this format are shown as dates or times."""
    return number_format is not None and number_format.type in _MOMENT_KINDS


def shown(value: Plain, number_format: NumberFormat | None = None) -> str:
    """Return the text that a person sees; a blank cell is the empty text."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if number_format is None or number_format.type == "TEXT":
        return _general(value)
    if is_moment(number_format) and _FIRST_DAY <= value <= _LAST_DAY:
        return _moment(value, number_format.pattern or _DEFAULTS[number_format.type])
    return _number(value, number_format.pattern or _NUMBER_DEFAULTS.get(number_format.type, ""))


def _general(number: float) -> str:
    # Ten significant digits of a fraction; whole numbers in full as long as fifteen digits hold them.
    if float(number).is_integer() and abs(number) < 1e15:
        return str(int(number))
    if abs(number) >= 1e15:
        mantissa, exponent = f"{number:.5E}".split("E")
        return f"{mantissa.rstrip('0').rstrip('.')}E+{int(exponent):02d}"
    text = f"{number:.10g}"
    return f"{number:.15f}".rstrip("0") if "e" in text and abs(number) >= 1e-6 else text.replace("e", "E")


def _moment(number: float, pattern: str) -> str:
    seconds = round(number * 86_400)
    day = day_of_serial(seconds // 86_400)
    hour, minute, second = seconds % 86_400 // 3600, seconds % 3600 // 60, seconds % 60
    text, after_hour = [], False
    tokens = _TOKENS.findall(pattern)
    is_half_day = any(token.lower() == "am/pm" for token in tokens)
    for number_of, token in enumerate(tokens):
        low, width = token.lower(), len(token)
        if token.startswith('"'):
            text.append(token.strip('"'))
        elif low[0] == "y":
            text.append(f"{day.year:04d}" if width > 2 else f"{day.year % 100:02d}")
        elif low[0] == "h":
            shown_hour = (hour % 12 or 12) if is_half_day else hour
            text.append(f"{shown_hour:0{min(width, 2)}d}")
            after_hour = True
        elif low[0] == "m" and (after_hour or _is_before_seconds(tokens, number_of)):
            text.append(f"{minute:0{min(width, 2)}d}")
            after_hour = False
        elif low[0] == "m":
            text.append(f"{day:%b}" if width == 3 else f"{day:%B}" if width > 3 else f"{day.month:0{width}d}")
        elif low[0] == "d":
            text.append(f"{day:%a}" if width == 3 else f"{day:%A}" if width > 3 else f"{day.day:0{width}d}")
        elif low[0] == "s":
            text.append(f"{second:0{min(width, 2)}d}")
        elif low == "am/pm":
            text.append("AM" if hour < 12 else "PM")
        else:
            text.append(token)
    return "".join(text)


def _is_before_seconds(tokens: list[str], place: int) -> bool:
    following = (token[0].lower() for token in tokens[place + 1 :] if token[0].isalpha())
    return next(following, "") == "s"


def _spread(number: float, pattern: str) -> str:
    """Return a whole number with its digits spread over a pattern such as `000 00-000-0000`, from its end on."""
    digits = [*str(abs(round(number)))]
    text: list[str] = []
    first = next(place for place, sign in enumerate(pattern) if sign in "0#")
    for place in range(len(pattern) - 1, -1, -1):
        sign = pattern[place]
        if sign not in "0#":
            text.append(sign)
        elif place == first:
            text.extend(reversed(digits or ["0" if sign == "0" else ""]))
        else:
            text.append(digits.pop() if digits else "0" if sign == "0" else "")
    return ("-" if number < 0 else "") + "".join(reversed(text))


def _number(number: float, pattern: str) -> str:
    core = re.sub(r'"[^"]*"', "", pattern)
    if _SPREAD.fullmatch(core):
        return _spread(number, core)
    found = next((match for match in _DIGITS.finditer(core) if match[0].strip(",")), None)
    if found is None:
        return _general(number)
    fraction = found["fraction"] or ""
    if "E+" in core:
        mantissa, exponent = f"{number:.{len(fraction)}E}".split("E")
        return f"{mantissa}E{int(exponent):+03d}"
    text = f"{abs(number) * (100 if '%' in core else 1):{',' if found['groups'] else ''}.{len(fraction)}f}"
    if "#" in fraction and "." in text:
        optional = len(fraction) - len(fraction.rstrip("#"))
        whole, digits = text.split(".")
        kept = digits[: len(fraction) - optional] + digits[len(fraction) - optional :].rstrip("0")
        text = f"{whole}.{kept}" if kept else whole
    before, after = core[: found.start()], core[found.end() :]
    quoted = re.match(r'"([^"]*)"', pattern)
    sign = "-" if number < 0 else ""
    return f"{sign}{quoted[1] if quoted else ''}{before}{text}{after}"
