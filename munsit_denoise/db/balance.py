"""Users' minutes, in milliseconds of sound: credited, reserved by jobs, and then settled or returned exactly once."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import BindParameter, bindparam, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as insert_or_change
from sqlalchemy.ext.asyncio import AsyncConnection

from munsit_denoise.db.engine import Database, now_us
from munsit_denoise.db.tables import balances, denoise_records, transactions, users
from munsit_denoise.errors import InsufficientBalance, NotFound
from munsit_denoise.records import DenoiseRecord, Status

CREDIT, RESERVATION = "credit", "reservation"
OPEN, SETTLED, RETURNED = "open", "settled", "returned"
# built once: building a statement for each job costs as much as executing it
_AMOUNT_MS: BindParameter[int] = bindparam("amount_ms")
TAKE = (
    update(balances)
    .where(balances.c.user_id == bindparam("of_user"), balances.c.available_ms >= _AMOUNT_MS)
    .values(available_ms=balances.c.available_ms - _AMOUNT_MS)
)
RESERVE = insert(transactions)
END = (
    update(transactions)
    .where(transactions.c.job_id == bindparam("of_job"), transactions.c.state == OPEN)
    .values(state=bindparam("new_state"), ended_at=bindparam("at_us"))
    .returning(transactions.c.amount_ms)
)


@dataclass(frozen=True)
class Account:
    """A user and their balance."""

    id: str
    name: str
    created_at_us: int
    available_ms: int | None  # None if they never had a credit


class Balances:
    """Balances in SQL. Every method may raise DatabaseBusy, and those that write also StorageFull."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def credit(self, user_name: str, amount_ms: int) -> int:
        """Add milliseconds of sound to a user's balance; return the new balance. Raises NotFound."""
        async with self._database.write() as connection:
            user_id = await connection.scalar(select(users.c.id).where(users.c.name == user_name))
            if user_id is None:
                raise NotFound(f"There is no user {user_name}. `munsit-denoise users list` tells which there are.")
            row = {"id": str(uuid.uuid4()), "user_id": user_id, "kind": CREDIT, "amount_ms": amount_ms}
            now = now_us()
            await connection.execute(insert(transactions).values(**row, state=SETTLED, created_at=now, ended_at=now))
            return await _give(connection, user_id, amount_ms)

    async def available_ms(self, user_id: str) -> int:
        """Return a user's balance."""
        async with self._database.read() as connection:
            return await _available(connection, user_id)

    async def accounts(self) -> Sequence[Account]:
        """Return all users by name."""
        columns = (users.c.id, users.c.name, users.c.created_at, balances.c.available_ms)
        query = select(*columns).outerjoin(balances, balances.c.user_id == users.c.id).order_by(users.c.name)
        async with self._database.read() as connection:
            return [Account(*row) for row in await connection.execute(query)]


async def reserve(connection: AsyncConnection, record: DenoiseRecord) -> DenoiseRecord:
    """Take the price of a new job from its user's balance; return the record with its reservation.

    A job with a URL is charged after the download, when its duration is known. Raises InsufficientBalance without
    changes.
    """
    if record.source_url is not None:
        return record
    amount_ms = max(round(record.audio_duration_s * 1000), 1)
    if not (await connection.execute(TAKE, {"of_user": record.user_id, "amount_ms": amount_ms})).rowcount:
        raise InsufficientBalance(amount_ms, await _available(connection, record.user_id))
    row = {"user_id": record.user_id, "kind": RESERVATION, "amount_ms": amount_ms, "job_id": record.id, "state": OPEN}
    transaction_id = str(uuid.uuid4())
    await connection.execute(RESERVE, {**row, "id": transaction_id, "created_at": now_us()})
    return replace(record, transaction_id=transaction_id)


async def reserve_fetched(connection: AsyncConnection, record: DenoiseRecord) -> DenoiseRecord:
    """Do the same as `reserve` for a job that has a row, after its original was downloaded."""
    record = await reserve(connection, record)
    own = denoise_records.c.id == record.id
    await connection.execute(update(denoise_records).where(own).values(transaction_id=record.transaction_id))
    return record


async def end_reservation(connection: AsyncConnection, record: DenoiseRecord) -> None:
    """Settle a job's reservation if it succeeded, otherwise return it; a repetition changes nothing."""
    state = SETTLED if record.status is Status.SUCCESS else RETURNED
    amount_ms = await connection.scalar(END, {"of_job": record.id, "new_state": state, "at_us": now_us()})
    if amount_ms is not None and state == RETURNED:
        await _give(connection, record.user_id, amount_ms)


async def _give(connection: AsyncConnection, user_id: str, amount_ms: int) -> int:
    """Add to a balance; return the new balance."""
    row = insert_or_change(balances).values(user_id=user_id, available_ms=amount_ms)
    added = {"available_ms": balances.c.available_ms + amount_ms}
    given = row.on_conflict_do_update(index_elements=[balances.c.user_id], set_=added)
    return int(await connection.scalar(given.returning(balances.c.available_ms)) or 0)


async def _available(connection: AsyncConnection, user_id: str) -> int:
    query = select(func.coalesce(func.max(balances.c.available_ms), 0)).where(balances.c.user_id == user_id)
    return int(await connection.scalar(query) or 0)
