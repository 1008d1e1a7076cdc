"""What people did, as the sandbox's bot hears it: long polls, webhooks, answers to pressed buttons."""

from __future__ import annotations

import re
import time
from typing import Any

from backhaul.sandbox.telegram.call import Call
from backhaul.sandbox.telegram.world import ApiError, Webhook, World

LONGEST_POLL_S = 50
_HERE = re.compile(r"http://(127\.0\.0\.1|localhost|\[::1\])[:/]")


def get_updates(world: World, call: Call) -> Any:
    """Return what people did, at once or as soon as there is something. Raises ApiError."""
    if world.webhook.url:
        words = "can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"
        raise ApiError(409, f"Conflict: {words}")
    offset, limit = call.number("offset"), min(max(call.number("limit", 100), 1), 100)
    until = time.monotonic() + min(max(call.number("timeout"), 0), LONGEST_POLL_S)
    wanted = call.fields.get("allowed_updates") or None
    with world.changed:
        world.pollers += 1
        mine = world.pollers
        world.changed.notify_all()
        while True:
            if world.pollers != mine:
                words = "terminated by other getUpdates request; make sure that only one bot instance is running"
                raise ApiError(409, f"Conflict: {words}")
            _confirm(world, offset)
            found = [each for each in world.updates if wanted is None or set(wanted) & each.keys()]
            left = until - time.monotonic()
            if world.is_closing:
                # The visitor is hung up on: no late answer gets out.
                raise ConnectionAbortedError
            if found or left <= 0:
                return found[:limit]
            world.changed.wait(left)


def _confirm(world: World, offset: int) -> None:
    """Forget what came before offset; a negative one keeps only so many of the newest."""
    if offset < 0:
        while len(world.updates) > -offset:
            world.updates.popleft()
    while world.updates and world.updates[0]["update_id"] < offset:
        world.updates.popleft()


def answer_callback(world: World, call: Call) -> Any:
    """Take the answer to a pressed button. Raises ApiError."""
    asked = call.fields.get("callback_query_id")
    with world.changed:
        if not asked or any(each["callback_query_id"] == asked for each in world.answers):
            words = "query is too old and response timeout expired or query ID is invalid"
            raise ApiError(400, f"Bad Request: {words}")
        world.answers.append(dict(call.fields))
        world.changed.notify_all()
    return True


def set_webhook(world: World, call: Call) -> Any:
    """Remember an address, to which updates are sent from now on; those that wait too. Raises ApiError.

    The real one takes https only; here an address of this machine may be plain http.
    """
    url, secret = str(call.fields.get("url") or ""), str(call.fields.get("secret_token") or "")
    if url and not url.startswith("https://") and not _HERE.match(url):
        raise ApiError(400, "Bad Request: bad webhook: An HTTPS URL must be provided for webhook")
    if secret and not re.fullmatch(r"[A-Za-z0-9_-]{1,256}", secret):
        raise ApiError(400, "Bad Request: secret token contains unallowed characters")
    with world.changed:
        world.webhook = Webhook(url, secret)
        if call.flag("drop_pending_updates"):
            world.updates.clear()
        world.changed.notify_all()
    return True


def delete_webhook(world: World, call: Call) -> Any:
    """Forget the address."""
    with world.changed:
        world.webhook = Webhook()
        if call.flag("drop_pending_updates"):
            world.updates.clear()
    return True


def webhook_info(world: World, call: Call) -> Any:
    """Return the address and how much waits."""
    return {"url": world.webhook.url, "has_custom_certificate": False, "pending_update_count": len(world.updates)}
