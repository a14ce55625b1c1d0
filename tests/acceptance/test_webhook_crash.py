"""A server that is killed after a job's end: the end is told, whether nobody, or somebody, had heard of it."""

from pathlib import Path

from tests.chaos.webhooks import ended, heard, kill_while_telling


def test_the_end_of_a_job_is_told_after_kill_9(tmp_path: Path) -> None:
    books = kill_while_telling(tmp_path, [ended, heard])
    assert len(books.accepted) == 2
    assert books.faults == []
