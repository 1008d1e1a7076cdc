"""The product search: an index that is a destination, and the functions over it."""

from backhaul.search.catalogue import Catalogue
from backhaul.search.products import CatalogueStatus, Found, Offer, PriceColumns, Product, Stock, Way
from backhaul.search.search_index import SearchIndex

__all__ = [
    "Catalogue",
    "CatalogueStatus",
    "Found",
    "Offer",
    "PriceColumns",
    "Product",
    "SearchIndex",
    "Stock",
    "Way",
]
