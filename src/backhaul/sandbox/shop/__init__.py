"""A made-up shop that runs iPOS: its goods, its tables, and a day's changes; for samples, tests and benchmarks."""

from backhaul.sandbox.shop.goods import Good, Price, Unit
from backhaul.sandbox.shop.server import OWNER, load, load_sales
from backhaul.sandbox.shop.shop import Shop
from backhaul.sandbox.shop.tables import Column, Table

__all__ = ["OWNER", "Column", "Good", "Price", "Shop", "Table", "Unit", "load", "load_sales"]
