"""What a cell of the sandbox's sheets comes to: the few formulas that the stand-in works out, and fills."""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable, Iterator

from backhaul.sandbox.sheets.errors import Refused
from backhaul.sandbox.sheets.state import Spreadsheet
from backhaul.sandbox.sheets.tab import Tab
from backhaul.sandbox.sheets.values import Formula, Plain, Value, as_double

_MAX_FORMULAS = 1_000
_MAX_CHARACTERS = 200
_SUM = re.compile(r"(SUM|COUNTA)\(([^()]+)\)", re.IGNORECASE)
_REFERENCE = re.compile(r"(?<![\w.])(?:('(?:[^']|'')+'|\w+)!)?\$?[A-Za-z]{1,3}\$?[0-9]+")
_ARITHMETIC = re.compile(r"[-+*/() .0-9eE]+")
_OPERATORS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


class CellError(str):
    """An error such as `#DIV/0!`, shown as its text."""

    __slots__ = ()


def cells_of(book: Spreadsheet, tab: Tab, rows: range) -> list[list[Value]]:
    """Return what stands in rows of a tab, with "" where a formula from above fills a blank cell."""
    stored = tab.rows[rows.start : rows.stop]
    lists = [row.values for row in stored] if rows.step == 1 else [tab.row(number).values for number in rows]
    if not tab.has_fills:
        return lists
    fills = {column: start for column, start in tab.fills_from().items() if not _is_blocked(tab, column, start)}
    if not fills:
        return lists
    lists += [[]] * (len(rows) - len(lists))
    return [_filled(values, number, fills) for number, values in zip(rows, lists, strict=True)]


def result(book: Spreadsheet, tab: Tab, value: Value) -> Plain:
    """Return what a value comes to. Formulas that the stand-in cannot work out come to the empty text."""
    if type(value) is not Formula:
        return value  # type: ignore[return-value]
    return _Working(book).result(tab, value)


class _Working:
    """Works out one formula and those that it refers to; gives up on circles and on very many."""

    def __init__(self, book: Spreadsheet) -> None:
        self._book = book
        self._left = _MAX_FORMULAS

    def result(self, tab: Tab, value: Value) -> Plain:
        if type(value) is not Formula:
            return value  # type: ignore[return-value]
        self._left -= 1
        if self._left < 0:
            return CellError("#REF!")
        text = value.text[1:].strip()
        if value.fills_column:
            return ""
        if len(text) > 1 and text[0] == text[-1] == '"':
            return text[1:-1].replace('""', '"')
        try:
            return self._worked_out(tab, text)
        except ZeroDivisionError:
            return CellError("#DIV/0!")
        except OverflowError:
            return CellError("#NUM!")
        except (ValueError, SyntaxError):
            return ""
        except (Refused, RecursionError):
            return CellError("#REF!")

    def _worked_out(self, tab: Tab, text: str) -> Plain:
        if _REFERENCE.fullmatch(text):
            return next(self._range(tab, text), None)
        if found := _SUM.fullmatch(text):
            values = self._range(tab, found[2])
            if found[1].upper() == "COUNTA":
                return sum(value is not None for value in values)
            return _as_cell(sum(value for value in values if type(value) in (int, float)))  # type: ignore[misc]
        numeric = _REFERENCE.sub(lambda found: str(_as_number(next(self._range(tab, found[0]), None))), text)
        if not _ARITHMETIC.fullmatch(numeric) or len(numeric) > _MAX_CHARACTERS:
            return ""
        return _as_cell(_calculated(ast.parse(numeric.strip(), mode="eval").body))

    def _range(self, tab: Tab, text: str) -> Iterator[Plain]:
        title = tab.title.replace("'", "''")
        other, area = self._book.resolve(text.strip() if "!" in text else f"'{title}'!{text.strip()}")
        for row in range(area.start_row, min(area.end_row, max(len(other.rows), area.start_row + 1))):
            for column in range(area.start_column, min(area.end_column, other.column_count)):
                yield self.result(other, other.value(row, column))


def _as_cell(number: float) -> Plain:
    if not math.isfinite(number):
        raise OverflowError
    return as_double(int(number) if float(number).is_integer() else number)


def _as_number(value: Plain) -> float:
    if value is None:
        return 0
    if isinstance(value, str):
        raise ValueError("text is no number")
    return value


def _calculated(node: ast.expr) -> float:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return node.value
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        number = _calculated(node.operand)
        return -number if isinstance(node.op, ast.USub) else number
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        return _OPERATORS[type(node.op)](_calculated(node.left), _calculated(node.right))
    raise ValueError("not a sum")


def _is_blocked(tab: Tab, column: int, start: int) -> bool:
    # A formula fills nothing when anything else stands in its way.
    return any(len(row.values) > column and row.values[column] is not None for row in tab.rows[start + 1 :])


def _filled(values: list[Value], number: int, fills: dict[int, int]) -> list[Value]:
    new = list(values)
    for column, start in fills.items():
        new.extend([None] * (column + 1 - len(new)))
        if number > start and new[column] is None:
            new[column] = ""
    return new
