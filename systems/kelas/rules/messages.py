"""The messages that count, each of them once, whatever the page and the export files have shown of it."""

from __future__ import annotations

import polars as pl

from backhaul import chat

from .versions import newest_last

MESSAGE = ("fingerprint", "occurrence")
"""What names a row of the table of messages."""

WHO, MINUTE = "who", "minute"
_MOMENT = pl.Datetime("us", "UTC")
_OPTIONAL: dict[str, pl.DataType] = {
    "wa_id": pl.String(),
    "is_edited": pl.Boolean(),
    "is_own": pl.Boolean(),
    "is_truncated": pl.Boolean(),
    "maybe_edit": pl.Boolean(),
    "on_page": pl.Boolean(),
    "in_export": pl.Boolean(),
    "read_at": _MOMENT,
}
_SAID = [kind.value for kind in (chat.MessageKind.TEXT, chat.MessageKind.MEDIA)]
_DELETED = chat.MessageKind.DELETED.value
_PLACE = (WHO, MINUTE)


def counted_messages(messages: pl.DataFrame) -> pl.DataFrame:
    """Return the messages that people have sent and that are still there, in the order of their time.

    Left out are lines of WhatsApp itself, calls, deleted messages and those of the account that reads. Of the
    versions of one message (of one `wa_id`) the newest is taken: see `newest_last`. What the page and an export file
    show as two, because it was edited, deleted or cut between them, is one: same sender and minute, the one only on
    the page, the other only in the export. What `maybe_edit` marks is an edit of a message that counts already.

    The columns are fingerprint, occurrence, wa_id, sent_at, minute, sender, `who` (the sender as it is compared),
    kind, text (of media, what was written below it), and `is_bare_media`: media without a word, for reports only.
    """
    rows = _completed(messages).unique(MESSAGE, keep="first", maintain_order=True)
    rows = _newest_versions(
        rows.with_columns(_who(rows["sender"]), pl.col("sent_at").dt.truncate("1m").alias(MINUTE))
    )
    rows = _without_other_versions(rows.filter(~pl.col("maybe_edit")))
    is_own = pl.col("is_own").fill_null(False) | pl.col(WHO).is_in(_own(rows))
    is_said = pl.col("kind").is_in(_SAID) & pl.col("sent_at").is_not_null() & (pl.col(WHO) != "")
    said = _with_captions(rows.filter(is_said, ~is_own))
    is_bare = (pl.col("kind") == chat.MessageKind.MEDIA.value) & (pl.col("text").str.strip_chars() == "")
    return said.select(
        *MESSAGE, "wa_id", "sent_at", MINUTE, "sender", WHO, "kind", "text", is_bare_media=is_bare
    ).sort("sent_at", *MESSAGE)


def _completed(messages: pl.DataFrame) -> pl.DataFrame:
    """Return messages with all columns: those that only the page or only an export has may never have come."""
    there = {name: dtype for name, dtype in _OPTIONAL.items() if name in messages.columns}
    return messages.with_columns(
        *(pl.lit(None, dtype).alias(name) for name, dtype in _OPTIONAL.items() if name not in there),
        *(pl.col(name).cast(dtype) for name, dtype in there.items()),
        *(pl.col(name).cast(pl.String).fill_null("") for name in ("kind", "text")),
        pl.col("sent_at").cast(_MOMENT),
        pl.col("sender").cast(pl.String),
    ).with_columns(
        pl.when(pl.col("wa_id") != "").then("wa_id").alias("wa_id"),
        *(
            pl.col(name).fill_null(False)
            for name in ("is_edited", "is_truncated", "maybe_edit", "on_page", "in_export")
        ),
    )


def _who(senders: pl.Series) -> pl.Series:
    distinct = senders.unique()
    keys = pl.Series([chat.sender_key(each) for each in distinct.to_list()], dtype=pl.String)
    if not len(distinct):
        return senders.alias(WHO)
    return senders.replace_strict(distinct, keys, return_dtype=pl.String).alias(WHO)


def _newness() -> pl.Expr:
    """How late a version a row is: deleted, else edited, and whole rather than cut."""
    is_deleted = (pl.col("kind") == _DELETED).cast(pl.Int8)
    return is_deleted * 4 + pl.col("is_edited").cast(pl.Int8) * 2 + (~pl.col("is_truncated")).cast(pl.Int8)


def _newest_versions(rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows with one of each `wa_id`; where it was seen, and whose it is, is what any version says."""
    several = rows["wa_id"].is_duplicated() & rows["wa_id"].is_not_null()
    if not several.any():
        return rows
    versions = rows.filter(several).with_columns(
        pl.col("on_page", "in_export", "is_own").max().over("wa_id"),
        maybe_edit=pl.col("maybe_edit").min().over("wa_id"),
    )
    newest = newest_last(versions).unique("wa_id", keep="last", maintain_order=True)
    return pl.concat([rows.filter(~several), newest])


def _own(rows: pl.DataFrame) -> pl.Series:
    """Return the names that only the account itself has on the page: export files do not say whose a message is."""
    return (
        rows.filter(pl.col("is_own").is_not_null(), pl.col(WHO) != "")
        .group_by(WHO)
        .agg(pl.col("is_own").all())
        .filter("is_own")[WHO]
        .implode()
    )


def _without_other_versions(rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows without those that are another version of a row that the other source has.

    Within a sender's minute, rows that only one source has are paired, changed ones of the page first, then changed
    ones of the export; two unchanged ones are two messages.
    """
    lone = rows.filter(pl.col("on_page") != pl.col("in_export"), pl.col("kind").is_in([*_SAID, _DELETED]))
    is_changed = (pl.col("kind") == _DELETED) | pl.col("is_edited") | pl.col("is_truncated")
    lone = lone.with_columns(is_changed=is_changed, newness=_newness()).filter(
        pl.col("is_changed").any().over(_PLACE),
        pl.col("on_page").any().over(_PLACE),
        pl.col("in_export").any().over(_PLACE),
    )
    if not lone.height:
        return rows
    order = ("is_changed", "newness", "sent_at", *MESSAGE)
    page, export = (lone.filter(name).sort(order) for name in ("on_page", "in_export"))
    first = _pairs(page.filter("is_changed"), export)
    left = export.join(first, left_on=MESSAGE, right_on=[f"{name}_right" for name in MESSAGE], how="anti")
    second = _pairs(page.filter(~pl.col("is_changed")), left.filter("is_changed"))
    pairs = pl.concat([first, second])
    is_newer_there = pl.col("newness_right") > pl.col("newness")
    older = pairs.select(
        pl.when(is_newer_there).then(name).otherwise(f"{name}_right").alias(name) for name in MESSAGE
    )
    return rows.join(older, on=MESSAGE, how="anti", maintain_order="left")


def _pairs(page: pl.DataFrame, export: pl.DataFrame) -> pl.DataFrame:
    """Return the first of page with the first of export in each sender's minute, and so on, both in their order."""
    numbered = [
        each.select(*_PLACE, *MESSAGE, "newness", number=pl.int_range(pl.len()).over(_PLACE))
        for each in (page, export)
    ]
    return numbered[0].join(numbered[1], on=[*_PLACE, "number"], how="inner")


def _with_captions(rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows whose media have for a text what a person wrote below them."""
    places = (rows["kind"] == chat.MessageKind.MEDIA.value).arg_true()
    if not len(places):
        return rows
    written = [chat.caption(text) for text in rows["text"].gather(places).to_list()]
    return rows.with_columns(rows["text"].scatter(places, written))
