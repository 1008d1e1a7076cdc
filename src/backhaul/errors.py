"""What can go wrong, sorted by what a person has to do about it.

BackhaulError
|- ConfigError      edit a setting or the pipeline
|- LoginRequired    sign in
|- TransientError   wait; it is tried again by itself
|- SourceChanged    the site is not what it was: repair the pipeline
|- CheckFailed      look at the data
|- DeliveryError    look at the destination
`- AlreadyRunning   another run holds the pipeline
"""

from enum import StrEnum
from typing import ClassVar


class ErrorSeverity(StrEnum):
    """How loudly an error is told."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class BackhaulError(Exception):
    """A failure that a person can act on: `str(error)` says what and where, `next_step` what to do.

    Neither may hold a secret or a row's content.
    """

    severity: ClassVar[ErrorSeverity] = ErrorSeverity.MEDIUM
    default_next_step: ClassVar[str] = "Run again with --debug and read the last lines."

    def __init__(self, message: str, *, next_step: str | None = None) -> None:
        super().__init__(message)
        self.next_step = next_step or self.default_next_step


class ConfigError(BackhaulError):
    """A setting, an argument or a pipeline's declaration is wrong or missing."""

    default_next_step = "Correct it, then run again; `backhaul doctor` checks all settings."


class LoginRequired(BackhaulError):
    """Only a person can sign in: refused password, code, captcha, QR. Never retried."""

    severity = ErrorSeverity.LOW
    default_next_step = "Sign in by hand once and check the user name and password in the settings."


class TransientError(BackhaulError):
    """The outside did not answer properly this time; the same call may succeed later.

    `retry_after_s` is what the other side asked for (HTTP Retry-After), in seconds.
    """

    default_next_step = "It was tried again and still failed; wait a while and run again."

    def __init__(self, message: str, *, next_step: str | None = None, retry_after_s: float | None = None) -> None:
        super().__init__(message, next_step=next_step)
        self.retry_after_s = retry_after_s


class SourceChanged(BackhaulError):
    """The site or file is not what the pipeline was written for."""

    severity = ErrorSeverity.HIGH
    default_next_step = "Open the page in a browser, compare it with the pipeline, and adapt the pipeline."


class CheckFailed(BackhaulError):
    """The data is readable but not plausible; nothing of the batch went on."""

    default_next_step = "Look at the data; if it is right, run again with --accept."


class DeliveryError(BackhaulError):
    """A destination refused or lost a write; the delivery stays pending."""

    default_next_step = "Look at the destination; the next run delivers what is pending, oldest first."


class AlreadyRunning(BackhaulError):
    """Another process holds the pipeline's lock."""

    severity = ErrorSeverity.LOW
    default_next_step = "Wait until it ends, or run again with --wait."
