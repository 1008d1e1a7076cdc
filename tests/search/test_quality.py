"""How often the first product is the right one, for made-up queries nobody looked at while the search was written."""

from pathlib import Path

import pytest

from tests.search.catalogues import frame, index_of, row
from tests.search.goods import goods, queries
from tests.search.judging import Verdict, judged

LEAST_SHARE = 0.95


def verdict(folder: Path, seed: int, items: int, asked: int) -> Verdict:
    shelf = goods(seed, items)
    index = index_of(folder, frame(row(each.code, each.name) for each in shelf))
    return judged(index.catalogue(), queries(seed + 1, shelf, asked))


def test_spoilt_queries_find_what_was_meant(tmp_path: Path) -> None:
    found = verdict(tmp_path, 20_261, 3000, 400)

    assert found.share >= LEAST_SHARE, found.wrong_ways


@pytest.mark.slow
@pytest.mark.parametrize("seed", [31, 47, 59])
def test_spoilt_queries_find_what_was_meant_among_many_products(tmp_path: Path, seed: int) -> None:
    found = verdict(tmp_path, seed, 20_000, 1000)

    assert found.share >= LEAST_SHARE, found.wrong_ways
