"""What nobody foresaw in a stream's work: the one place where every error is caught."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from backhaul.errors import BackhaulError
from backhaul.lake.durable import is_disk_full

NEXT_WHEN_NO_FILE = "Check that the folder is there and may be written, then run again."
NEXT_WHEN_FULL = "Make room on the disk, then run again; nothing is lost."


@contextmanager
def ours_alone(stream: str) -> Iterator[None]:
    """Turn what nobody foresaw into a BackhaulError that names the stream.

    The text of a foreign error may quote a row, so it is left out.
    """
    try:
        yield
    except BackhaulError:
        raise
    except Exception as error:
        if is_disk_full(error):
            raise BackhaulError(f"{stream}: the disk is full", next_step=NEXT_WHEN_FULL) from error
        next_step = NEXT_WHEN_NO_FILE if isinstance(error, OSError) else None
        raise BackhaulError(
            f"{stream}: unexpected {type(error).__name__}{_where(error)}", next_step=next_step
        ) from error


def _where(error: BaseException) -> str:
    trace, place = error.__traceback__, ""
    while trace is not None:
        place = f" at {Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
        trace = trace.tb_next
    if isinstance(error, OSError) and error.strerror:
        return f" ({error.strerror}){place}"
    return place
