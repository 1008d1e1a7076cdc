"""What `backhaul migrate` changes in the documents of students, each step once."""

from __future__ import annotations

from typing import Any

from backhaul import Migration


def count_messages_by_lesson(document: dict[str, Any]) -> dict[str, Any]:
    """Give every lesson message_count and paid; total_messages, which stays, becomes the current lesson's count."""
    lessons = [dict(each) for each in document.get("lessons") or ()]
    is_counted = any("message_count" in each for each in lessons)
    current = str(document.get("current_lesson"))
    for each in lessons:
        is_current = str(each.get("lesson")) == current
        total = document.get("total_messages") or 0
        each.setdefault("message_count", total if is_current and not is_counted else 0)
        each.setdefault("paid", False)
    return {**document, "lessons": lessons}


MIGRATIONS = (Migration(1, "messages are counted by lesson", count_messages_by_lesson),)
