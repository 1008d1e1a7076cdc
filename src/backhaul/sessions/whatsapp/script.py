"""What is run in the page: scripts that read it in one go and change nothing but how far it is scrolled."""

from __future__ import annotations

import json

from backhaul.sessions.whatsapp.selectors import WORDS, table

_COMMON = r"""
const via = [];
const find = (place, root) => {
  for (const css of TABLE[place]) {
    const found = [...root.querySelectorAll(css)];
    if (root.matches?.(css)) found.unshift(root);
    if (found.length) { via.push(`${place}: ${css}`); return found; }
  }
  return [];
};
const bare = (text) => text.replace(/[\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069\ufe0f]/g, "");
const plain = (text) => bare(text).normalize("NFC").replace(/\s+/gu, " ").trim();
const says = (text, kind) => {
  const small = plain(text).toLowerCase();
  return WORDS[kind].some((one) => small.includes(one));
};
const BLOCKS = new Set(["DIV", "P", "LI", "UL", "OL", "BLOCKQUOTE", "PRE"]);
const words = (node) => {
  let out = "";
  for (const child of node.childNodes) {
    if (child.nodeType === 3) { out += child.data; continue; }
    if (child.nodeType !== 1) continue;
    if (child.tagName === "BR") { out += "\n"; continue; }
    if (child.tagName === "IMG") {
      out += child.getAttribute("data-plain-text") ?? child.getAttribute("alt") ?? "";
      continue;
    }
    if (child.hasAttribute("data-icon")) continue;
    let inner = words(child);
    const template = child.getAttribute("data-app-text-template");
    if (template?.includes("${appText}")) inner = template.replace("${appText}", () => inner);
    if (BLOCKS.has(child.tagName) && out && !out.endsWith("\n")) out += "\n";
    out += inner;
  }
  return out;
};
const state = () => {
  if (find("ready", document).length) return "ready";
  if (find("code", document).length) return "qr";
  const said = (document.body?.innerText ?? "").slice(0, 4000);
  if (says(said, "relink")) return "relink";
  if (find("loading", document).length || says(said, "loading")) return "loading";
  return plain(said) ? "unknown" : "blank";
};
const header = () => {
  const isIcon = (one) => one.matches('[data-icon], [aria-hidden="true"]') || /^(wds-)?ic-/.test(one.textContent);
  const one = find("header", document).find((each) => !isIcon(each) && plain(words(each)));
  return one ? plain(words(one)) : "";
};
const scroller = () => {
  const [named] = find("scroller", document);
  if (named) return named;
  const scrolls = [...document.querySelectorAll("#main *")].filter((one) => {
    const how = getComputedStyle(one).overflowY;
    return (how === "auto" || how === "scroll") && !one.closest("header, footer");
  });
  const chosen = scrolls.find((one) => one.scrollHeight > one.clientHeight + 50) ?? scrolls[0];
  if (chosen) via.push("scroller: by its overflow");
  return chosen;
};
const rowsOf = (panel) => {
  const found = panel ? find("row", panel).filter((one) => one !== panel) : [];
  const known = new Set(found);
  return found.filter((one) => !known.has(one.parentElement?.closest('[role="row"]')));
};
const control = (row) => {
  // "Read more" stands behind the text, in the same element; nothing else there is a button without a picture.
  const info = row.querySelector("[data-pre-plain-text]");
  if (!info) return null;
  const all = [...info.querySelectorAll('.read-more-button, [role="button"], button')];
  return all.find((one) => plain(one.textContent) && !one.hasAttribute("data-icon") && !one.hasAttribute("data-ref")
    && !one.querySelector("img, svg, span[dir], [data-icon]") && !one.closest("a, .quoted-mention")) ?? null;
};
const idOf = (row) => {
  const [one] = find("id", row);
  if (one) return one.getAttribute("data-id") || (one.getAttribute("data-testid") ?? "").replace(/^conv-msg-/, "");
  return row.parentElement?.closest("[data-id]")?.getAttribute("data-id") ?? "";
};
"""

_ROW = r"""
const TIME = /^(\p{L}[\p{L}.]{0,8} )?\p{Nd}{1,2}[:.]\p{Nd}{2}( ?\p{L}[\p{L}. ]{0,6})?$/u;
const readRow = (row, from_end, view) => {
  const box = row.getBoundingClientRect();
  const in_view = box.height > 4 && box.bottom > view.top + 2 && box.top < view.bottom - 2;
  if (!row.textContent.trim() && !row.querySelector("img, video, audio, button, [data-icon], [role]")) {
    return { kind: "empty", in_view, from_end };
  }
  via.length = 0;
  const first = (place) => find(place, row)[0] ?? null;
  const id = idOf(row);
  const info = first("info");
  const quotes = TABLE.quote.join(", ");
  const isQuoted = (one) => {
    const quote = one.closest(quotes);
    if (quote && row.contains(quote)) return true;
    // The labels of quotes are in the page's language; a quote can be pressed, and what it quotes stands inside.
    const button = one.closest('[role="button"]');
    return Boolean(button && info?.contains(button));
  };
  const only = (place, root = row) => {
    for (const css of TABLE[place]) {
      const found = [...root.querySelectorAll(css)].filter((one) => !isQuoted(one));
      if (found.length) { via.push(`${place}: ${css}`); return found; }
    }
    return [];
  };
  const texts = only("text", info ?? row);
  const tops = texts.filter((one) => !texts.some((other) => other !== one && other.contains(one)));
  const body = tops.at(-1) ?? null;
  const leaves = [...row.querySelectorAll("span, div, time")].filter((one) => !one.firstElementChild);
  const times = leaves.filter((one) => TIME.test(plain(one.textContent)));
  const [meta] = only("meta");
  const isOutside = (one) => !body?.contains(one) && !isQuoted(one);
  const clock = times.filter((one) => (!meta || meta.contains(one)) && isOutside(one)).at(-1) ?? null;
  const below = meta ?? clock?.parentElement ?? null;
  // Beside the time there are words for one thing only: that the message was edited.
  const isLabel = (one) => below.contains(one) && !times.includes(one) && !one.hasAttribute("data-icon")
    && /\p{L}{2}/u.test(one.textContent);
  const is_edited = Boolean(below && !below.contains(body) && leaves.some(isLabel));
  const is_deleted = only("deleted").length > 0;
  const is_media = only("media").length > 0;
  let is_own = null;
  if (only("own").length || id.startsWith("true_")) is_own = true;
  else if (only("others").length || id.startsWith("false_")) is_own = false;
  else if (only("sent").length) is_own = true;
  else {
    const labels = [...row.querySelectorAll("[aria-label$=':']")].map((one) => plain(one.getAttribute("aria-label")));
    if (labels.some((label) => WORDS.you.includes(label.toLowerCase()))) is_own = true;
  }
  let author = "";
  if (is_own !== true) {
    const isName = (one) => !info?.contains(one) && one !== clock && isOutside(one) && !below?.contains(one)
      && !one.closest('[role="button"], button') && plain(one.textContent);
    const spans = [...row.querySelectorAll('span[dir="auto"]')];
    const named = only("number")[0] ?? only("author")[0] ?? spans.find(isName);
    author = named ? bare(words(named)).trim() : "";
  }
  const more = control(row);
  let text = body && (info || is_media) && !is_deleted ? words(body) : "";
  const is_cut = Boolean(more) || (text.length >= 600 && /(…|\.\.\.)$/.test(text));
  if (more) text = text.replace(/(…|\.\.\.)$/, "");
  const said = {
    kind: "message", in_view, from_end, id, text, author, is_own, is_edited, via: [...new Set(via)],
    header: info?.getAttribute("data-pre-plain-text") ?? "", clock: clock ? plain(clock.textContent) : "",
    is_truncated: is_cut, can_open: Boolean(more), shown: is_deleted ? "deleted" : is_media ? "media" : "text",
  };
  if (said.header || is_deleted || is_media) return said;
  const isBubble = Boolean(row.querySelector('.message-in, .message-out, [data-icon^="tail-"]'));
  if (!id && !isBubble) return { kind: "note", in_view, from_end, text: plain(row.textContent).slice(0, 300) };
  const left = leaves.filter((one) => one !== clock && !below?.contains(one) && !one.hasAttribute("data-icon"))
    .map((one) => plain(one.textContent)).filter((said) => said && said !== plain(author));
  const canPress = Boolean(row.querySelector('[role="button"], button'));
  if (!left.length && canPress) return { ...said, shown: "media" };
  // A contact's card: a name that its owner chose and a number, and something to press.
  const isCard = !body && canPress && left.some((said) => /^~|\p{Nd}[\p{Nd}\s()-]{5,}/u.test(said));
  return { ...said, text: "", kind: isCard ? "card" : "unread" };
};
"""

_SNAPSHOT = r"""
const now = state();
const panel = scroller();
const title = header();
const places = [...via];
const view = panel?.getBoundingClientRect();
const all = rowsOf(panel);
const isApart = (row) => row.kind !== "empty" || row.in_view;
// Thousands of rows that are not drawn, side by side, say no more than one.
const rows = all.map((row, index) => readRow(row, all.length - 1 - index, view))
  .filter((row, index, read) => isApart(row) || !index || isApart(read[index - 1]));
const known = new Set(all);
const inRow = (one) => {
  for (let up = one; up && up !== panel; up = up.parentElement) if (known.has(up)) return true;
  return false;
};
const outside = panel ? [...panel.querySelectorAll("*")].filter((one) => !one.firstElementChild
  && plain(one.textContent) && !inRow(one)) : [];
const said = outside.map((one) => plain(one.textContent)).join(" ");
const isButton = (one) => one.closest('button, [role="button"]');
const isAbove = (one) => !all[0] || Boolean(one.compareDocumentPosition(all[0]) & 4);
const keepsOlder = (one) => !isButton(one) && says(one.textContent, "phone") && /whatsapp/i.test(one.textContent);
return {
  state: now, title, places, rows, language: document.documentElement.lang ?? "",
  is_hidden: document.visibilityState !== "visible", has_panel: Boolean(panel),
  top: panel?.scrollTop ?? 0, height: panel?.scrollHeight ?? 0, has_words: Boolean(panel && plain(panel.textContent)),
  keeps_older: outside.some(keepsOlder), has_button: outside.some((one) => isButton(one) && isAbove(one)),
  is_busy: Boolean(panel && find("busy", panel).some((one) => !inRow(one))),
  is_start: says(said, "start") || rows.slice(0, 4).some((row) => row.kind === "note" && says(row.text, "start")),
};
"""

_SCROLL = r"""
const panel = scroller();
if (!panel) return false;
panel.scrollTop = GIVEN.to_end ? panel.scrollHeight : panel.scrollTop + GIVEN.by * panel.clientHeight;
const frame = new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
await Promise.race([frame, new Promise((done) => setTimeout(done, 200))]);
return true;
"""

_CHATS = r"""
const lines = find("chat", document).map((row) => {
  const name = find("chat title", row)[0];
  return { row, title: name ? plain(name.getAttribute("title")) : null, y: row.getBoundingClientRect().top };
}).sort((one, other) => one.y - other.y);
"""

_LISTED = (
    _CHATS
    + r"""
const begin = lines.findIndex((line) => line.title !== null);
const behind = lines.slice(Math.max(begin, 0)).findIndex((line) => line.title === null);
// Below a second heading stand messages that hold the words, under the titles of their chats.
const chats = behind < 0 || begin < 0 ? lines : lines.slice(0, begin + behind);
const titles = chats.map((line) => line.title).filter((title) => title !== null);
return {
  is_drawn: titles.length > 0, same: titles.filter((title) => title === GIVEN.title).length,
  filtered: titles.every((title) => title.toLowerCase().includes(GIVEN.query.toLowerCase())), via,
};
"""
)

_CHAT = _CHATS + "return lines.find((line) => line.title === GIVEN.title)?.row ?? null;"
_SEARCH = r"""
const [box] = find("search", document);
return box ?? null;
"""
_BUTTON = r"""
const panel = scroller();
const all = rowsOf(panel);
const found = panel ? [...panel.querySelectorAll('button, [role="button"]')] : [];
const isAbove = (one) => !all[0] || Boolean(one.compareDocumentPosition(all[0]) & 4);
return found.find((one) => !all.some((row) => row.contains(one)) && isAbove(one)) ?? null;
"""
_CONTROL = r"""
for (const row of rowsOf(scroller())) {
  const key = idOf(row) || (row.querySelector("[data-pre-plain-text]")?.getAttribute("data-pre-plain-text") ?? "");
  const one = GIVEN.keys.includes(key) ? control(row) : null;
  if (one) return { key, control: one };
}
return { key: "", control: null };
"""
_CODE = r"""
const [place] = find("picture", document);
const named = document.querySelector("[data-ref]");
const box = place?.getBoundingClientRect();
const { x, y, width, height } = box ?? {};
return { content: named?.getAttribute("data-ref") ?? "", box: box ? { x, y, width, height } : null };
"""


def _made(*parts: str, is_async: bool = False) -> str:
    head = f"const TABLE = {json.dumps(table())}; const WORDS = {json.dumps(WORDS)};"
    return f"{'async ' if is_async else ''}(GIVEN) => {{ {head}\n{_COMMON}{''.join(parts)} }}"


STATE = _made("return { state: state(), via };")
HEADER = _made("return header();")
SNAPSHOT = _made(_ROW, _SNAPSHOT)
SCROLL = _made(_SCROLL, is_async=True)
LISTED = _made(_LISTED)
CHAT = _made(_CHAT)
SEARCH = _made(_SEARCH)
OLDER_BUTTON = _made(_BUTTON)
READ_MORE = _made(_CONTROL)
CODE = _made(_CODE)
