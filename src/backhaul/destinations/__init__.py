"""Places to deliver to. A new destination is one module here and one line below."""

from backhaul.destinations.csv_files import CsvFiles
from backhaul.destinations.excel_workbook import ExcelWorkbook
from backhaul.destinations.google_sheets import GoogleSheet
from backhaul.destinations.mongodb import MongoDB, Nested, Stamps
from backhaul.destinations.warehouse import Warehouse

__all__ = ["CsvFiles", "ExcelWorkbook", "GoogleSheet", "MongoDB", "Nested", "Stamps", "Warehouse"]
