"""The sandbox's pages as HTML, in Indonesian like the site they stand for; nothing in them is external."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from html import escape
from urllib.parse import urlencode

from backhaul.sandbox.office.data import Cell, Table
from backhaul.sandbox.office.exports import ExportPage, Way

_STYLE = """
body{margin:0;font:15px/1.5 system-ui,sans-serif;color:#1f2937;background:#f3f4f6}
header{display:flex;gap:1.25rem;align-items:center;padding:.75rem 1.5rem;background:#14532d;color:#fff}
header a{color:#dcfce7;text-decoration:none}header form{margin-left:auto}
main{max-width:60rem;margin:2rem auto;padding:1.5rem 2rem;background:#fff;border-radius:.5rem;
box-shadow:0 1px 3px #0002}main.sempit{max-width:22rem}
h1{margin:0 0 1rem;font-size:1.35rem}label{display:block;margin:.5rem 0}
input{display:block;width:100%;box-sizing:border-box;padding:.45rem;border:1px solid #9ca3af;border-radius:.3rem}
input[type=date]{width:12rem}.btn{padding:.5rem 1rem;margin:.75rem .5rem 0 0;border:0;border-radius:.3rem;
background:#e5e7eb;cursor:pointer}.btn-primary,.btn-success,.tombol-unduh{background:#15803d;color:#fff}
.pesan{padding:.6rem 1rem;background:#fee2e2;border-radius:.3rem}table{border-collapse:collapse;margin-top:1rem}
th,td{padding:.3rem .75rem;border-bottom:1px solid #e5e7eb;text-align:left}details{margin-top:.75rem}
"""

# Runs on the pages whose button no form knows: asks, fetches, and hands the bytes over as a download.
_SCRIPT = """
document.getElementById('tombol-export').addEventListener('click', async (click) => {
  if (!confirm('Unduh data untuk tanggal ini?')) return;
  const data = new FormData();
  for (const input of document.querySelectorAll('input[type=date]')) data.append(input.name, input.value);
  const token = document.querySelector('meta[name=csrf-token]').content;
  const reply = await fetch(click.target.dataset.url,
    {method: 'POST', body: new URLSearchParams(data), headers: {'X-CSRF-TOKEN': token}});
  if (!reply.ok) { alert('Export gagal, silakan coba lagi.'); return; }
  const name = (reply.headers.get('Content-Disposition') || '').match(/filename="([^"]+)"/);
  const link = document.createElement('a');
  link.href = URL.createObjectURL(await reply.blob());
  link.download = name ? name[1] : 'export.xlsx';
  document.body.append(link);
  link.click();
  link.remove();
});
"""


def login_page(token: str, message: str | None, has_captcha: bool) -> str:
    """Return the login form; a captcha is a box that only a person could pass."""
    captcha = '<div class="g-recaptcha" data-sitekey="contoh">Saya bukan robot</div>' if has_captcha else ""
    return _page(
        "Masuk",
        f"""<main class="sempit"><h1>Masuk ke Back Office</h1>{_message(message)}
<form method="post" action="/login">{_token(token)}
<label>Nama pengguna <input type="text" name="username" autocomplete="username" required></label>
<label>Kata sandi <input type="password" name="password" autocomplete="current-password" required></label>
{captcha}<button type="submit" class="btn btn-primary">Masuk</button></form></main>""",
    )


def code_page(token: str, message: str | None) -> str:
    """Return the form of the second factor."""
    return _page(
        "Kode verifikasi",
        f"""<main class="sempit"><h1>Kode verifikasi</h1>{_message(message)}
<p>Masukkan kode 6 angka dari aplikasi autentikator Anda.</p>
<form method="post" action="/login/kode">{_token(token)}
<label>Kode <input type="text" name="code" inputmode="numeric" autocomplete="one-time-code" required></label>
<button type="submit" class="btn btn-primary">Verifikasi</button></form></main>""",
    )


def dashboard_page(pages: Sequence[ExportPage], counts: Sequence[int], token: str) -> str:
    """Return the first page after the login, with the number of rows behind each export."""
    rows = "".join(
        f'<tr><td><a href="{page.path}">{escape(page.title)}</a></td><td>{count}</td></tr>'
        for page, count in zip(pages, counts, strict=True)
    )
    return _inside("Dashboard", f"<table><tr><th>Data</th><th>Jumlah baris</th></tr>{rows}</table>", pages, token)


def export_page(
    page: ExportPage,
    *,
    pages: Sequence[ExportPage],
    token: str,
    days: tuple[str, str],
    listed: Table | None,
) -> str:
    """Return an export page with its dates filled in, and the list of a filter where there is one."""
    fields = _date_input("Dari tanggal", page.start.name, page.start.id, days[0]) + _date_input(
        "Sampai tanggal", page.end.name, page.end.id, days[1]
    )
    show = '<button type="submit" class="btn">Filter</button>'
    match page.way:
        case Way.POST_FORM:
            button = _button(page, 'type="submit"')
            body = _form("post", page.file_path, _token(token) + fields + button)
        case Way.FORMACTION:
            button = _button(page, f'type="submit" formaction="{page.file_path}"')
            body = _form("get", page.path, fields + show + button)
        case Way.OUTSIDE_BUTTON:
            body = _form("post", page.file_path, _token(token) + fields, "filter")
            body += _button(page, 'type="submit" form="filter"')
        case Way.NAMED_BUTTON:
            show = '<button type="submit" class="btn" name="aksi" value="tampil">Filter</button>'
            button = _button(page, 'type="submit" name="aksi" value="export"')
            body = _form("post", page.path, _token(token) + fields + show + button)
        case Way.SCRIPT:
            body = fields + _button(page, f'type="button" id="tombol-export" data-url="{page.file_path}"')
            body += f"<script>{_SCRIPT}</script>"
        case Way.LINK:
            query = urlencode({page.start.name: days[0], page.end.name: days[1]})
            link = f'<a class="unduh" href="{page.file_path}?{escape(query)}">{page.button_text}</a>'
            body = _form("get", page.path, fields + show)
            body += f'<details class="menu"><summary>Menu</summary>{link}</details>'
    return _inside(page.title, body + _list(listed), pages, token)


def waiting_page(pages: Sequence[ExportPage], token: str) -> str:
    """Return the page of a file that is still being made; a browser asks again by itself."""
    body = '<p class="menunggu">File sedang disiapkan, mohon tunggu sebentar.</p>'
    return _inside("Menyiapkan file", body, pages, token, head='<meta http-equiv="refresh" content="1">')


def no_data_page(pages: Sequence[ExportPage], token: str) -> str:
    """Return the site's own answer for days without rows."""
    return _inside("Export", '<p class="kosong">Tidak ada data</p>', pages, token)


def error_page(title: str, text: str) -> str:
    """Return a page that says what went wrong."""
    return _page(title, f'<main class="sempit"><h1>{escape(title)}</h1><p>{escape(text)}</p></main>')


def _page(title: str, body: str, head: str = "") -> str:
    return f"""<!doctype html>
<html lang="id"><head><meta charset="utf-8"><title>{escape(title)} - Back Office Contoh</title>
<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">{head}
<style>{_STYLE}</style></head><body>{body}</body></html>"""


def _inside(title: str, body: str, pages: Sequence[ExportPage], token: str, head: str = "") -> str:
    menu = "".join(f'<a href="{page.path}">{escape(page.title)}</a>' for page in pages)
    leave = f'{_token(token)}<button type="submit" class="btn">Keluar</button>'
    return _page(
        title,
        f"""<header><a href="/dashboard"><b>Back Office</b></a>{menu}
<form id="logout-form" method="post" action="/logout">{leave}</form></header>
<main><h1>{escape(title)}</h1>{body}</main>""",
        head=f'<meta name="csrf-token" content="{token}">{head}',
    )


def _form(method: str, action: str, body: str, form_id: str = "export") -> str:
    return f'<form id="{form_id}" method="{method}" action="{action}">{body}</form>'


def _button(page: ExportPage, attributes: str) -> str:
    return f'<button class="{page.button_class}" {attributes}>{page.button_text}</button>'


def _date_input(label: str, name: str, field_id: str, day: str) -> str:
    return (
        f'<label for="{field_id}">{label}</label>'
        f'<input type="date" name="{name}" id="{field_id}" value="{escape(day)}">'
    )


def _token(token: str) -> str:
    return f'<input type="hidden" name="_token" value="{token}">'


def _message(message: str | None) -> str:
    return f'<p class="pesan" role="alert">{escape(message)}</p>' if message else ""


def _list(table: Table | None) -> str:
    if table is None:
        return ""
    columns = table.columns[:5]
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    rows = "".join(
        "<tr>" + "".join(f"<td>{_text(row.get(column))}</td>" for column in columns) + "</tr>" for row in table.rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table><p>{len(table.rows)} baris</p>"


def _text(cell: Cell) -> str:
    if cell is None:
        return ""
    return f"{cell:%d/%m/%Y %H:%M}" if isinstance(cell, datetime) else escape(str(cell))
