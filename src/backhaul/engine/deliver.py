"""From staging to the destinations: compare, save what was found, write, record. Oldest first, each once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from backhaul.engine.events import Delivered, DeliveryFailed, Event, Warned
from backhaul.engine.ledger import Ledger
from backhaul.engine.unforeseen import ours_alone
from backhaul.errors import BackhaulError, DeliveryError
from backhaul.lake import StagingArea
from backhaul.model import Batch, Changes, Counts, Destination, Judging, Rejected, Stream
from backhaul.retry import Budget, retried


@dataclass(frozen=True)
class Deliverer:
    """Delivers the batches of one stream; destinations[0] is curated."""

    run: str
    name: str
    stream: Stream
    destinations: tuple[Destination, ...]
    staging: StagingArea
    ledger: Ledger
    budget: Budget
    emit: Callable[[Event], None]
    dry_run: bool = False

    @property
    def headline(self) -> str:
        """The destination whose counts are the stream's: the first of `to`, else curated."""
        return self.destinations[min(1, len(self.destinations) - 1)].name

    def deliver_pending(self, *, left_over: bool) -> Outcome:
        """Deliver all that is pending; a destination that fails keeps the rest of its queue, the others go on."""
        pending = self.ledger.pending(self.name)
        counts, failures = Counts(), []
        for destination in self.destinations:
            for batch_id in (each.batch for each in pending if each.destination == destination.name):
                try:
                    found = self._deliver(batch_id, destination, left_over)
                except BackhaulError as error:
                    self.ledger.delivery_failed(batch_id, destination.name, str(error))
                    self.emit(
                        DeliveryFailed(
                            run=self.run,
                            stream=self.name,
                            batch=batch_id,
                            destination=destination.name,
                            message=str(error),
                        )
                    )
                    failures.append(_pending(error))
                    break
                if destination.name == self.headline:
                    counts += found
        self._warn_of_orphans({each.destination for each in pending})
        return Outcome(counts, tuple(failures))

    def _deliver(self, batch_id: str, destination: Destination, left_over: bool) -> Counts:
        batch = self.staging.load(batch_id)
        if batch is None:
            raise DeliveryError(
                f"{self.name}: batch {batch_id} is gone from staging",
                next_step="Rebuild it with `backhaul replay`.",
            )
        counts, refused = retried(lambda: self._merge(batch, destination), self.budget)
        read = batch.rows + batch.duplicate + batch.rejected
        if counts.rows != read:
            raise DeliveryError(
                f"{self.name}: {destination.name} accounts for {counts.rows} of {read} rows",
                next_step="This is an error in the destination's code; please report it.",
            )
        self.ledger.delivered(batch, destination.name, counts, refused)
        self.emit(
            Delivered(
                run=self.run,
                stream=self.name,
                batch=batch_id,
                destination=destination.name,
                counts=counts,
                left_over=left_over,
            )
        )
        return counts

    def _merge(self, batch: Batch, destination: Destination) -> tuple[Counts, tuple[Rejected, ...]]:
        stream = as_merged(self.stream, batch)
        if self.dry_run:
            changes = self._compared(stream, batch, destination)
            return changes.counts, changes.refused
        saved = self.staging.load_changes(destination.name, batch)
        if saved is None:
            saved = self._compared(stream, batch, destination)
            self.staging.save_changes(destination.name, saved)
        with ours_alone(f"{self.name}: {destination.name}"):
            if isinstance(destination, Judging):
                counts, late = destination.write_judged(stream, saved)
                return counts, (*saved.refused, *late)
            return destination.write(stream, saved), saved.refused

    def _compared(self, stream: Stream, batch: Batch, destination: Destination) -> Changes:
        """Return what the destination finds; what nobody foresaw in its code concerns it alone."""
        with ours_alone(f"{self.name}: {destination.name}"):
            return destination.compare(stream, batch)

    def _warn_of_orphans(self, waiting: set[str]) -> None:
        for name in sorted(waiting - {destination.name for destination in self.destinations}):
            message = f"deliveries wait for {name}, which the pipeline no longer names"
            self.emit(Warned(run=self.run, stream=self.name, message=message))


def as_merged(stream: Stream, batch: Batch) -> Stream:
    """Return stream as batch is merged: what a batch of only some rows lacks, or has rejected, is not gone."""
    return stream if batch.is_whole and not batch.rejected else replace(stream, complete=False)


@dataclass(frozen=True)
class Outcome:
    """The headline counts of what was delivered, and why the rest was not."""

    counts: Counts
    failures: tuple[DeliveryError, ...]


def _pending(error: BackhaulError) -> DeliveryError:
    """Return error as what it is for the stream: a delivery that stays pending, also where it was only busy."""
    if isinstance(error, DeliveryError):
        return error
    is_default = error.next_step == error.default_next_step
    return DeliveryError(str(error), next_step=None if is_default else error.next_step)
