"""The gspread client that source and destination use: bounded, paced, its base address replaceable."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from backhaul.sessions.google.access import Access
from backhaul.sessions.google.keys import missing_extra

if TYPE_CHECKING:
    import gspread


@contextmanager
def connected(access: Access, name: str) -> Iterator[gspread.Client]:
    """Yield a gspread client whose calls are bounded, paced and retried; `name` begins its errors' messages."""
    try:
        import gspread
    except ImportError:
        raise missing_extra() from None
    import httpx

    from backhaul.sessions.deadline import Deadline, bind
    from backhaul.sessions.google.http import bounded_client

    deadline = Deadline()
    access.certificates = access.certificates or httpx.create_ssl_context()
    timeout = httpx.Timeout(access.patience.timeout_s, connect=15.0)
    with httpx.Client(timeout=timeout, verify=access.certificates, follow_redirects=False) as http:
        bind(http, deadline)
        yield gspread.Client(
            auth=None,  # type: ignore[arg-type]
            session=http,  # type: ignore[arg-type]
            http_client=bounded_client(access, name, deadline),  # type: ignore[arg-type]
        )
