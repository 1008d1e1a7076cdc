"""Names of goods as Indonesian shops write them: generic words for kinds, made-up brands."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from random import Random

BRANDS = (
    "BULIRASA", "CEMPALINA", "DAPURIA", "ELOKITA", "FAJARONA", "GURIHANA", "HARUMELA", "INDAHRASA", "JELITANI",
    "KINCLONGKU", "LADANGKU", "MEKARONA", "NUSALINA", "OMBAKITA", "PUSPARASA", "RASANUSA", "SEDAPURA", "TIRTAMANA",
    "UNGGULITA", "WANGINDA", "ASRIKITA", "BERSIHANA", "CAP TIGA GAYUNG", "CAP SENDOK LURUS", "DUA KENDI", "GEMERCIK",
    "KIOSKITA", "LESTARONA", "MANISELA", "RENYAHKU", "SEJUKITA", "TERANGIN", "WARUNGKU", "ZAMRUDINA",
)  # fmt: skip
"""Made up; any likeness to a mark is by chance."""


@dataclass(frozen=True)
class Kind:
    """A kind of goods: its group, the words of its name, and what it comes in.

    Args:
        ladder: units from small to large, each with how many of the first it holds.
        cost: of the first unit, in rupiah, from the cheapest to the dearest.
        is_weighed: sold by weight, so that stock and steps have fractions.
    """

    group: str
    name: str
    variants: tuple[str, ...]
    sizes: tuple[str, ...]
    ladder: tuple[tuple[str, str], ...]
    cost: tuple[int, int]
    is_weighed: bool = False


def _kind(line: str) -> Kind:
    group, name, variants, sizes, ladder, cost, *rest = (part.strip() for part in line.split(";"))
    steps = [step.rpartition(" ") for step in ladder.split("|")]
    cheapest, dearest = cost.split("-")
    return Kind(
        group,
        name,
        tuple(variants.split("|")),
        tuple(sizes.split("|")),
        tuple((unit, factor) for unit, _, factor in steps),
        (int(cheapest), int(dearest)),
        is_weighed=rest == ["weighed"],
    )


@cache
def kinds() -> tuple[Kind, ...]:
    """Return the kinds of goods that kinds.txt lists."""
    lines = resources.files(__package__).joinpath("kinds.txt").read_text(encoding="utf-8").splitlines()
    return tuple(_kind(line) for line in lines if line and not line.startswith("#"))


AWKWARD = (
    ' "SPESIAL"',
    "\tPROMO",
    " 50\\50",
    " D'CAFÉ",
    "\nISI ULANG",
    " ½ KG",
    " 100% ASLI;",
    " ☕ BARU",
    "\r\nHADIAH",
    " \\N",
    "  ",
)
"""Ends of names that people have typed, pasted or imported, and that a careless reader stumbles over."""


def name_of(brand: str, kind: Kind, variant: str, size: str, random: Random) -> str:
    """Return a name as somebody has typed it: the order of its words differs between them."""
    forms = (
        f"{brand} {kind.name} {variant} {size}",
        f"{kind.name} {brand} {variant} {size}",
        f"{kind.name} {brand} {size} {variant}",
    )
    name = random.choices(forms, weights=(5, 4, 1))[0]
    if random.random() < 0.03:
        name = name.title()
    return name + random.choice(AWKWARD) if random.random() < 0.01 else name
