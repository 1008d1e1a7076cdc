"""Andalan ATK: four exports of the back office, twice a day, each into a sheet of its own; a group is told."""

from backhaul import BackOffice, FormLogin, GoogleSheet, Pipeline, Retention, Schedule, Secret, Setting, Telegram

office = BackOffice(
    base_url=Setting("BACKEND_URL"),
    login=FormLogin("/login", username=Secret("BACKEND_USERNAME"), password=Secret("BACKEND_PASSWORD")),
)

filters = ('input[id="filter-start"]', 'input[id="filter-end"]')
no_data = '.kosong:has-text("Tidak ada data")'
green_button = "button.btn.btn-success.m3.expot-pdf"
kept = Retention(days=30, megabytes=200)

pipeline = Pipeline(
    name="exports",
    streams=[
        office.export(
            "transaksi",
            title="Transaksi",
            key="Transaksi ID",
            page="/transaksi/index-export",
            dates=('input[name="start_date"]', 'input[name="end_date"]'),
            button='button:has-text("Export")',
            window_column="Tanggal",
            no_data=no_data,
            retention=kept,
            to=GoogleSheet(Setting("SHEET_TRANSAKSI")),
        ),
        office.export(
            "point_trx",
            title="Point Transaction",
            key="Point Transaction ID",
            page="/point_transaction",
            dates=('input[name="start"]', 'input[name="end"]'),
            button="button.expot-pdf",
            window_column="Tanggal",
            no_data=no_data,
            retention=kept,
            to=GoogleSheet(Setting("SHEET_POINT_TRX")),
        ),
        office.export(
            "user",
            title="User",
            key="User ID",
            page="/user-front",
            dates=filters,
            button=green_button,
            window_column="Tanggal",
            no_data=no_data,
            retention=kept,
            to=GoogleSheet(Setting("SHEET_USER")),
        ),
        office.export(
            "pembayaran_koin",
            title="Pembayaran Koin",
            key="Payment ID",
            page="/koin_pay",
            dates=filters,
            button=green_button,
            window_column="Tanggal",
            no_data=no_data,
            retention=kept,
            to=GoogleSheet(Setting("SHEET_PEMBAYARAN_KOIN")),
        ),
    ],
    schedule=Schedule("0 8,18 * * *", timezone="Asia/Jakarta"),
    notify=[Telegram(language=Setting("TELEGRAM_LANGUAGE", default="id"))],
)
