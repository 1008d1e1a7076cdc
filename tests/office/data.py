"""Makes the office's tables, its rows (all made up) and its one user; a program run in its environment."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

DAY = date(2025, 9, 12)
"""The day whose rows the tests count; the office also holds the day before and the day after."""

ROWS_OF_DAY = {"transaksi": 27, "point_trx": 50, "user": 16, "pembayaran_koin": 1}
ROWS_OF_ALL_DAYS = {"transaksi": 102, "point_trx": 70, "user": 25, "pembayaran_koin": 3}

JAKARTA = timezone(timedelta(hours=7))
GOODS = (
    ("0008991234501", "Buku Tulis 38 Lembar", "Buku", "pak", "32500"),
    ("0008991234518", "Pulpen Gel 0,5 mm; hitam", "Alat Tulis", "lusin", "41750.50"),
    ("0008991234525", "Kertas HVS A4 70 gr", "Kertas", "rim", "56000"),
    ("0008991234532", 'Map "Snelhecter" plastik', "Arsip", "pak", "27999.99"),
    ("0008991234549", "Spidol Papan Tulis", "Alat Tulis", "buah", "9500"),
)
NOTES = ("", "Ambil di toko", "Kirim sore,\nlewat pintu samping", "", "Faktur atas nama toko café lunas")


def times(rows: int, wanted: int) -> Iterator[datetime]:
    """Yield one time for each row, in order: some before DAY, then wanted on DAY, the rest after it.

    The first and the last row of DAY stand seconds from midnight, where a filter by UTC days would lose them.
    """
    before = (rows - wanted) // 2
    for number in range(rows):
        on_day = 0 <= number - before < wanted
        offset = 0 if on_day else (-1 if number < before else 1)
        minute = number * 37 % (24 * 60)
        clock = timedelta(minutes=minute, seconds=number % 60)
        if on_day and number == before:
            clock = timedelta(seconds=5)
        elif on_day and number == before + wanted - 1:
            clock = timedelta(hours=23, minutes=59, seconds=50)
        midnight = datetime.combine(DAY + timedelta(days=offset), datetime.min.time(), tzinfo=JAKARTA)
        yield (midnight + clock).astimezone(UTC)


def person(number: int) -> dict[str, str]:
    """Return a made-up customer: ids and telephone numbers are text that begins with zeros."""
    number = number % 25 + 1
    return {"user_id": f"{number:06d}", "nama": f"Pelanggan Contoh {number}"}


def sales(rows: int, wanted: int, dice: random.Random) -> Iterator[dict[str, Any]]:
    """Yield sales with amounts that fit together; a third is unpaid, most have no voucher."""
    for number, moment in enumerate(times(rows, wanted), start=1):
        sku, goods, category, unit, price = dice.choice(GOODS)
        amount = dice.randint(1, 40)
        subtotal = Decimal(price) * amount
        discount = (subtotal * dice.choice((0, 5, 10)) / 100).quantize(Decimal("0.01"))
        tax = ((subtotal - discount) * 11 / 100).quantize(Decimal("0.01"))
        freight = Decimal(dice.choice((0, 0, 12000)))
        paid = number % 3 != 0
        yield {
            **person(number),
            "transaksi_id": f"{number:08d}",
            "waktu": moment,
            "telepon": f"0800{number % 25 + 1:07d}",
            "cabang": dice.choice(("Gudang Utara", "Toko Pasar", "Toko Stasiun")),
            "kasir": f"Kasir {number % 4 + 1}",
            "metode": dice.choice(("Tunai", "Transfer", "QRIS", "Koin")),
            "status": "Selesai" if paid else "Menunggu",
            "sku": sku,
            "barang": goods,
            "kategori": category,
            "satuan": unit,
            "jumlah": amount,
            "harga": Decimal(price),
            "subtotal": subtotal,
            "diskon": discount,
            "pajak": tax,
            "ongkir": freight,
            "total": subtotal - discount + tax + freight,
            "koin_dipakai": dice.choice((0, 0, 50)),
            "koin_didapat": amount // 5,
            "voucher": "HEMAT05" if number % 7 == 0 else "",
            "dibayar": moment + timedelta(minutes=3) if paid else None,
            "dikirim": moment.date() + timedelta(days=2) if freight else None,
            "lunas": paid,
            "catatan": NOTES[number % len(NOTES)],
        }


def points(rows: int, wanted: int, dice: random.Random) -> Iterator[dict[str, Any]]:
    """Yield movements of points, in and out."""
    for number, moment in enumerate(times(rows, wanted), start=1):
        before, change = dice.randint(0, 900), dice.choice((10, 25, -15, 0))
        yield {
            **person(number),
            "point_id": f"{number:07d}",
            "waktu": moment,
            "transaksi_id": f"{number:08d}" if change > 0 else "",
            "jenis": "masuk" if change > 0 else "keluar",
            "point": change,
            "saldo_awal": before,
            "saldo_akhir": before + change,
            "kedaluwarsa": DAY + timedelta(days=365) if change > 0 else None,
            "aktif": number % 5 != 0,
            "keterangan": NOTES[number % len(NOTES)],
        }


def users(rows: int, wanted: int, dice: random.Random) -> Iterator[dict[str, Any]]:
    """Yield customers; some have told neither e-mail address nor birthday."""
    for number, moment in enumerate(times(rows, wanted)):
        yield {
            **person(number),
            "email": f"pelanggan{number}@example.test" if number % 3 else "",
            "telepon": f"0800{number + 1:07d}",
            "waktu": moment,
            "lahir": date(1980, 1, 31) + timedelta(days=97 * number) if number % 4 else None,
            "kota": dice.choice(("Bandung", "Bogor", "Depok")),
            "level": dice.choice(("Perak", "Emas")),
            "saldo_koin": dice.randint(0, 5000),
            "aktif": number % 6 != 0,
        }


def payments(rows: int, wanted: int, dice: random.Random) -> Iterator[dict[str, Any]]:
    """Yield purchases of coins."""
    for number, moment in enumerate(times(rows, wanted), start=1):
        coins = dice.choice((100, 250, 500))
        yield {
            "payment_id": f"{number:05d}",
            "waktu": moment,
            "user_id": person(number)["user_id"],
            "nominal": Decimal(coins) * Decimal("99.50"),
            "koin": coins,
            "status": "Berhasil",
        }


def fill(large_rows: int) -> None:
    """Put the same rows into empty tables each time."""
    from tests.office import models

    dice = random.Random(20250912)
    makers: dict[str, tuple[Any, Any]] = {
        "transaksi": (models.Transaksi, sales),
        "point_trx": (models.PointTrx, points),
        "user": (models.User, users),
        "pembayaran_koin": (models.PembayaranKoin, payments),
    }
    for stream, (model, maker) in makers.items():
        rows = maker(ROWS_OF_ALL_DAYS[stream], ROWS_OF_DAY[stream], dice)
        model.objects.bulk_create(model(**row) for row in rows)
    if large_rows:
        large = sales(large_rows, large_rows, dice)
        models.TransaksiBesar.objects.bulk_create((models.TransaksiBesar(**row) for row in large), 2000)


def main() -> None:
    """Make the database named by the environment."""
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", run_syncdb=True, verbosity=0)
    fill(int(os.environ.get("OFFICE_LARGE_ROWS", "0")))

    from django.contrib.auth import get_user_model

    get_user_model().objects.create_superuser(os.environ["OFFICE_USERNAME"], password=os.environ["OFFICE_PASSWORD"])


if __name__ == "__main__":
    main()
