"""Selectors: CSS plus :has-text(), the same for both drivers."""

from collections.abc import Iterator

import pytest
from lxml import html
from lxml.html import HtmlElement

from backhaul.errors import ConfigError
from backhaul.sessions.browser import BROWSER
from backhaul.sessions.selectors import find

PAGE = """<body><div class="menu"><script>var Export;</script><a id="1" href="#">Filter</a></div>
<button id="2" class="btn btn-success m3 expot-pdf">  Ekspor
 <b>Semua</b> data</button><input id="3" type="submit" value="Kirim Laporan"><input id="4" value="Kirim">
<p id="5">È tutto</p><select id="6"><option id="7" selected>one</option></select></body>"""

FOUND = [
    ('button:has-text("ekspor semua DATA")', "2"),
    ("button.btn.btn-success.m3.expot-pdf", "2"),
    ('input:has-text("kirim laporan")', "3"),
    ("input[value='Kirim']", "4"),
    ('p:has-text("è TUTTO")', "5"),
    ('a:has-text("nothing"), p', "5"),
    ('button:not(:has-text("Ekspor")), input', "3"),
    ('div:has-text("Export")', None),
    ("select > option", "7"),
    ("body > *:nth-child(2)", "2"),
]


@pytest.fixture
def tree() -> HtmlElement:
    return html.document_fromstring(PAGE)


@pytest.mark.parametrize(("selector", "wanted"), FOUND)
def test_a_selector_finds_the_first_element_of_the_page(tree: HtmlElement, selector: str, wanted: str | None) -> None:
    found = find(tree, selector)

    assert (None if found is None else found.get("id")) == wanted


@pytest.fixture(scope="module")
def browser() -> Iterator[None]:
    BROWSER.enter()
    yield
    BROWSER.leave()


@pytest.mark.browser
@pytest.mark.usefixtures("browser")
def test_the_browser_finds_the_same() -> None:
    def found() -> list[str | None]:
        page = BROWSER.new_context().new_page()
        page.set_content(PAGE)
        elements = [page.query_selector(f"css={selector}") for selector, _ in FOUND]
        return [None if element is None else element.get_attribute("id") for element in elements]

    assert BROWSER.call(found) == [wanted for _, wanted in FOUND]


@pytest.mark.parametrize("selector", ["text=Export", "//a", "a:visible", "a >> b", "", "a:has-text(b c)"])
def test_what_only_one_driver_could_read_is_refused(tree: HtmlElement, selector: str) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        find(tree, selector)
