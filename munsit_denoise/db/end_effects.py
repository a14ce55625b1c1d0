"""What happens beside the end of a job, in the transaction that ends it."""

from sqlalchemy.ext.asyncio import AsyncConnection

from munsit_denoise.db.balance import end_reservation
from munsit_denoise.db.deliveries import WEBHOOK, note_delivery
from munsit_denoise.records import DenoiseRecord


async def tell_end(connection: AsyncConnection, record: DenoiseRecord) -> None:
    """Settle or return what the job has reserved, and note that its end is to be told."""
    if record.transaction_id is not None:
        await end_reservation(connection, record)
    if record.options.webhook_url is not None:
        await note_delivery(connection, record, WEBHOOK, record.options.webhook_url)
