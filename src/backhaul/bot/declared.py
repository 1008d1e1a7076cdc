"""Finding bots: every module in `systems/NAME/` that holds a value named `bot`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from backhaul.bot.shop_bot import ShopBot
from backhaul.engine.systems import Target, find, load_system, loaded_modules, system_names
from backhaul.errors import ConfigError


@dataclass(frozen=True)
class DeclaredBot:
    """A bot, unresolved, with the pipeline that it runs."""

    system: str
    bot: ShopBot
    target: Target


def find_bot(folder: Path, name: str | None) -> DeclaredBot:
    """Return the bot of a system below folder (`systems/`), or the only one that there is.

    Raises ConfigError if there is none, or more than one to choose from, or if its pipeline is not there.
    """
    names = [name] if name else system_names(folder)
    found = [each for system in names for each in _bots(folder, system)]
    if len(found) == 1:
        return found[0]
    if not found:
        raise ConfigError(
            f"{name or 'no system here'}: no bot is declared",
            next_step="Give a module of the system a value `bot = ShopBot(...)`.",
        )
    systems = ", ".join(each.system for each in found)
    raise ConfigError(f"there are several bots: {systems}", next_step=f"Name one of: {systems}.")


def _bots(folder: Path, system: str) -> list[DeclaredBot]:
    if system not in system_names(folder):
        # It says which there are.
        find(folder, system)
    load_system(folder / system)
    return [DeclaredBot(system, bot, _target(folder, system, bot)) for bot in bots_of(system)]


def bots_of(system: str) -> list[ShopBot]:
    """Return the bots that the modules of a system declare; it was loaded before."""
    values = [vars(module).get("bot") for module in loaded_modules(system)]
    return list({id(value): value for value in values if isinstance(value, ShopBot)}.values())


def _target(folder: Path, system: str, bot: ShopBot) -> Target:
    wanted = bot.pipeline if bot.pipeline.split(".")[0] == system else f"{system}.{bot.pipeline}"
    targets = find(folder, wanted)
    if len(targets) != 1:
        names = ", ".join(target.name for target in targets)
        raise ConfigError(
            f"the bot of {system}: {bot.pipeline} stands for several pipelines: {names}",
            next_step="Name one of them in ShopBot(pipeline=...).",
        )
    return targets[0]
