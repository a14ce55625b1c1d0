"""The migrated schema is the tables', on both databases; the newest revision comes and goes with the rows kept."""

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from munsit_denoise.db.migrate import connected, downgrade, upgrade
from munsit_denoise.db.tables import metadata
from tests.services import Databases

BEFORE = "0009"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'schema.db'}"
    server: Databases = request.getfixturevalue("postgres_server")
    return server.new_database()


def differences(url: str) -> list[object]:
    def is_ours(_: object, name: str | None, kind: str, *__: object) -> bool:
        return not (kind == "table" and (name or "").startswith("procrastinate_"))

    with connected(url) as connection:
        options = {"include_object": is_ours, "compare_type": True}
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))


def test_the_schema_is_the_tables_and_goes_back_with_the_rows_kept(url: str) -> None:
    upgrade(url, BEFORE)
    with connected(url, writes=True) as connection:
        connection.exec_driver_sql("INSERT INTO users (id, name, created_at) VALUES ('u', 'ann', 1)")
    upgrade(url)
    assert differences(url) == []
    with connected(url, writes=True) as connection:
        assert connection.exec_driver_sql("SELECT id, priority FROM users").fetchall() == [("u", 0)]
        connection.exec_driver_sql("UPDATE users SET priority = 3")
    downgrade(url, BEFORE)
    with connected(url) as connection:
        assert connection.exec_driver_sql("SELECT id, name FROM users").fetchall() == [("u", "ann")]
    upgrade(url)
    assert differences(url) == []
