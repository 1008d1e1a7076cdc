"""Sends what people did to the bot's webhook, as Telegram does: one after another, again until it is taken."""

from __future__ import annotations

import http.client
import json
import threading
from typing import Any
from urllib.parse import urlsplit

from backhaul.sandbox.telegram.world import Webhook, World

SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"
TIMEOUT_S = 10.0


class HookSender:
    """A thread that sends updates as long as a webhook on this machine is set."""

    def __init__(self, world: World, pause_s: float) -> None:
        self._world = world
        self._pause_s = pause_s
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._send_all, name="sandbox telegram webhook")

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def close(self) -> None:
        """End; may be called twice."""
        self._closed.set()
        with self._world.changed:
            self._world.changed.notify_all()
        if self._thread.is_alive():
            self._thread.join()

    def _send_all(self) -> None:
        world = self._world
        while not self._closed.is_set():
            with world.changed:
                if not self._is_due():
                    world.changed.wait(0.5)
                    continue
                hook, update = world.webhook, world.updates[0]
            if 200 <= post(hook, update) < 300:
                with world.changed:
                    if update in world.updates:
                        world.updates.remove(update)
            else:
                self._closed.wait(self._pause_s)

    def _is_due(self) -> bool:
        return self._world.webhook.url.startswith("http://") and bool(self._world.updates)


def post(hook: Webhook, update: dict[str, Any]) -> int:
    """Send an update to a webhook; return the status of the answer, 0 where there was none."""
    parts = urlsplit(hook.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=TIMEOUT_S)
    headers = {"Content-Type": "application/json"} | ({SECRET_HEADER: hook.secret} if hook.secret else {})
    try:
        connection.request("POST", parts.path or "/", json.dumps(update), headers)
        response = connection.getresponse()
        response.read()
        return response.status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()
