"""`search`: products and prices from the last catalogue."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from backhaul.cli.output import Output
from backhaul.cli.run import installation
from backhaul.config import home, resolved
from backhaul.engine.systems import find, load_system, system_names
from backhaul.errors import ConfigError
from backhaul.search import Catalogue, Found, Offer, Product, SearchIndex


def search(output: Output, query: str, name: str | None = None, *, limit: int = 10, with_cost: bool = False) -> None:
    """Print the products that fit query best, with every price; what they cost the shop only if `with_cost`.

    `name` is the system, pipeline or stream whose catalogue is searched; it may be left out where there is only one.
    Raises ConfigError if there is none, or more than one.
    """
    if limit < 1:
        raise ConfigError(f"--limit {limit} is less than 1")
    found = _catalogue(name).find(query, limit)
    if output.json:
        output.document(
            {
                "query": query,
                "found": str(found.way),
                "total": found.total,
                "products": [_document(each, with_cost=with_cost) for each in found.products],
            }
        )
        return
    if not found.products:
        output.say("nothing found; try fewer or other words, or the code")
        return
    _print(output, found, with_cost=with_cost)


def _catalogue(name: str | None) -> Catalogue:
    folder = home() / "systems"
    targets = (
        find(folder, name)
        if name
        else [target for system in system_names(folder) for target in load_system(folder / system)]
    )
    indexes = {
        f"{target.name}.{stream.name}": destination
        for target in targets
        for stream in target.pipeline.streams
        for destination in stream.to
        if isinstance(destination, SearchIndex)
    }
    if not indexes:
        raise ConfigError(
            f"no stream of {name or 'any system'} delivers to a SearchIndex",
            next_step="Declare one, such as to=[SearchIndex()], and run the pipeline once.",
        )
    if len(indexes) > 1:
        raise ConfigError(
            f"there are {len(indexes)} catalogues: {', '.join(sorted(indexes))}",
            next_step="Say which one, such as --in " + min(indexes),
        )
    (index,) = indexes.values()
    return resolved(index, installation().settings).catalogue()


def _print(output: Output, found: Found, *, with_cost: bool) -> None:
    headers = ["product", "unit", "holds", "price", "level", "up to", "code", "stock"]
    if with_cost:
        headers.insert(4, "cost")
    rows = []
    for product in found.products:
        title = product.name if product.is_sold else f"{product.name} (no longer sold)"
        stock = "; ".join(f"{each.place} {_number(each.quantity)}".strip() for each in product.stock or ())
        for number, offer in enumerate(product.offers or (None,)):
            first = number == 0
            row: list[object] = [title if first else "", *_cells(offer)]
            row += [product.code if first else "", stock if first else ""]
            if with_cost:
                row.insert(4, _number(offer.cost) if offer else "")
            rows.append(row)
    output.table(headers, rows, spare=("stock", "code", "holds"))
    shown = len(found.products)
    if found.total > shown:
        output.say(f"{shown} of {found.total} products; say more words, or --limit {min(found.total, 50)}")


def _cells(offer: Offer | None) -> list[object]:
    if offer is None:
        return [""] * 5
    return [offer.unit, _number(offer.factor), _number(offer.price), offer.level or "", _number(offer.up_to)]


def _number(number: Decimal | None) -> str:
    """Return a number without zeros at its end; empty where there is none."""
    if number is None:
        return ""
    whole, _, rest = f"{number:,f}".partition(".")
    return f"{whole}.{rest.rstrip('0')}".rstrip(".")


def _document(product: Product, *, with_cost: bool) -> dict[str, Any]:
    return {
        "code": product.code,
        "name": product.name,
        "is_sold": product.is_sold,
        "barcodes": list(product.barcodes),
        "stock": None
        if product.stock is None
        else [{"place": each.place, "quantity": each.quantity} for each in product.stock],
        "offers": [
            {
                "unit": each.unit,
                "factor": each.factor,
                "price": each.price,
                **({"cost": each.cost} if with_cost else {}),
                "level": each.level,
                "up_to": each.up_to,
            }
            for each in product.offers
        ],
    }
