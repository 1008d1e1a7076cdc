"""The peer of the school's counts: pandas folds and matches the texts, joins the roster, finds the lesson, groups.

Argument: a folder with messages, roster and archive as Parquet. Prints practices and messages of each student by
lesson. It knows nothing of edits, page and export, aliases, siblings or earlier documents, and writes no documents.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pandas as pd

PRACTICE, MESSAGE = ("תרגול", "✅", "תרגלתי"), ("הודעה", "שאלה")
NIQQUD = "[\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u200e\u200f\ufe0f]"


def main() -> None:
    """Count."""
    folder = Path(sys.argv[1])
    columns = ["sent_at", "sender", "text"]
    messages, roster, archive = (
        pd.read_parquet(folder / "messages", columns=columns),
        pd.read_parquet(folder / "roster"),
        pd.read_parquet(folder / "archive"),
    )
    text = messages["text"].str.normalize("NFC").str.replace(NIQQUD, "", regex=True).str.lower()
    messages["practices"] = text.str.contains("|".join(PRACTICE))
    messages["messages"] = text.str.contains("|".join(MESSAGE))
    counting = messages[messages["practices"] | messages["messages"]].assign(digits=_digits(messages["sender"]))
    roster["digits"], archive["digits"] = _digits(roster["phone_number"]), _digits(archive["phone_number"])
    endless = roster.assign(until=pd.Timestamp("2250-01-01", tz="UTC").as_unit("us"))
    ends = pd.concat([archive.rename(columns={"_archived_at": "until"}), endless])
    ends = ends[["digits", "until", "current_lesson"]].sort_values("until")
    counting = counting.sort_values("sent_at")
    placed = pd.merge_asof(counting, ends, left_on="sent_at", right_on="until", by="digits", direction="forward")
    placed = placed.merge(roster[["digits", "phone_number"]], on="digits")
    sums = placed.groupby(["phone_number", "current_lesson"])[["practices", "messages"]].sum()
    found: dict[str, dict[str, list[int]]] = {phone: {} for phone in roster["phone_number"]}
    for (phone, lesson), practices, wrote in zip(sums.index, sums["practices"], sums["messages"], strict=True):
        found[phone][lesson] = [int(practices), int(wrote)]
    print(json.dumps(found, sort_keys=True))


def _digits(phones: pd.Series) -> pd.Series:
    return phones.str.replace(r"\D", "", regex=True)


if __name__ == "__main__":
    main()
