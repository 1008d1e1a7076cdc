"""WhatsApp's official *Export chat* files: told, proven and read as messages with an identity of their own.

`shape.py` tells how the file begins a message, `text.py` cuts its text into pieces, `dates.py` decides the order of
the dates, `rows.py` makes rows of a piece, `words.py` knows the words of WhatsApp itself, `identity.py` says which
messages are the same; `reader.py` puts it together.
"""

from backhaul.formats.chat.dates import DateOrder
from backhaul.formats.chat.identity import Identities, fingerprints, normalised, sender_key
from backhaul.formats.chat.reader import Beginning, beginning, prove_chat, read_chat
from backhaul.formats.chat.words import MessageKind, caption

__all__ = [
    "Beginning",
    "DateOrder",
    "Identities",
    "MessageKind",
    "beginning",
    "caption",
    "fingerprints",
    "normalised",
    "prove_chat",
    "read_chat",
    "sender_key",
]
