"""Further changes in the transaction that ends a job."""

from sqlalchemy.ext.asyncio import AsyncConnection

from munsit_denoise.db.balance import end_reservation
from munsit_denoise.db.deliveries import WEBHOOK, note_delivery
from munsit_denoise.records import DenoiseRecord


async def tell_end(connection: AsyncConnection, record: DenoiseRecord) -> None:
    """Settle or return the job's reservation, and insert the webhook about its end."""
    if record.transaction_id is not None:
        await end_reservation(connection, record)
    if record.options.webhook_url is not None:
        await note_delivery(connection, record, WEBHOOK, record.options.webhook_url)
