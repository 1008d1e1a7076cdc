"""The file of other spellings."""

from pathlib import Path

import pytest

from backhaul.errors import ConfigError
from backhaul.search.synonyms import shipped, with_own


@pytest.fixture
def own(tmp_path: Path) -> Path:
    return tmp_path / "own.txt"


def test_the_shipped_list_can_be_read_and_is_settled() -> None:
    found = shipped()

    assert found["GRG"] == "GORENG"
    assert not set(found) & set(found.values())


def test_own_lines_go_first_and_may_take_a_shipped_spelling_back(own: Path) -> None:
    own.write_text("\ufeff# ours\n\ngrg = Gurih  # not fried\nSBN =\nmrc = merica\n", encoding="utf-8")

    found = with_own(own)

    assert (found["GRG"], found["MRC"], found["GRNG"]) == ("GURIH", "MERICA", "GORENG")
    assert "SBN" not in found


def test_a_spelling_may_stand_for_several_words_which_other_lines_spell_too(own: Path) -> None:
    own.write_text("mgb = mnyk grg botol\nMNYK = MINYAK\n", encoding="utf-8")

    assert with_own(own)["MGB"] == "MINYAK GORENG BOTOL"


def test_every_bad_line_is_told_by_its_number(own: Path) -> None:
    own.write_text("GRG = GORENG\nno sign\n= X\nA = B C D E F\nA = B = C\nX = !!\n", encoding="utf-8")

    with pytest.raises(ConfigError, match=r"own.txt: 5 lines cannot be read: line 2, 3, 4, 5, 6") as told:
        with_own(own)

    assert "SPELLING" in told.value.next_step


def test_a_file_that_is_not_there_or_no_text_is_told(own: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        with_own(own)

    own.write_bytes(b"GRG = \xff\xfe\xfa")
    with pytest.raises(ConfigError, match="UTF-8"):
        with_own(own)
