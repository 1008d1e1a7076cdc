"""The peer of the office benchmark: the same four exports with Selenium, one after the other, into SQLite.

Settings: BACKEND_URL, BACKEND_USERNAME, BACKEND_PASSWORD, EXPORT_DAY (YYYY-MM-DD), OUTPUT_FOLDER;
PEER_CHROME_BIN and PEER_CHROMEDRIVER_BIN name the browser (not the headless shell: Selenium gets no file from it).
It prints the counts of each stream as one line of JSON.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

from openpyxl import load_workbook
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.wait import WebDriverWait

STREAMS = {
    "transaksi": ("transaksi", "Transaksi ID"),
    "point_trx": ("pointtrx", "Point Transaction ID"),
    "user": ("user", "User ID"),
    "pembayaran_koin": ("pembayarankoin", "Payment ID"),
}
TIMEOUT_S = 300
FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


def browser(downloads: Path) -> webdriver.Chrome:
    """Return a started browser that saves downloads into a folder without asking."""
    options = webdriver.ChromeOptions()
    options.binary_location = os.environ["PEER_CHROME_BIN"]
    for flag in FLAGS:
        options.add_argument(flag)
    preferences = {"download.default_directory": str(downloads), "download.prompt_for_download": False}
    options.add_experimental_option("prefs", preferences)
    service = webdriver.ChromeService(os.environ["PEER_CHROMEDRIVER_BIN"])
    return webdriver.Chrome(options=options, service=service)


def sign_in(driver: webdriver.Chrome, url: str) -> None:
    """Fill the login form and wait until the page of a signed-in person is there."""
    driver.get(f"{url}/admin/login/?next=/admin/")
    driver.find_element(By.NAME, "username").send_keys(os.environ["BACKEND_USERNAME"])
    driver.find_element(By.NAME, "password").send_keys(os.environ["BACKEND_PASSWORD"])
    driver.find_element(By.CSS_SELECTOR, "input[type=submit]").click()
    WebDriverWait(driver, TIMEOUT_S).until(lambda page: page.find_element(By.ID, "logout-form"))


def export(driver: webdriver.Chrome, page: str, day: str, downloads: Path) -> Path:
    """Return the file of one export."""
    before = set(downloads.iterdir())
    driver.get(page)
    Select(driver.find_element(By.NAME, "format")).select_by_visible_text("xlsx")
    for name in ("start_date", "end_date"):
        # A date field takes no typed ISO date; its value is set by script.
        field = driver.find_element(By.NAME, name)
        driver.execute_script("arguments[0].value = arguments[1]", field, day)
    driver.find_element(By.CSS_SELECTOR, ".submit-row input[type=submit]").click()
    give_up = time.monotonic() + TIMEOUT_S
    while time.monotonic() < give_up:
        # Chrome reserves the final name with an empty file while the bytes still arrive under another one.
        new = set(downloads.iterdir()) - before
        done = [path for path in new if path.suffix == ".xlsx" and is_zipfile(path)]
        if done:
            return done[0]
        time.sleep(0.05)
    raise TimeoutError(f"no file from {page} within {TIMEOUT_S} s")


def merge(database: sqlite3.Connection, table: str, key: str, path: Path) -> dict[str, int]:
    """Write new and changed rows, leave the others alone, and return exact counts."""
    book = load_workbook(path, read_only=True)
    rows = book.active.iter_rows(values_only=True)
    header = [str(name) for name in next(rows)]
    columns = ", ".join(f'"{name}"' for name in header)
    marks = ", ".join("?" for _ in header)
    place = header.index(key)
    database.execute(f'CREATE TABLE IF NOT EXISTS "{table}" ({columns}, PRIMARY KEY ("{key}"))')
    known = {row[place]: row for row in database.execute(f'SELECT {columns} FROM "{table}"')}
    counts = {"new": 0, "updated": 0, "unchanged": 0}
    for values in rows:
        row = tuple(_plain(value) for value in values)
        old = known.get(row[place])
        kind = "new" if old is None else "unchanged" if old == row else "updated"
        counts[kind] += 1
        if kind != "unchanged":
            database.execute(f'INSERT OR REPLACE INTO "{table}" ({columns}) VALUES ({marks})', row)
    database.commit()
    book.close()
    return counts


def _plain(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else value


def main() -> None:
    """Sign in once, take the four exports and merge each."""
    url, day = os.environ["BACKEND_URL"], os.environ["EXPORT_DAY"]
    folder = Path(os.environ["OUTPUT_FOLDER"])
    downloads = folder / "downloads"
    downloads.mkdir(parents=True, exist_ok=True)
    database = sqlite3.connect(folder / "selenium.sqlite3")
    driver = browser(downloads)
    try:
        sign_in(driver, url)
        counts = {}
        for stream, (model, key) in STREAMS.items():
            path = export(driver, f"{url}/admin/office/{model}/export/", day, downloads)
            counts[stream] = merge(database, stream, key, path)
            path.unlink()
    finally:
        driver.quit()
        database.close()
    print(json.dumps(counts))


if __name__ == "__main__":
    main()
