"""While nothing happens, a server on its own machine asks its database next to nothing."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from sqlalchemy import Engine, event

from munsit_denoise import work
from munsit_denoise.db.engine import open_database
from munsit_denoise.db.keys import Keys
from munsit_denoise.db.migrate import upgrade
from munsit_denoise.db.readers import _Question
from munsit_denoise.jobs.intake import Received
from munsit_denoise.metrics import Metrics
from munsit_denoise.records import Options, Origin
from munsit_denoise.routes.munsit.message import message
from munsit_denoise.services import open_services
from tests.audio import write_noisy
from tests.live import make_settings

pytestmark = pytest.mark.anyio
SECONDS = 3.0
MOST = 3  # a job's record each 5 s and its listener's key each 2.5 s, however many listen with it


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Every statement that any part puts to the database."""
    put: list[str] = []

    def execute(_: Any, __: Any, statement: str, *___: object) -> None:
        if not statement.startswith("BEGIN"):
            put.append(statement)

    ask = _Question.put_to

    def put_to(question: _Question, connection: Any) -> Any:
        put.append(question.query.sql)
        return ask(question, connection)

    monkeypatch.setattr(_Question, "put_to", put_to)
    event.listen(Engine, "before_cursor_execute", execute)
    yield put
    event.remove(Engine, "before_cursor_execute", execute)


async def test_an_idle_server_with_listeners_asks_next_to_nothing(
    tmp_path: Path, statements: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*_: object) -> None:
        await anyio.sleep_forever()

    monkeypatch.setattr(work, "load_engine", never)  # so the job waits
    settings = make_settings(tmp_path / "idle")
    settings.data_dir.mkdir(exist_ok=True)
    upgrade(settings.database)
    database = open_database(settings.database)
    key = await Keys(database).create("ann")
    await database.close()

    async def receive(path: Path) -> Received:
        write_noisy(path.with_suffix(".wav"), 0.2, 8000).replace(path)
        return Received("a.wav", path.stat().st_size)

    async with open_services(settings, Metrics(), lambda _: None, write_webhook=message) as services:
        identity = await services.access.identify(key)
        assert identity is not None
        job = await services.submission.submit(identity.user_id, Origin.MUNSIT, Options(), receive)
        with (
            services.watchers.listen(job.id, identity.key_id),
            services.watchers.listen(job.id, identity.key_id),
        ):
            await anyio.sleep(2)  # what a start asks is over
            statements.clear()
            await anyio.sleep(SECONDS)
            assert len(statements) <= MOST, statements
