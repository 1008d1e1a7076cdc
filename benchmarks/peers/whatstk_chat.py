"""The peer of the chat export: whatstk reads the file into a frame. Argument: the file. Prints the rows it found."""

from __future__ import annotations

import sys

from whatstk import df_from_whatsapp  # type: ignore[import-not-found]

if __name__ == "__main__":
    # Without a limit of its own, which is 50 MB.
    print(len(df_from_whatsapp(sys.argv[1], max_size=None)))
