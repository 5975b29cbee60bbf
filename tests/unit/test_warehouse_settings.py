"""``[warehouse]``: a DuckDB file, or a lake with a catalog and data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flows import settings
from flows.errors import ConfigurationError
from flows.warehouse_settings import WarehouseSettings, check_lake
from warehouse.errors import ExtensionMissing
from warehouse.lake import extensions
from warehouse.location import Lake

URL = "ducklake:postgres:dbname=news host=db.example"
DATA = "s3://bucket/lake"


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the extra were installed."""
    monkeypatch.setattr(extensions, "check", lambda _lake: None)


def test_a_lake_has_a_catalog_and_data_and_no_file(installed: None, tmp_path: Path) -> None:
    found = settings.load(
        _file(tmp_path, f'url = "{URL}"\ndata = "lake/"'),
        {},
    ).warehouse

    assert found.location == Lake("postgres:dbname=news host=db.example", str(tmp_path / "lake"))
    assert found.folder == tmp_path / "data"


def test_a_catalog_in_a_file_is_relative_to_the_configuration(
    installed: None, tmp_path: Path
) -> None:
    found = settings.load(_file(tmp_path, f'url = "ducklake:a.ducklake"\ndata = "{DATA}"'), {})

    assert found.warehouse.location == Lake(str(tmp_path / "a.ducklake"), DATA)


def test_a_warehouse_in_a_file_is_its_path(tmp_path: Path) -> None:
    found = settings.load(_file(tmp_path, 'path = "news.duckdb"'), {}).warehouse

    assert found.location == found.path == tmp_path / "news.duckdb"


@pytest.mark.parametrize(
    ("key", "given"),
    [
        ("url", {"url": "postgres:dbname=news", "data": DATA}),
        ("url", {"url": "ducklake:", "data": DATA}),
        ("url", {"url": "ducklake:postgres:", "data": DATA}),
        ("url", {"url": "ducklake:mysql:db=news", "data": DATA}),
        ("data", {"url": URL}),
        ("data", {"url": URL, "data": "s3://"}),
        ("data", {"url": URL, "data": "https://example.org/lake"}),
        ("data", {"url": URL, "data": "s3://bucket/lake?secret=1"}),
        ("data", {"data": DATA}),
        ("path", {"url": URL, "data": DATA, "path": "a.duckdb"}),
        ("snapshot", {"url": URL, "data": DATA, "snapshot": "a.duckdb"}),
    ],
)
def test_a_wrong_lake_is_an_error_that_names_the_key(
    installed: None, key: str, given: dict[str, Any]
) -> None:
    with pytest.raises(ConfigurationError, match=rf"^warehouse\.{key}: "):
        check_lake(WarehouseSettings(**given))


@pytest.mark.parametrize(
    "catalog",
    [
        "dbname=news password=hunter2",
        "dbname=news PASSWORD = 'hunter2'",
        "dbname=news sslpassword=hunter2",
        "postgresql://editor:hunter2@db.example/news",
        "postgresql://editor:hunter2%2F%20@db.example/news",
        "postgresql://editor:/hunter2@db.example/news",
        "postgresql://the%2Feditor:hunter2@db.example/news",
        "postgresql://db.example/news?password=hunter2",
        "postgresql://db.example/news?pass%77ord=hunter2",
    ],
)
def test_a_password_in_the_address_is_refused_and_not_shown(
    installed: None, tmp_path: Path, catalog: str
) -> None:
    config = _file(tmp_path, f'url = "ducklake:postgres:{catalog}"\ndata = "{DATA}"')
    with pytest.raises(ConfigurationError) as caught:
        settings.load(config, {})

    assert "PGPASSWORD" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extensions, "find_spec", lambda _name: None)
    with pytest.raises(ConfigurationError) as caught:
        check_lake(WarehouseSettings(url=URL, data=DATA))

    assert isinstance(caught.value.__cause__ or caught.value.__context__, ExtensionMissing)
    for part in ('pip install "copydesk[lake]"', "duckdb 1.5.5", "psycopg"):
        assert part in str(caught.value)


def _file(folder: Path, warehouse: str) -> Path:
    file = folder / "copydesk.toml"
    file.write_text(f"[warehouse]\n{warehouse}\n")
    return file
