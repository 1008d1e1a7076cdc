"""Made-up shop goods with many near-duplicates, and queries as people type them, both from a seed."""

import random
import string
from collections.abc import Callable
from dataclasses import dataclass

KINDS = {
    "MIE INSTAN": (
        ["GORENG", "KARI AYAM", "SOTO", "AYAM BAWANG", "RENDANG", "PEDAS", "BASO SAPI"],
        ["85G", "70 GR", "120G"],
    ),
    "SABUN CUCI": (["COLEK", "CAIR", "BATANG", "JERUK NIPIS", "LEMON"], ["200G", "800ML", "400 ML", "1 KG"]),
    "SABUN MANDI": (["MAWAR", "MELATI", "SUSU", "ZAITUN", "SEREH"], ["70G", "110 G", "450ML", "900 ML"]),
    "SAMPO": (["ANTI KETOMBE", "LIDAH BUAYA", "URANG ARING", "MINT", "LEMBUT"], ["10ML", "70ML", "170 ML", "340ML"]),
    "MINYAK GORENG": (
        ["SAWIT", "KELAPA", "JAGUNG", "POUCH", "BOTOL"],
        ["250ML", "1 LITER", "2 LITER", "5L", "900 ML"],
    ),
    "KECAP": (["MANIS", "ASIN", "PEDAS", "INGGRIS"], ["60ML", "135 ML", "220ML", "520ML", "1.5 L"]),
    "SAUS SAMBAL": (["ASLI", "TOMAT", "EKSTRA PEDAS", "BAWANG"], ["135ML", "335 ML", "5.5KG"]),
    "SUSU BUBUK": (
        ["COKLAT", "VANILA", "MADU", "STROBERI", "TINGGI KALSIUM"],
        ["27G", "150 GR", "400G", "800 G", "1 KG"],
    ),
    "SUSU UHT": (["COKLAT", "STROBERI", "KURMA", "PISANG", "PUTIH"], ["115ML", "190ML", "250 ML", "1L"]),
    "KOPI": (
        ["HITAM", "SUSU", "GULA AREN", "MOCHA", "JAHE", "CAPPUCCINO"],
        ["6G", "20 GR", "165G", "380G", "10X20G"],
    ),
    "TEH": (["MELATI", "HIJAU", "TARIK", "CELUP", "TUBRUK", "LEMON"], ["40G", "25S", "100'S", "500 ML"]),
    "BISKUIT": (["KELAPA", "GANDUM", "KEJU", "COKLAT", "MENTEGA", "SUSU"], ["27G", "120 G", "300GR", "1/2 KG"]),
    "WAFER": (["COKLAT", "VANILA", "KEJU", "KACANG"], ["16G", "48G", "138 G", "20X8G"]),
    "KERIPIK": (["SINGKONG", "KENTANG", "PISANG", "BALADO", "RUMPUT LAUT", "KEJU"], ["35G", "68 G", "160G"]),
    "TISU": (["WAJAH", "BASAH", "TOILET", "DAPUR"], ["50 LBR", "200S", "250 SHEET", "4 ROLL"]),
    "POPOK BAYI": (["CELANA", "PEREKAT", "PREMIUM", "EKONOMIS"], ["S 40", "M 34", "L 30", "XL 26"]),
    "DETERJEN": (["BUBUK", "CAIR", "MATIC", "PELANGI", "BUNGA"], ["45G", "770 G", "1.8KG", "750ML"]),
    "PEWANGI": (["PAKAIAN", "RUANGAN", "MOBIL", "LANTAI"], ["10ML", "225 ML", "800ML", "1,6 L"]),
    "PASTA GIGI": (["MINT", "HERBAL", "ANAK", "PEMUTIH", "GARAM"], ["75G", "120 GR", "190G", "225G"]),
    "LAMPU LED": (["PUTIH", "KUNING", "DARURAT"], ["5 WATT", "9W", "12 W", "18WATT"]),
    "BATERAI": (["ALKALINE", "KANCING", "ISI ULANG"], ["AA 2", "AAA 4", "9 VOLT"]),
    "OBAT NYAMUK": (["BAKAR", "SEMPROT", "ELEKTRIK"], ["5X2", "225ML", "600 ML", "30 HARI"]),
    "GULA": (["PASIR", "MERAH", "BATU", "HALUS"], ["250 G", "1/2 KG", "1KG", "50 KG"]),
    "TEPUNG": (["TERIGU", "BERAS", "TAPIOKA", "BUMBU", "MAIZENA"], ["80G", "250 GR", "500G", "1 KG", "25KG"]),
    "BUKU TULIS": (["GARIS", "KOTAK", "POLOS", "BATIK"], ["38 LEMBAR", "58 LBR", "100 LEMBAR"]),
    "PULPEN": (["HITAM", "BIRU", "MERAH", "GEL"], ["0.5 MM", "0,7MM", "12 PCS"]),
}
PACKS = ["", "", "", "", "POUCH", "REFILL", "BOTOL", "SACHET", "DUS", "JUMBO", "HEMAT"]
_STARTS = [*"bcdfghjklmnprstwz", "ch", "br", "dr", "gl", "kr", "pr", "sr", "tr"]
_MIDDLES = ["a", "i", "u", "e", "o", "ai", "au"]
_ENDS = ["n", "r", "s", "m", "ng", "l", "k", "t"] + [""] * 6
VOWELS = set("AEIOU")


@dataclass(frozen=True)
class Item:
    """A product; a size such as `2 LITER` is one of its parts."""

    code: str
    parts: tuple[str, ...]

    @property
    def name(self) -> str:
        return " ".join(self.parts)


@dataclass(frozen=True)
class Query:
    text: str
    meant: str
    how: str
    asked: str


def brands(random_: random.Random, number: int) -> list[str]:
    """Return made-up brand names, some of two words."""
    found: dict[str, None] = {}
    while len(found) < number:
        word = "".join(
            random_.choice(_STARTS) + random_.choice(_MIDDLES) + random_.choice(_ENDS)
            for _ in range(random_.choice((2, 2, 3)))
        ).upper()
        found[word if random_.random() < 0.85 else f"{word} {random_.choice(('GOLD', 'MAS', 'JAYA', 'KIDS'))}"] = None
    return list(found)


def goods(seed: int, number: int, *, items_a_brand: int = 60) -> list[Item]:
    """Return that many items with different names; each brand makes a few kinds, in many variants and sizes."""
    random_ = random.Random(seed)
    names: dict[tuple[str, ...], None] = {}
    makers = [
        (brand, random_.sample(sorted(KINDS), 3)) for brand in brands(random_, max(30, number // items_a_brand))
    ]
    while len(names) < number:
        brand, kinds = random_.choice(makers)
        kind = random_.choice(kinds)
        variants, sizes = KINDS[kind]
        parts = [brand, kind, random_.choice(variants), random_.choice(sizes), random_.choice(PACKS)]
        if random_.random() < 0.3:
            parts[0], parts[1] = kind, brand
        if random_.random() < 0.15:
            parts.append(f"ISI {random_.choice((6, 10, 12, 24, 40))}")
        if random_.random() < 0.06:
            parts[2] += " " + random_.choice(variants)
        size = parts[3]
        words = [part if part == size or part.startswith("ISI ") else part.split() for part in parts if part]
        names[tuple(word for part in words for word in ([part] if isinstance(part, str) else part))] = None
    return [Item(f"A{number:06}", parts) for number, parts in enumerate(names)]


def misspelt(word: str, random_: random.Random) -> str:
    """Return word with one slip: two letters swapped, one doubled, missing, wrong or too many."""
    if len(word) < 4:
        return word
    at = random_.randrange(1, len(word) - 1)
    match random_.randrange(5):
        case 0:
            return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
        case 1:
            return word[:at] + word[at] + word[at:]
        case 2:
            return word[:at] + word[at + 1 :]
        case 3:
            return word[:at] + random_.choice(string.ascii_uppercase) + word[at + 1 :]
    return word[:at] + random_.choice(string.ascii_uppercase) + word[at:]


def abbreviated(word: str, random_: random.Random) -> str:
    """Return word as people shorten it: without vowels, some consonants of it, or its beginning."""
    if len(word) < 5:
        return word
    bones = word[0] + "".join(letter for letter in word[1:] if letter not in VOWELS)
    match random_.randrange(3):
        case 0 if len(bones) > 2:
            return bones
        case 1 if len(bones) > 3:
            out = random_.randrange(1, len(bones) - 1)
            return bones[:out] + bones[out + 1 :]
    return word[: max(3, len(word) - random_.randrange(2, 4))]


def queries(seed: int, items: list[Item], number: int) -> list[Query]:
    """Return queries for random items, each spoilt in one or two ways."""
    random_ = random.Random(seed)
    ways: dict[str, Callable[[list[str]], list[str]]] = {
        "misspelt": lambda words: _changed(words, misspelt, random_, 1),
        "misspelt twice": lambda words: _changed(words, misspelt, random_, 2),
        "abbreviated": lambda words: _changed(words, abbreviated, random_, 1),
        "abbreviated twice": lambda words: _changed(words, abbreviated, random_, 2),
        "reordered": lambda words: random_.sample(words, len(words)),
        "glued": lambda words: _glued(words, random_),
        "reordered and misspelt": lambda words: _changed(random_.sample(words, len(words)), misspelt, random_, 1),
        "abbreviated and misspelt": lambda words: _changed(
            _changed(words, abbreviated, random_, 1), misspelt, random_, 1
        ),
    }
    found = []
    for _ in range(number):
        item, how = random_.choice(items), random_.choice(sorted(ways))
        words = list(item.parts) if random_.random() < 0.8 else item.name.split()
        if random_.random() < 0.4:
            words = [part for part in item.parts if part.isalpha()]
        if len(words) > 3 and random_.random() < 0.3:
            words.pop(random_.randrange(1, len(words)))
        text = " ".join(ways[how](words))
        shown = text.lower() if random_.random() < 0.7 else text
        found.append(Query(shown, item.name, how, " ".join(words)))
    return found


def _changed(
    words: list[str], change: Callable[[str, random.Random], str], random_: random.Random, times: int
) -> list[str]:
    long = [at for at, word in enumerate(words) if word.isalpha() and len(word) > 3]
    chosen = random_.sample(long, min(times, len(long)))
    return [change(word, random_) if at in chosen else word for at, word in enumerate(words)]


def _glued(words: list[str], random_: random.Random) -> list[str]:
    pairs = [at for at in range(len(words) - 1) if words[at].isalpha() and words[at + 1].isalpha()]
    if not pairs:
        return words
    at = random_.choice(pairs)
    return [*words[:at], words[at] + words[at + 1], *words[at + 2 :]]
