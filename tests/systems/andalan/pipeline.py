"""System A without its destinations and messages: what the tests of the engine and the command line run."""

from backhaul import BackOffice, FormLogin, Pipeline, Schedule, Secret, Setting

office = BackOffice(
    base_url=Setting("BACKEND_URL"),
    login=FormLogin("/login", username=Secret("BACKEND_USERNAME"), password=Secret("BACKEND_PASSWORD")),
)

filters = ('input[id="filter-start"]', 'input[id="filter-end"]')
no_data = '.kosong:has-text("Tidak ada data")'
green_button = "button.btn.btn-success.m3.expot-pdf"

pipeline = Pipeline(
    name="exports",
    streams=[
        office.export(
            "transaksi",
            key="Transaksi ID",
            page="/transaksi/index-export",
            dates=('input[name="start_date"]', 'input[name="end_date"]'),
            button='button:has-text("Export")',
            window_column="Tanggal",
            no_data=no_data,
        ),
        office.export(
            "point_trx",
            key="Point Transaction ID",
            page="/point_transaction",
            dates=('input[name="start"]', 'input[name="end"]'),
            button="button.expot-pdf",
            window_column="Tanggal",
            no_data=no_data,
        ),
        office.export(
            "user",
            key="User ID",
            page="/user-front",
            dates=filters,
            button=green_button,
            window_column="Tanggal",
            no_data=no_data,
        ),
        office.export(
            "pembayaran_koin",
            key="Payment ID",
            page="/koin_pay",
            dates=filters,
            button=green_button,
            window_column="Tanggal",
            no_data=no_data,
        ),
    ],
    schedule=Schedule("0 8,18 * * *", timezone="Asia/Jakarta"),
)
