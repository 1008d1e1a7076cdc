"""The places to haul from: one module each."""

from backhaul.sources.back_office import BackOffice

__all__ = ["BackOffice"]
