"""Stand-ins of outside services, over real sockets, for `backhaul demo` and for tests."""

from backhaul.sandbox.data import BUSY_DAY, KEYS
from backhaul.sandbox.exports import Variant
from backhaul.sandbox.faults import Fault, PlannedFault
from backhaul.sandbox.server import SandboxBackOffice

__all__ = ["BUSY_DAY", "KEYS", "Fault", "PlannedFault", "SandboxBackOffice", "Variant"]
