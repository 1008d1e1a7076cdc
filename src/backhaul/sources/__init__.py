"""The places to haul from: one module each."""

from backhaul.sources.back_office import BackOffice
from backhaul.sources.drop_folder import DropFolder

__all__ = ["BackOffice", "DropFolder"]
