"""Places to deliver to. A new destination is one module here and one line below."""

from backhaul.destinations.warehouse import Warehouse

__all__ = ["Warehouse"]
