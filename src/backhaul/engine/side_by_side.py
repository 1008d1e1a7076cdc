"""Several pipelines at once, as those of one system: each by itself, none stopped by another's failure."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from threading import Event as Flag

from backhaul.engine.events import Subscriber
from backhaul.engine.run import GRACE_S, Installation, RunOptions, RunResult, run_pipeline
from backhaul.engine.systems import Target
from backhaul.engine.unforeseen import ours_alone
from backhaul.errors import BackhaulError

_LOOK_S = 0.5


def run_side_by_side(
    targets: Sequence[Target],
    installation: Installation,
    options: RunOptions,
    subscribers: Sequence[Subscriber] = (),
) -> list[RunResult | BackhaulError]:
    """Run each target in a thread and return what came of each, or the error for which it did not begin.

    Subscribers hear the events of all of them. Raises KeyboardInterrupt once all are recorded as interrupted.
    """
    stop = Flag()
    pool = ThreadPoolExecutor(len(targets), thread_name_prefix="run")
    futures = [pool.submit(_ended, target, installation, options, subscribers, stop) for target in targets]
    try:
        while wait(futures, timeout=_LOOK_S).not_done:
            # Ctrl-C comes between two looks, also on Windows.
            pass
        return [future.result() for future in futures]
    except KeyboardInterrupt:
        stop.set()
        wait(futures, timeout=2 * GRACE_S)
        raise
    finally:
        pool.shutdown(wait=not stop.is_set(), cancel_futures=True)


def _ended(
    target: Target,
    installation: Installation,
    options: RunOptions,
    subscribers: Sequence[Subscriber],
    stop: Flag,
) -> RunResult | BackhaulError:
    try:
        with ours_alone(target.name):
            return run_pipeline(target, installation, options, subscribers, stop=stop)
    except BackhaulError as error:
        return error
