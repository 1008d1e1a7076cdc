"""The office's tables: a sale, a movement of points, a customer and a purchase of coins."""

from django.db import models


class Money(models.DecimalField):
    """An amount with two places."""

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **{"max_digits": 14, "decimal_places": 2, "default": 0, **options})


class Sale(models.Model):
    """The 27 columns of a sale."""

    transaksi_id = models.CharField("Transaksi ID", max_length=12, primary_key=True)
    waktu = models.DateTimeField("Tanggal Transaksi", db_index=True)
    user_id = models.CharField("User ID", max_length=8)
    nama = models.CharField("Nama User", max_length=60)
    telepon = models.CharField("Nomor HP", max_length=20)
    cabang = models.CharField("Cabang", max_length=30)
    kasir = models.CharField("Kasir", max_length=30)
    metode = models.CharField("Metode Pembayaran", max_length=20)
    status = models.CharField("Status", max_length=20)
    sku = models.CharField("Kode Barang", max_length=13)
    barang = models.CharField("Nama Barang", max_length=80)
    kategori = models.CharField("Kategori", max_length=30)
    satuan = models.CharField("Satuan", max_length=10)
    jumlah = models.IntegerField("Jumlah")
    harga = Money("Harga Satuan")
    subtotal = Money("Subtotal")
    diskon = Money("Diskon")
    pajak = Money("Pajak")
    ongkir = Money("Ongkos Kirim")
    total = Money("Total")
    koin_dipakai = models.IntegerField("Koin Dipakai", default=0)
    koin_didapat = models.IntegerField("Koin Didapat", default=0)
    voucher = models.CharField("Kode Voucher", max_length=12, blank=True)
    dibayar = models.DateTimeField("Dibayar Pada", null=True)
    dikirim = models.DateField("Tanggal Kirim", null=True)
    lunas = models.BooleanField("Lunas", default=False)
    catatan = models.TextField("Catatan", blank=True)

    class Meta:
        """Two tables have these columns."""

        abstract = True
        ordering = ("transaksi_id",)


class Transaksi(Sale):
    """The sales that the tests fetch."""


class TransaksiBesar(Sale):
    """As many sales as a test asks for."""


class PointTrx(models.Model):
    """The 12 columns of a movement of points."""

    point_id = models.CharField("Point Transaction ID", max_length=12, primary_key=True)
    waktu = models.DateTimeField("Tanggal", db_index=True)
    user_id = models.CharField("User ID", max_length=8)
    nama = models.CharField("Nama User", max_length=60)
    transaksi_id = models.CharField("Transaksi ID", max_length=12, blank=True)
    jenis = models.CharField("Jenis", max_length=10)
    point = models.IntegerField("Point")
    saldo_awal = models.IntegerField("Saldo Awal")
    saldo_akhir = models.IntegerField("Saldo Akhir")
    kedaluwarsa = models.DateField("Kedaluwarsa", null=True)
    aktif = models.BooleanField("Aktif", default=True)
    keterangan = models.TextField("Keterangan", blank=True)

    class Meta:
        """Exports come in the order of the ids."""

        ordering = ("point_id",)


class User(models.Model):
    """The 10 columns of a customer."""

    user_id = models.CharField("User ID", max_length=8, primary_key=True)
    nama = models.CharField("Nama", max_length=60)
    email = models.CharField("Email", max_length=80, blank=True)
    telepon = models.CharField("Nomor HP", max_length=20)
    waktu = models.DateTimeField("Tanggal Daftar", db_index=True)
    lahir = models.DateField("Tanggal Lahir", null=True)
    kota = models.CharField("Kota", max_length=40)
    level = models.CharField("Level", max_length=10)
    saldo_koin = models.IntegerField("Saldo Koin", default=0)
    aktif = models.BooleanField("Aktif", default=True)

    class Meta:
        """Exports come in the order of the ids."""

        ordering = ("user_id",)


class PembayaranKoin(models.Model):
    """The 6 columns of a purchase of coins."""

    payment_id = models.CharField("Payment ID", max_length=12, primary_key=True)
    waktu = models.DateTimeField("Tanggal Pembayaran", db_index=True)
    user_id = models.CharField("User ID", max_length=8)
    nominal = Money("Nominal")
    koin = models.IntegerField("Jumlah Koin")
    status = models.CharField("Status", max_length=20)

    class Meta:
        """Exports come in the order of the ids."""

        ordering = ("payment_id",)
