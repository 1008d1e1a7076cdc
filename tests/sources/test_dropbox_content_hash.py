"""Dropbox's content hash, in pieces of any size, against the official SDK."""

import random
from itertools import pairwise
from pathlib import Path

import pytest
from dropbox.content_hash import content_hash as official_content_hash
from hypothesis import given, settings
from hypothesis import strategies as st

from backhaul.sources.dropbox.content_hash import BLOCK_BYTES, content_hash, content_hash_of

SIZES = [0, 1, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 3 * BLOCK_BYTES + 1]
BYTES = random.Random(7).randbytes(SIZES[-1])


@pytest.mark.parametrize("size", SIZES)
def test_the_hash_is_that_of_the_official_sdk(tmp_path: Path, size: int) -> None:
    path = tmp_path / "backup"
    path.write_bytes(BYTES[:size])

    assert content_hash_of(path) == official_content_hash(BYTES[:size])


@settings(max_examples=25)
@given(st.lists(st.integers(0, SIZES[-1]), max_size=6))
def test_it_does_not_matter_where_the_pieces_are_cut(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(BYTES)]

    assert content_hash(BYTES[one:two] for one, two in pairwise(places)) == WHOLE


WHOLE = official_content_hash(BYTES)
