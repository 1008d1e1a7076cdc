"""PostgreSQL's custom-format archives (`pg_dump -Fc`): prove them, and read single tables without a server.

`header.py` tells what file it is, `contents.py` what is in it, `blocks.py` where the data lie, `inflate.py` unpacks
them, `copytext.py` makes frames of them; `restore.py` is the way through the program pg_restore.
"""

from backhaul.formats.pgdump.archive import Archive, Table, prove_archive

__all__ = ["Archive", "Table", "prove_archive"]
