"""`init`: a folder that a person can work in. Overwrites nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

from backhaul.bot.declared import bots_of
from backhaul.cli.output import Output
from backhaul.config import settings_in
from backhaul.engine.systems import bundled_systems, load_system, system_names
from backhaul.errors import ConfigError

GITIGNORE = ".env\ndata/\nexports/\nbackups/\n*.csv\n*.xlsx\n__pycache__/\n"
PIPELINE = '''"""A first pipeline: one export of a back office."""

from backhaul import BackOffice, FormLogin, Pipeline, Schedule, Secret, Setting

office = BackOffice(
    base_url=Setting("BACKEND_URL"),
    login=FormLogin("/login", username=Secret("BACKEND_USERNAME"), password=Secret("BACKEND_PASSWORD")),
)

pipeline = Pipeline(
    name="exports",
    streams=[
        office.export(
            "orders",
            key="Order ID",
            page="/orders/export",
            dates=('input[name="start_date"]', 'input[name="end_date"]'),
            button='button:has-text("Export")',
        ),
    ],
    schedule=Schedule("0 8 * * *", timezone="Asia/Jakarta"),
)
'''


def init_folder(output: Output, folder: Path, origin: str | None) -> None:
    """Set folder up with a copy of a bundled system, or with a first pipeline to edit."""
    made = copy_system(folder, origin) if origin else _write(folder / "systems/first/pipeline.py", PIPELINE)
    system = origin or "first"
    targets = load_system(folder / "systems" / system)
    found = {each.name: each for each in settings_in(([target.pipeline for target in targets], bots_of(system)))}
    names = [name for name, setting in found.items() if setting.default is None]
    # An empty default is a decision that an installation makes: who may ask, which folder instead.
    optional = [name for name, setting in found.items() if setting.default == ""]
    values = "".join(f"{name}=\n" for name in names) + "".join(f"# {name}=\n" for name in optional)
    settings = _write(folder / ".env", f"# The settings of this installation; keep this file to yourself.\n{values}")
    for path in settings:
        path.chmod(0o600)
    made += settings
    made += _write(folder / ".gitignore", GITIGNORE)
    if output.json:
        output.document({"folder": str(folder), "made": [str(path) for path in made], "settings": names})
        return
    for path in made:
        output.say(f"made {path}")
    if not made:
        output.say(f"{folder}: everything is there already; nothing was changed")
    into = "" if folder == Path() else f"cd {folder}, "
    output.say(f"next: {into}fill in .env ({', '.join(names)}), then: backhaul plan {system}")


def copy_system(folder: Path, origin: str) -> list[Path]:
    """Copy a bundled system into folder/systems; return the files made, none if it is there already."""
    bundled = bundled_systems()
    known = system_names(bundled)
    if origin not in known:
        raise ConfigError(f"there is no system {origin!r} to copy", next_step=f"Choose from: {', '.join(known)}.")
    target = folder / "systems" / origin
    if target.exists():
        return []
    shutil.copytree(bundled / origin, target, ignore=shutil.ignore_patterns("__pycache__", "tests"))
    return sorted(path for path in target.rglob("*") if path.is_file())


def _write(path: Path, text: str) -> list[Path]:
    if path.exists():
        return []
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return [path]
