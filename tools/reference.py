"""Write docs/reference from the code: commands, public names, errors and settings.

python -m tools.reference    writes the pages; a test fails while they differ from the code
"""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "reference"
MADE = "Made from the code by `make reference`; do not edit."


def page(name: str) -> str:
    """Return the text of the reference page of that file name."""
    title, lines = PAGES[name]
    text = "\n".join([f"# {title}", "", MADE, "", *lines()])
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def commands() -> Iterator[str]:
    """Yield the lines about every command: what it does, how it is called, its arguments and options."""
    from typer.main import get_command

    from backhaul.cli.app import app

    group: Any = get_command(app)
    yield from _commands_of(group, group.make_context("backhaul", ["--help"], resilient_parsing=True), "backhaul")


def _commands_of(group: Any, context: Any, before: str) -> Iterator[str]:
    """Yield the lines about the commands of a group, and of the groups inside it."""
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command.hidden:
            continue
        shown = [parameter for parameter in command.params if not getattr(parameter, "hidden", False)]
        usage = [_argument(parameter) for parameter in shown if parameter.param_type_name == "argument"]
        whole, is_group = f"{before} {name}", hasattr(command, "list_commands")
        words = [whole, *usage, *(["COMMAND"] if is_group else []), "[OPTIONS]"]
        yield from (f"## {whole}", "", f"    {' '.join(words)}", "")
        yield from (_as_markdown(command.help or ""), "")
        yield from ("| option | meaning |", "|---|---|", *(_row(parameter) for parameter in shown), "")
        if is_group:
            yield from _commands_of(command, context, whole)


def _argument(parameter: Any) -> str:
    name = parameter.metavar or parameter.name.upper()
    return name if parameter.required else f"[{name}]"


def _row(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        names = _argument(parameter)
    else:
        value = "" if parameter.is_flag else f" {parameter.metavar or parameter.name.upper()}"
        names = ", ".join([*parameter.opts, *parameter.secondary_opts]) + value
    return f"| `{names}` | {' '.join((parameter.help or '').split())} |"


def _as_markdown(help_text: str) -> str:
    text = inspect.cleandoc(help_text)
    return re.sub(r"^Example: (.+)$", r"Example: `\1`", text, flags=re.MULTILINE)


def names() -> Iterator[str]:
    """Yield the lines about each name that `from backhaul import` gives, with the verbs that make streams."""
    import backhaul

    for name in sorted(backhaul.__all__, key=str.lower):
        value = getattr(backhaul, name)
        if inspect.ismodule(value):
            yield from (f"## {name}", "", _documentation(value), "")
            for inner, member in vars(value).items():
                if not inner.startswith("_") and getattr(member, "__module__", None) == value.__name__:
                    yield from _name("###", f"{name}.{inner}", member)
        else:
            yield from _name("##", name, value)


def _name(level: str, name: str, value: object) -> Iterator[str]:
    if not callable(value):
        return
    yield from (f"{level} {name}", "", f"    {name}{_signature(value)}", "", _documentation(value), "")
    for verb, member in vars(value).items() if isinstance(value, type) else ():
        if inspect.isfunction(member) and inspect.signature(member).return_annotation == "Stream":
            yield from (f"{level}# {name}.{verb}", "", f"    {verb}{_signature(member)}", "")
            yield from (_documentation(member), "")


def _signature(value: Callable[..., object]) -> str:
    """Return how value is called; an empty text for what is not called."""
    if isinstance(value, type) and issubclass(value, (Enum, BaseException)):
        return ""
    signature = inspect.signature(value)
    kept = [_plain(parameter) for parameter in signature.parameters.values() if parameter.name != "self"]
    return str(signature.replace(parameters=kept, return_annotation=inspect.Signature.empty))


def _plain(parameter: inspect.Parameter) -> inspect.Parameter:
    """Return parameter without its type, and with its default as a pipeline's author would write it."""
    plain = parameter.replace(annotation=inspect.Parameter.empty)
    return plain.replace(default=_written(parameter.default))


class _Written:
    """A default whose repr is how it is written in a pipeline."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def _written(default: object) -> object:
    import backhaul

    if isinstance(default, Enum):
        return default.value
    if isinstance(default, backhaul.Setting):
        return _Written(f'{type(default).__name__}("{default.name}")')
    for name in backhaul.__all__:
        if name.isupper() and getattr(backhaul, name) is default:
            return _Written(name)
    if dataclasses.is_dataclass(default) and not isinstance(default, type) and default == type(default)():
        return _Written(f"{type(default).__name__}()")
    return _Written(f"{default.__name__}") if inspect.isfunction(default) else default


def _documentation(value: object) -> str:
    """Return the docstring with its list of arguments as a Markdown list."""
    text, mark, arguments = (inspect.getdoc(value) or "").partition("Args:\n")
    if not mark:
        return text
    listed, _, rest = arguments.partition("\n\n")
    one_a_line = re.sub(r"\n {5,}", " ", listed)
    items = re.sub(r"^ {4}(\w+): ", r"- `\1`: ", one_a_line, flags=re.MULTILINE)
    return f"{text}{items}\n\n{rest}".strip()


def errors() -> Iterator[str]:
    """Yield the lines about the error classes, with the exit code of a command that one of them ends."""
    from backhaul import errors as tree
    from backhaul.cli.output import exit_code_of

    yield "What each exit code asks of you stands in [act on exit codes](../how-to/act-on-exit-codes.md)."
    yield from ("", "| error | exit code | severity | meaning | next step |", "|---|---|---|---|---|")
    for name, error in vars(tree).items():
        if isinstance(error, type) and issubclass(error, tree.BackhaulError):
            meaning = (inspect.getdoc(error) or "").split("\n\n")[0].replace("\n", " ")
            code, step = exit_code_of(error("")), error.default_next_step
            yield f"| `{name}` | {code} | {error.severity} | {meaning} | {step} |"


def settings() -> Iterator[str]:
    """Yield the lines about the settings: the names and comments of .env.example."""
    comment: list[str] = []
    yield from ("| setting | meaning |", "|---|---|")
    for line in (ROOT / ".env.example").read_text(encoding="utf-8").splitlines():
        if named := re.match(r"(?:# )?([A-Z][A-Z0-9_]+)=", line):
            yield f"| `{named[1]}` | {' '.join(comment)} |"
        elif line.startswith("#"):
            comment.append(line.lstrip("# "))
        else:
            comment = []


PAGES: dict[str, tuple[str, Callable[[], Iterator[str]]]] = {
    "commands.md": ("Commands", commands),
    "names.md": ("Public names", names),
    "errors.md": ("Errors and exit codes", errors),
    "settings.md": ("Settings", settings),
}


def main() -> None:
    """Write every page whose text has changed, and say which."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in PAGES:
        path, text = FOLDER / name, page(name)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(f"written: {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
