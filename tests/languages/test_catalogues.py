"""The catalogues are whole, and compiled."""

import gettext
import io
import re
from string import Formatter

import pytest

from tools import catalogues

FOUND = {path.stem: (path, catalogue) for path, catalogue in catalogues.catalogues()}


def places(sentence: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(sentence) if name is not None}


def test_there_is_a_catalogue_for_each_language_but_english():
    from backhaul.languages import LANGUAGES

    assert {"en", *FOUND} == set(LANGUAGES)


@pytest.mark.parametrize("language", FOUND)
def test_a_catalogue_has_every_sentence_of_the_code_and_no_other(language):
    _, catalogue = FOUND[language]

    assert list(catalogues.troubles(catalogue)) == []


def test_sentences_inside_f_strings_and_the_advice_of_the_errors_are_found():
    found = catalogues.sentences()

    assert {("has never succeeded",), ("{n} row", "{n} rows")} <= found
    assert ("Look at the data; if it is right, run again with --accept.",) in found


@pytest.mark.parametrize("language", FOUND)
def test_a_translation_has_the_places_of_its_sentence(language):
    _, catalogue = FOUND[language]

    wrong = [
        sentence
        for sentence, forms in catalogues.entries(catalogue).items()
        for form in forms
        if places(form) != places(sentence[-1])
    ]

    assert wrong == []


@pytest.mark.parametrize("language", FOUND)
def test_the_advice_keeps_its_commands(language):
    _, catalogue = FOUND[language]
    commands = re.compile(r"--\w+|`[^`]+`|TELEGRAM_\w+")

    for sentence, forms in catalogues.entries(catalogue).items():
        assert {tuple(commands.findall(form)) for form in forms} == {tuple(commands.findall(sentence[0]))}


@pytest.mark.parametrize("language", FOUND)
def test_the_compiled_catalogue_is_that_of_the_text(language):
    path, catalogue = FOUND[language]

    assert path.with_suffix(".mo").read_bytes() == catalogues.compiled(catalogue), "run python -m tools.catalogues"


@pytest.mark.parametrize("language", FOUND)
def test_the_compiled_catalogue_counts_as_the_language_does(language):
    _, catalogue = FOUND[language]
    compiled = gettext.GNUTranslations(io.BytesIO(catalogues.compiled(catalogue)))

    forms = {compiled.ngettext("{n} row", "{n} rows", n) for n in (0, 1, 2, 5, 100)}

    assert len(forms) == catalogue.num_plurals
    assert compiled.gettext("SYSTEM ERROR") == dict(catalogues.entries(catalogue))[("SYSTEM ERROR",)][0]


def test_a_sentence_that_is_put_together_elsewhere_is_refused(tmp_path, monkeypatch):
    (tmp_path / "notify").mkdir()
    (tmp_path / "notify" / "odd.py").write_text("words.say(sentence)\n", encoding="utf-8")
    (tmp_path / "languages").mkdir()
    monkeypatch.setattr(catalogues, "CODE", tmp_path)

    with pytest.raises(ValueError, match=r"odd\.py:1"):
        catalogues.sentences()


def test_a_missing_sentence_and_a_missing_translation_are_told():
    from babel.messages.catalog import Catalog

    lacking = Catalog(locale="id")
    lacking.add("SYSTEM ERROR", "")
    lacking.add("never said", "tidak")

    told = set(catalogues.troubles(lacking))

    assert "not translated: ('SYSTEM ERROR',)" in told
    assert "no longer said: ('never said',)" in told
    assert "missing: ('WORKS AGAIN',)" in told
