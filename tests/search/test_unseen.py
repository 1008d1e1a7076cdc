"""The search is judged by names and queries that it was not made with."""

import pytest

from backhaul.sandbox.shop import Shop
from backhaul.search import Catalogue
from backhaul.search.normal import words_of
from tests.search.catalogues import frame, index_of, row
from tests.search.unseen import BY_HAND, Query, queries

GOODS = 20_000


@pytest.fixture(scope="module")
def names() -> list[str]:
    return sorted({good.name for good in Shop(items=GOODS, seed=7).goods})


@pytest.fixture(scope="module")
def catalogue(names: list[str], tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    rows = frame(row(f"K{number}", name) for number, name in enumerate(names))
    return index_of(tmp_path_factory.mktemp("unseen"), rows).catalogue()


def is_right(query: Query, catalogue: Catalogue) -> bool:
    found = catalogue.find(query.text, 10).products
    return bool(found) and set(words_of(" ".join(query.words))) <= set(words_of(found[0].name))


@pytest.mark.parametrize("seed", [107, 2026])
def test_of_queries_nobody_tuned_it_to_nine_in_ten_find_the_right_product_first(
    seed: int, names: list[str], catalogue: Catalogue
) -> None:
    asked = list(queries(names, 400, seed))

    right = sum(is_right(query, catalogue) for query in asked)

    assert right / len(asked) >= 0.95


def test_of_queries_typed_by_hand_nine_in_ten_find_the_right_product_first(catalogue: Catalogue) -> None:
    asked = [Query(text, tuple(words.split())) for text, words in BY_HAND]

    right = [is_right(query, catalogue) for query in asked]

    assert sum(right) / len(right) >= 0.9
