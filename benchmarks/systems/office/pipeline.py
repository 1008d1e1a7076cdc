"""Four exports of the Django office in tests/office: its page asks for a format by name and for two days."""

import os

from backhaul import BackOffice, FormLogin, Pipeline, Schedule, Secret, Setting, steps

office = BackOffice(
    base_url=Setting("BACKEND_URL"),
    login=FormLogin(
        "/admin/login/?next=/admin/",
        username=Secret("BACKEND_USERNAME"),
        password=Secret("BACKEND_PASSWORD"),
        signed_in="#logout-form",
    ),
    # Both drivers are measured and tested with one pipeline.
    driver=os.environ.get("OFFICE_DRIVER", "auto"),
)

EXPORTS = (
    ("transaksi", "transaksi", "Transaksi ID", "Tanggal Transaksi"),
    ("point_trx", "pointtrx", "Point Transaction ID", "Tanggal"),
    ("user", "user", "User ID", "Tanggal Daftar"),
    ("pembayaran_koin", "pembayarankoin", "Payment ID", "Tanggal Pembayaran"),
)

pipeline = Pipeline(
    name="office",
    streams=[
        office.export(
            name,
            key=key,
            window_column=day,
            steps=[
                steps.Open(f"/admin/office/{model}/export/"),
                steps.Select("select[name=format]", "xlsx"),
                steps.Fill("input[name=start_date]", "{start}"),
                steps.Fill("input[name=end_date]", "{end}"),
                steps.Download(".submit-row input[type=submit]"),
            ],
        )
        for name, model, key, day in EXPORTS
    ],
    schedule=Schedule("0 8,18 * * *", timezone="Asia/Jakarta"),
)
