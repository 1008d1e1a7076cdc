"""`fetch` and `extract`: one step of a run at a time."""

from dataclasses import replace
from pathlib import Path

from backhaul.sandbox import SandboxBackOffice
from tests.cli.shop import DAY, Shop

USERS = "User ID,Nama,Poin\n00001,Ani,5\n00002,Budi,7\n00002,Budi,8\n"


def test_what_is_fetched_is_kept_and_delivered_by_the_next_run(shop: Shop, office: SandboxBackOffice) -> None:
    fetched = shop.call("fetch", "andalan.user", "--window", DAY)
    office.data["user"].clear()
    run = shop.call("run", "andalan.user", "--window", DAY)

    assert fetched.returncode == 0, fetched.stderr
    assert "bytes, is kept" in fetched.stdout
    assert "next: `backhaul run andalan.user` reads and delivers it" in fetched.stdout
    assert "left over from earlier runs: 16 rows: 16 new" in run.stdout


def test_fetch_lists_the_kept_files_as_a_document(shop: Shop) -> None:
    found = shop.document("fetch", "andalan", "--window", DAY)

    assert found["exit_code"] == 0
    assert len(found["files"]) == 4
    assert {"name", "size_bytes", "sha256"} <= set(found["files"][0])


def test_a_fetch_that_fails_says_why_and_what_to_do(shop: Shop) -> None:
    refused = replace(shop, settings={**shop.settings, "BACKEND_PASSWORD": "wrong"})

    done = refused.call("fetch", "andalan.user", "--window", DAY)

    assert done.returncode == 4
    assert "next:" in done.stdout


def test_a_file_is_extracted_without_any_setting_and_nothing_is_kept(shop: Shop) -> None:
    (shop.folder / "users.csv").write_text(USERS, encoding="utf-8")

    done = replace(shop, settings={}).call("extract", "andalan.user", "users.csv", "--to", "out.csv")

    assert done.returncode == 0, done.stderr
    assert "andalan.user: 2 rows in out.csv, 1 duplicate, 0 rejected" in done.stdout
    written = (shop.folder / "out.csv").read_text(encoding="utf-8-sig").splitlines()
    assert written == ["User ID,Nama,Poin", "00001,Ani,5", "00002,Budi,8"]
    assert not (shop.folder / "data").exists()
    assert sorted(path.name for path in shop.folder.iterdir()) == ["out.csv", "systems", "users.csv"]


def test_a_file_extracted_into_a_folder_is_told_by_its_whole_name(shop: Shop) -> None:
    (shop.folder / "users.csv").write_text(USERS, encoding="utf-8")
    (shop.folder / "tables").mkdir()

    done = shop.call("extract", "andalan.user", "users.csv", "--to", "tables")

    assert f"andalan.user: 2 rows in {Path('tables', 'user.csv')}" in done.stdout
    assert (shop.folder / "tables" / "user.csv").exists()


def test_extracting_says_what_a_run_would_hold_back_or_refuse(shop: Shop) -> None:
    (shop.folder / "half.csv").write_text("User ID,Nama,Poin\n00001,Ani,5\n0000", encoding="utf-8")
    (shop.folder / "page.csv").write_text("<html><body>Sign in</body></html>", encoding="utf-8")

    half = shop.call("extract", "andalan.user", "half.csv", "--to", "out.csv")
    page = shop.call("extract", "andalan.user", "page.csv", "--to", "out.csv")
    several = shop.call("extract", "andalan", "half.csv", "--to", "out.csv")
    nowhere = shop.call("extract", "andalan.user", "half.csv", "--to", "there/out.csv")

    assert [each.returncode for each in (half, page, several, nowhere)] == [1, 1, 2, 2]
    assert "is not whole" in half.stderr
    assert "next: Get the whole file once more." in half.stderr
    assert "page.csv" in page.stderr
    assert "a file is of one stream; andalan has 4" in several.stderr
    assert "the folder there is not there" in nowhere.stderr
    assert not Path(shop.folder / "out.csv").exists()


def test_a_file_given_by_hand_needs_no_setting_of_the_source(shop: Shop) -> None:
    (shop.folder / "users.csv").write_text(USERS, encoding="utf-8")

    done = replace(shop, settings={}).call("run", "andalan.user", "--file", "users.csv")

    assert done.returncode == 0, done.stderr
