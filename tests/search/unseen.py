"""Queries as people type them in a hurry, made from the names of the made-up shop: nobody tuned the search to them.

A query stands for some words of one name. A hit is right if its name has all of these words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

NEIGHBOURS = {
    "A": "SQ", "B": "VN", "C": "XV", "D": "SF", "E": "WR", "F": "DG", "G": "FH", "H": "GJ", "I": "UO", "J": "HK",
    "K": "JL", "L": "K", "M": "N", "N": "BM", "O": "IP", "P": "O", "R": "ET", "S": "AD", "T": "RY", "U": "YI",
    "W": "QE", "Y": "TU",
}  # fmt: skip
BY_HAND = (
    ("mnyk goreng 2 liter pouch", "MINYAK GORENG POUCH 2L"),
    ("gula pasir ptih setengah", "GULA PASIR PUTIH"),
    ("obat nyamuk bkr", "OBAT NYAMUK BAKAR"),
    ("nyamuk semprot obat 600", "OBAT NYAMUK SEMPROT 600ML"),
    ("sikat gig anak", "SIKAT GIGI ANAK"),
    ("teh celup mlati 25", "TEH CELUP MELATI 25'S"),
    ("tehcelup hijau", "TEH CELUP HIJAU"),
    ("popokbayi celana L 30", "POPOK BAYI CELANA L 30"),
    ("kertas plstk hitam kantong 15x30", "KANTONG PLASTIK HITAM 15X30"),
    ("lampu led 9 w putih", "LAMPU LED PUTIH 9 WATT"),
    ("lmpu led kuning 5watt", "LAMPU LED KUNING 5W"),
    ("btrai alkaline AA", "BATERAI ALKALINE AA 2'S"),
    ("susu kentl mans coklat 370gram", "SUSU KENTAL MANIS COKLAT 370 GR"),
    ("skm", "SUSU KENTAL MANIS"),
    ("uht strobri 1 ltr", "SUSU UHT STROBERI 1 LITER"),
    ("kcap manis refil 520", "KECAP MANIS REFILL 520ML"),
    ("saus smbl ekstra pdas", "SAOS SAMBAL EXTRA PEDAS"),
    ("deterjen bubuk antibau 800 g", "DETERJEN BUBUK ANTI BAU 800G"),
    ("ditergen bubuk putih cerah", "DETERJEN BUBUK PUTIH CERAH"),
    ("shampoo anti ketombe 70 ml", "SHAMPO ANTI KETOMBE 70 ML"),
    ("odol mint 75", "PASTA GIGI MINT 75 GR"),
    ("mi instan soto 75 gr", "MIE INSTAN SOTO 75G"),
    ("mie gorng pedas", "MIE INSTAN GORENG PEDAS"),
    ("beras pulen krung 25 kilo", "BERAS PULEN 25KG"),
    ("trigu serbaguna 1kg", "TEPUNG TERIGU SERBA GUNA 1 KG"),
    ("telor ayam kampng", "TELUR AYAM KAMPUNG"),
    ("buku tulis grs 38 lembar", "BUKU TULIS GARIS 38 LBR"),
    ("bolpen biru 0.5", "PULPEN BIRU 0.5"),
    ("lkban bening 1 inc", "LAKBAN BENING 1 INCH"),
    ("minyak kayuputih 60 ml", "MINYAK KAYU PUTIH 60ML"),
    ("sabun mandi lidah buaya reffil 450", "SABUN MANDI LIDAH BUAYA 450ML REFILL"),
    ("sbn cuci piring jrk nipis 780", "SABUN CUCI PIRING JERUK NIPIS 780ML"),
    ("wafr tiramisu 60gr", "WAFER TIRAMISU 60G"),
    ("kripik singkong balado", "KERIPIK SINGKONG BALADO"),
    ("sarden saus tmat besar 425", "SARDEN SAUS TOMAT 425 GR"),
    ("kopi bubuk lampng 165g", "KOPI BUBUK LAMPUNG 165 GR"),
    ("air minral 600 botol", "AIR MINERAL BOTOL 600 ML"),
    ("galon air mineral 19 liter", "AIR MINERAL GALON 19L"),
    ("penyedap rasa jamur 94", "PENYEDAP RASA JAMUR 94 GR"),
    ("santan cair 65ml", "SANTAN INSTAN CAIR 65 ML"),
    ("tisu muka lembut 250", "TISU WAJAH LEMBUT 250'S"),
    ("pewangi sakura 1,6L", "PEWANGI PAKAIAN SAKURA 1,6 LITER"),
)
"""What somebody would type, and the words that a right hit's name has."""


@dataclass(frozen=True)
class Query:
    """A text to look for, and the words of the name that it stands for."""

    text: str
    words: tuple[str, ...]


def queries(names: list[str], count: int, seed: int) -> Iterator[Query]:
    """Yield queries for names drawn at random: misspelt, abbreviated, in another order, or two of these."""
    random = Random(seed)
    ways: tuple[Callable[[list[str], Random], list[str]], ...] = (_misspelt, _abbreviated, _reordered, _glued)
    for name in random.choices(names, k=count):
        words = _kept(_parts(name), random)
        said = list(words)
        for way in random.sample(ways, random.choice((1, 1, 2))):
            said = way(said, random)
        yield Query(" ".join(said).lower(), tuple(words))


def _parts(name: str) -> list[str]:
    """Return the words of a name; a number and the unit behind it are one."""
    parts: list[str] = []
    for word in name.upper().split():
        is_behind_number = bool(parts) and parts[-1].replace(",", "").replace(".", "").isdigit()
        if is_behind_number and word.isalpha() and len(word) <= 6:
            parts[-1] += f" {word}"
        else:
            parts.append(word)
    return parts


def _kept(words: list[str], random: Random) -> list[str]:
    """Return the words that a person would type: three to five of them, in their order."""
    count = min(len(words), random.choice((3, 4, 5)))
    places = sorted(random.sample(range(len(words)), count))
    return [words[place] for place in places]


def _long(words: list[str], random: Random) -> int | None:
    places = [place for place, word in enumerate(words) if len(word) >= 5 and word.isalpha()]
    return random.choice(places) if places else None


def _misspelt(words: list[str], random: Random) -> list[str]:
    place = _long(words, random)
    if place is None:
        return words
    word = words[place]
    at = random.randrange(1, len(word) - 1)
    slip = random.choice(("swap", "drop", "double", "neighbour"))
    if slip == "swap":
        word = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    elif slip == "drop":
        word = word[:at] + word[at + 1 :]
    elif slip == "double":
        word = word[: at + 1] + word[at:]
    else:
        word = word[:at] + random.choice(NEIGHBOURS.get(word[at], word[at])) + word[at + 1 :]
    return [*words[:place], word, *words[place + 1 :]]


def _abbreviated(words: list[str], random: Random) -> list[str]:
    place = _long(words, random)
    if place is None:
        return words
    word = words[place]
    bare = word[0] + "".join(letter for letter in word[1:] if letter not in "AIUEO")
    short = random.choice((bare, word[:4])) if len(bare) >= 3 else word[:4]
    return [*words[:place], short, *words[place + 1 :]]


def _reordered(words: list[str], random: Random) -> list[str]:
    return random.sample(words, len(words))


def _glued(words: list[str], random: Random) -> list[str]:
    if len(words) < 2:
        return words
    place = random.randrange(len(words) - 1)
    return [*words[:place], words[place] + words[place + 1], *words[place + 2 :]]
