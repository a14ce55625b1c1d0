"""`python -m benchmarks.bare_queue URL`: a worker of Procrastinate whose task does nothing."""

import asyncio
import sys

from procrastinate import App, PsycopgConnector

QUEUE = "bare"
TASK = "nothing"
READY = "The worker takes jobs"
ADD = f"""
INSERT INTO procrastinate_jobs (queue_name, task_name, args)
SELECT '{QUEUE}', '{TASK}', jsonb_build_object('record_id', n::text) FROM generate_series(1, %s) AS n
"""
LEFT = f"SELECT count(*) FROM procrastinate_jobs WHERE queue_name = '{QUEUE}'"


async def work(url: str) -> None:
    """Run until the process ends."""
    app = App(connector=PsycopgConnector(conninfo=url))

    @app.task(name=TASK, queue=QUEUE)
    async def nothing(record_id: str) -> None:
        """Do nothing."""

    async with app.open_async():
        print(READY, flush=True)
        await app.run_worker_async(queues=[QUEUE], concurrency=1, delete_jobs="always")


if __name__ == "__main__":
    asyncio.run(work(sys.argv[1]))
