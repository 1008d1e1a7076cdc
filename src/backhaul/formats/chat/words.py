"""The words that WhatsApp itself writes into an export, by language, and what kind of message they make of a line."""

from __future__ import annotations

import re
from enum import StrEnum

LRM = "\u200e"
"""iOS writes it in front of its own words; people hardly ever do."""


def _words(joined: str) -> tuple[str, ...]:
    return tuple(joined.split("|"))


class MessageKind(StrEnum):
    """What a message is. EMPTY has no words of its own: a call in some versions, or a photo to be seen once."""

    TEXT = "text"
    MEDIA = "media"
    DELETED = "deleted"
    SYSTEM = "system"
    CALL = "call"
    EMPTY = "empty"


# Each in the order en, de, he, id, es, fr, pt, it, nl, and some more where they have been seen.
_LEFT_OUT = _words(
    "Media omitted|Medien ausgeschlossen|המדיה לא נכללה|Media tidak disertakan|Multimedia omitido|Médias omis"
    "|Mídia oculta|Arquivo de mídia oculto|Media omessi|Media weggelaten"
)
_GOODS = (
    "image|video|audio|sticker|GIF|document|Contact card|video note"
    "|Bild|Video|Audio|Sticker|Dokument|Kontaktkarte|Videonachricht"
    "|התמונה|הווידאו|סרטון הווידאו|השמע|סטיקר|המסמך|כרטיס איש קשר"
    "|gambar|stiker|dokumen|Kartu kontak"
)
_GONE = _words(
    "omitted|weggelassen|הושמט|הושמטה|tidak disertakan|omitido|omitida|omis|omise|absent|absente|ocultado"
    "|ocultada|omesso|omessa|non incluso|esclusa|weggelaten"
)
_ATTACHED_TAG = _words("attached|Anhang|מצורף|terlampir|adjunto|pièce jointe|anexado|allegato|bijgevoegd")
_ATTACHED_WORDS = _words(
    "file attached|Datei angehängt|קובץ מצורף|file terlampir|archivo adjunto|fichier joint|arquivo anexado"
    "|file allegato|bestand bijgevoegd"
)
_EDITED = _words(
    "This message was edited|Diese Nachricht wurde bearbeitet|ההודעה נערכה|Pesan ini diedit"
    "|Se editó este mensaje|Ce message a été modifié|Mensagem editada|Questo messaggio è stato modificato"
    "|Dit bericht is bewerkt"
)
DELETED = frozenset(
    _words(
        "This message was deleted|You deleted this message|Diese Nachricht wurde gelöscht"
        "|Du hast diese Nachricht gelöscht|הודעה זו נמחקה|ההודעה נמחקה|מחקת הודעה זו|Pesan ini telah dihapus"
        "|Anda telah menghapus pesan ini|Anda menghapus pesan ini|Se eliminó este mensaje|Eliminaste este mensaje"
        "|Este mensaje fue eliminado|Ce message a été supprimé|Vous avez supprimé ce message|Mensagem apagada"
        "|Esta mensagem foi apagada|Essa mensagem foi apagada|Você apagou esta mensagem"
        "|Questo messaggio è stato eliminato|Hai eliminato questo messaggio|Dit bericht is verwijderd"
        "|Je hebt dit bericht verwijderd|Это сообщение было удалено|Bu mesaj silindi|تم حذف هذه الرسالة"
    )
)
"""Without the full stop that some languages have behind it."""

_BY_ADMIN = ("This message was deleted by admin ", "ההודעה נמחקה על ידי ")
_CALLS = _words(
    "Missed voice call|Missed video call|Missed group voice call|Missed group video call|Voice call"
    "|Video call|Silenced voice call|Verpasster Sprachanruf|Verpasster Videoanruf|Sprachanruf|Videoanruf"
    "|שיחה קולית|שיחת וידאו|Panggilan suara|Panggilan video|Llamada perdida|Videollamada perdida"
    "|Llamada de voz|Videollamada|Appel vocal|Appel vidéo"
)
_ENCRYPTED = _words(
    "end-to-end encrypted|Ende-zu-Ende-verschlüsselt|מוצפנות מקצה לקצה|terenkripsi secara end-to-end"
    "|cifrados de extremo a extremo|chiffrés de bout en bout|criptografia de ponta a ponta"
    "|crittografia end-to-end|crittografati end-to-end|end-to-end versleuteld"
)
_SELF = ("You ", "Du ", "Anda ", "Tú ", "Vous ", "Você ", "Hai ", "Je ")


def _any(words: tuple[str, ...]) -> str:
    return "|".join(map(re.escape, sorted(words, key=len, reverse=True)))


CANDIDATE = rf"[{LRM}<]|\((?:{_any(_ATTACHED_WORDS)})\)"
"""What every text has that `told` finds anything in, but for DELETED, an empty one and `null`."""

# What stands behind LRM may be in the middle of a line: iOS writes a caption in front of it.
_PLACEHOLDER = re.compile(
    rf"{LRM}?<(?:{_any(_LEFT_OUT)})>(?=\n|$)"
    rf"|{LRM}?<(?:{_any(_ATTACHED_TAG)}): ?[^\n>]{{1,255}}>(?=\n|$)"
    rf"|{LRM}(?:[^\n{LRM}]{{1,40}} )?(?:{_any(_GONE)})(?=\n|$)"
    rf"|^{LRM}?[^\n/]{{1,250}}\.\w{{1,5}} \((?:{_any(_ATTACHED_WORDS)})\)(?=\n|$)"
    rf"|^(?:{_GOODS}) (?:{_any(_GONE)})$"
)
_EDITED_END = re.compile(rf"\s?{LRM}?<(?:{_any(_EDITED)})\.?{LRM}?>\s*$")
_CALL = re.compile(rf"{LRM}?(?:{_any(_CALLS)})(?![^\W\d_])")


def without_edited(text: str) -> str:
    """Return text without the words that tell that it was edited."""
    return _EDITED_END.sub("", text)


def caption(text: str) -> str:
    """Return what a person wrote below or beside a photo or file: a media text without WhatsApp's own words."""
    return _PLACEHOLDER.sub("", text, count=1).strip("\n ")


def told(text: str) -> MessageKind:
    """Return what kind of message a person's message with this text is, edited words put off before."""
    bare = text.strip(f"{LRM} \n")
    if not bare or bare == "null":
        return MessageKind.EMPTY
    if bare.rstrip(".") in DELETED or (bare.startswith(_BY_ADMIN) and "\n" not in bare):
        return MessageKind.DELETED
    if _PLACEHOLDER.search(text):
        return MessageKind.MEDIA
    if text.startswith(LRM) and _CALL.match(text):
        return MessageKind.CALL
    return MessageKind.TEXT


def told_of_system(text: str) -> MessageKind:
    """Return CALL or SYSTEM for a line that no person wrote."""
    return MessageKind.CALL if _CALL.match(text) else MessageKind.SYSTEM


def is_notice(text: str) -> bool:
    """Tell whether text is the one about encryption, which stands at the beginning of every chat."""
    return any(words in text for words in _ENCRYPTED)


def is_about(text: str, sender: str, chat_name: str | None) -> bool:
    """Tell whether iOS wrote text itself under sender's name: `Dana: <LRM>Dana left`, `Group: <LRM>...`."""
    if not text.startswith(LRM) or "\n" in text or "://" in text:
        return False
    said = " ".join(text.lstrip(LRM).split())
    return sender == chat_name or said.startswith((sender, *_SELF)) or is_notice(said)
