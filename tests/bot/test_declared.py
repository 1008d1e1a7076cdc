"""Finding the bot of a system, and what the command says where something lacks."""

import sys

import pytest

from backhaul.bot.declared import find_bot
from backhaul.cli.bot import run_bot
from backhaul.cli.output import Output
from backhaul.errors import ConfigError
from tests.bot.place import MODULE


def test_the_only_bot_needs_no_name(shop):
    found = find_bot(shop.folder / "systems", None)

    assert (found.system, found.target.name, found.bot.pipeline) == ("toko", "toko", "toko")


def test_where_there_are_several_one_is_to_be_named(shop):
    other = shop.folder / "systems" / "kios"
    other.mkdir()
    (other / "pipeline.py").write_text(MODULE.replace('ShopBot(pipeline="toko"', 'ShopBot(pipeline="kios"'))

    with pytest.raises(ConfigError) as caught:
        find_bot(shop.folder / "systems", None)

    assert caught.value.next_step == "Name one of: kios, toko."
    assert find_bot(shop.folder / "systems", "kios").system == "kios"


def test_a_bot_may_have_a_module_of_its_own(shop):
    system = shop.folder / "systems" / "toko"
    module, _, bot = (system / "pipeline.py").read_text().partition("bot = ")
    (system / "pipeline.py").write_text(module)
    imported = "from backhaul.bot import ShopBot\nfrom backhaul.config import Setting\nfrom .pipeline import index\n"
    (system / "shop_bot.py").write_text(f"{imported}bot = {bot}")

    assert find_bot(shop.folder / "systems", "toko").target.name == "toko"


def test_a_system_without_a_bot_and_a_system_that_is_not_there_are_told(shop):
    module = shop.folder / "systems" / "toko" / "pipeline.py"
    module.write_text(module.read_text().partition("bot = ")[0])

    with pytest.raises(ConfigError, match="toko: no bot is declared"):
        find_bot(shop.folder / "systems", "toko")
    with pytest.raises(ConfigError, match="there is no system 'kios'"):
        find_bot(shop.folder / "systems", "kios")


def test_a_bot_of_a_pipeline_that_is_not_there_is_told(shop):
    module = shop.folder / "systems" / "toko" / "pipeline.py"
    module.write_text(MODULE.replace('ShopBot(pipeline="toko"', 'ShopBot(pipeline="kios"'))

    with pytest.raises(ConfigError, match="kios is not part of toko"):
        find_bot(shop.folder / "systems", "toko")


@pytest.mark.parametrize("package", ["telegram", "aiolimiter"])
def test_without_the_extra_its_name_is_told(shop, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)

    with pytest.raises(ConfigError) as caught:
        run_bot(Output(), None, webhook=None, listen=None)

    assert package in str(caught.value)
    assert caught.value.next_step == 'pip install "backhaul[telegram]"'
