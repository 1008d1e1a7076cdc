"""Settings are named in the pipeline and valued by the environment and one `.env`."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from backhaul import Secret, Setting
from backhaul.config import SecretText, home, load_settings, missing_settings, resolved, settings_in, text
from backhaul.errors import ConfigError


@dataclass(frozen=True)
class Login:
    user: object = None
    password: object = None


@dataclass(frozen=True)
class Part:
    login: object = None
    parts: tuple[object, ...] = ()
    named: dict[str, object] = field(default_factory=dict)


def test_every_setting_is_found_once_in_order_wherever_it_stands() -> None:
    value = Part(Login(Setting("A"), Secret("B")), ([Setting("C")], Setting("A")), {"x": Setting("D")})

    assert [setting.name for setting in settings_in(value)] == ["A", "B", "C", "D"]


def test_all_missing_settings_are_named_at_once() -> None:
    value = Part(Login(Setting("A"), Secret("B")), (Setting("C"),))

    assert missing_settings(value, {"B": "x"}) == ["A", "C"]
    with pytest.raises(ConfigError, match="missing settings: A, C") as caught:
        resolved(value, {"B": "x"})
    assert ".env" in caught.value.next_step


def test_settings_become_their_values_and_the_declaration_stays_as_it_was() -> None:
    value = Part(Login(Setting("A"), Secret("B")), (1, [Setting("A")]), {"x": Setting("A")})

    filled = resolved(value, {"A": "a", "B": "b"})

    assert filled == Part(Login("a", "b"), (1, ["a"]), {"x": "a"})
    assert value.login == Login(Setting("A"), Secret("B"))


def test_an_object_that_stands_twice_stays_one_object() -> None:
    login = Login(Setting("A"))
    value = Part(login, (Part(login), Part(login)))

    filled = resolved(value, {"A": "a"})

    first, second = filled.parts
    assert isinstance(first, Part)
    assert isinstance(second, Part)
    assert filled.login is first.login is second.login


def test_what_holds_no_setting_stays_the_same_object() -> None:
    plain = Part(Login("a"), (1, 2))

    assert resolved((plain, Setting("A")), {"A": "a"})[0] is plain


def test_a_secret_hides_in_every_repr_and_still_is_its_text() -> None:
    filled = resolved(Login(Setting("A"), Secret("B")), {"A": "kasir", "B": "hunter2"})

    assert isinstance(filled.password, SecretText)
    assert filled.password == "hunter2"
    assert "hunter2" not in f"{filled!r} {[filled]} {filled.__dict__}"
    assert "'kasir'" in repr(filled)


def test_a_text_that_nobody_has_filled_is_named() -> None:
    assert text("a") == "a"
    with pytest.raises(ConfigError, match="setting A has no value"):
        text(Setting("A"))


def test_the_environment_overrules_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ["BACKEND_URL=file", "BACKEND_USERNAME='a b'", "BACKEND_PASSWORD=pa$$w0rd${HOME}"]
    (tmp_path / ".env").write_text("\n".join(lines))
    monkeypatch.setenv("BACKEND_URL", "environment")

    settings = load_settings(tmp_path)

    assert settings["BACKEND_URL"] == "environment"
    assert settings["BACKEND_USERNAME"] == "a b"
    assert settings["BACKEND_PASSWORD"] == "pa$$w0rd${HOME}"


def test_an_empty_value_counts_as_missing(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("BACKEND_URL=\nBACKEND_USERNAME\n")

    wanted = (Setting("BACKEND_URL"), Setting("BACKEND_USERNAME"))
    assert missing_settings(wanted, load_settings(tmp_path)) == ["BACKEND_URL", "BACKEND_USERNAME"]


def test_a_file_saved_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes("\ufeffBACKEND_URL=http://x\n".encode())

    assert load_settings(tmp_path)["BACKEND_URL"] == "http://x"


def test_a_file_that_is_not_utf8_is_told(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes("BACKEND_URL=x\n".encode("utf-16"))

    with pytest.raises(ConfigError, match=r"\.env is not saved as UTF-8"):
        load_settings(tmp_path)


def test_a_folder_without_a_file_has_the_environments_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BACKEND_URL", "environment")

    assert load_settings(tmp_path)["BACKEND_URL"] == "environment"


def test_home_is_the_folder_named_in_the_environment_else_the_current_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert home() == tmp_path.resolve()

    monkeypatch.setenv("BACKHAUL_HOME", "inner")
    assert home() == tmp_path.resolve() / "inner"
