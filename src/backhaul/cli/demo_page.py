"""The page that `demo` leaves behind: the sheets, the messages and the bot's answers as people see them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape

from backhaul.cli.demo_bot import Said
from backhaul.engine.words import counted

MOST_ROWS = 8
MOST_COLUMNS = 9

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 0; color: #1d2733; background: #f4f6f8; }
main { max-width: 1180px; margin: 0 auto; padding: 28px 24px 60px; display: grid; gap: 28px;
       grid-template-columns: minmax(0, 1fr) 340px; align-items: start; }
h1 { font-size: 22px; margin: 0; grid-column: 1 / -1; } h2 { font-size: 16px; margin: 0 0 8px; }
p { margin: 4px 0 0; color: #5b6875; font-weight: 400; font-size: 14px; }
section { background: #fff; border: 1px solid #dfe4e9; border-radius: 8px; padding: 16px 18px; margin-bottom: 20px; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-size: 13px; white-space: nowrap; }
th, td { border: 1px solid #dfe4e9; padding: 3px 8px; text-align: left; } th { background: #e8f0ea; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
.chat { background: #dbe7d3; } .chat div { background: #fff; border-radius: 10px; padding: 8px 12px; margin: 0 0 8px;
       white-space: pre-wrap; overflow-wrap: anywhere; font-size: 14px; }
.chat .mine { background: #e2f3c9; margin-left: 40px; } .chat p { margin: 10px 0 4px 40px; font-size: 12px; }
@media (max-width: 900px) { main { grid-template-columns: minmax(0, 1fr); } }
"""


def page(sheets: Mapping[str, Sequence[Sequence[str]]], messages: Sequence[str], said: Sequence[Said]) -> str:
    """Return an HTML page: the sheets (by title: rows of shown text, the header first), the messages, the bot."""
    tables = "".join(_sheet(title, rows) for title, rows in sheets.items())
    chat = "".join(f'<div dir="auto">{escape(text)}</div>' for text in messages)
    asked = "".join(
        f'<p>{escape(each.who)}</p><div class="mine" dir="auto">{escape(each.question)}</div>'
        f'<div dir="auto">{escape(each.answer)}</div>'
        for each in said
    )
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>backhaul: what people see</title><style>{_STYLE}</style></head>
<body><main>
<h1>What people see<p>The demo's spreadsheets, its Telegram group and the shop's bot, after two runs.
All data is made up.</p></h1>
<div>{tables}</div>
<div><section class="chat"><h2>The shop's bot</h2>{asked}</section>
<section class="chat"><h2>The group, {len(messages)} messages</h2>{chat}</section></div>
</main></body></html>
"""


def _sheet(title: str, rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return f"<section><h2>{escape(title)}</h2><p>empty</p></section>"
    header, body = rows[0], rows[1:]
    head = "".join(f"<th>{escape(name)}</th>" for name in header[:MOST_COLUMNS])
    lines = "".join(
        "<tr>" + "".join(_cell(text) for text in row[:MOST_COLUMNS]) + "</tr>" for row in body[:MOST_ROWS]
    )
    more = f"{counted(len(body), 'row')}, {counted(len(header), 'column')}"
    if len(body) > MOST_ROWS or len(header) > MOST_COLUMNS:
        shown = f"{counted(min(len(body), MOST_ROWS), 'row')} and {counted(min(len(header), MOST_COLUMNS), 'column')}"
        more += f"; the first {shown} are shown"
    return (
        f"<section><h2>{escape(title)}<p>{more}</p></h2><div class='scroll'>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table></div></section>"
    )


def _cell(text: str) -> str:
    # An id with leading zeros, or of many digits, is text.
    is_number = re.fullmatch(r"-?(0|[1-9][\d,]{0,14})(\.\d+)?", text)
    return f'<td class="number">{escape(text)}</td>' if is_number else f"<td>{escape(text)}</td>"
