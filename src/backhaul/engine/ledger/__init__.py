"""The ledger: what has run, what was kept, staged and delivered, what waits, and what people were told."""

from backhaul.engine.ledger.ledger import Cursor, Ledger, PendingDelivery

__all__ = ["Cursor", "Ledger", "PendingDelivery"]
