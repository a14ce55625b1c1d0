"""What a job tells: never backwards, and each thing once, however many ask for it in a form."""

import pytest

from munsit_denoise.jobs.watch import MAX_ENCODINGS, Told, advance, present
from munsit_denoise.records import Done, Downloading, Event, Failed, Processing, Queued
from tests.db.test_records import make_record

RECORD = make_record("user")


@pytest.mark.parametrize(
    ("shown", "event", "told"),
    [
        (None, Queued(3), Queued(3)),
        (Downloading(), Queued(0), Queued(0)),
        (Queued(3), Queued(3), None),
        (Queued(3), Queued(1), Queued(1)),
        (Queued(1), Queued(2), None),
        (Queued(0), Downloading(), None),
        (Queued(0), Processing(0), Processing(0)),
        (Processing(0), Queued(0), None),
        (Processing(5), Processing(5), None),
        (Processing(5), Processing(5, "another message"), Processing(5, "another message")),
        (Processing(60, "first attempt"), Processing(5, "second attempt"), Processing(60, "second attempt")),
        (Processing(60, "the same"), Processing(5, "the same"), None),
        (Processing(99), Failed("why"), Failed("why")),
        (Queued(0), Done(RECORD), Done(RECORD)),
    ],
)
def test_what_is_news(shown: Event | None, event: Event, told: Event | None) -> None:
    assert advance(shown, event) == told


def test_a_form_is_encoded_once_for_all_who_ask_for_it() -> None:
    told, calls = Told(Processing(5)), []

    def encode(event: Event) -> bytes:
        calls.append(event)
        return b"x"

    assert {told.encoded("form", encode) for _ in range(10)} == {b"x"}
    assert calls == [Processing(5)]


def test_who_makes_up_forms_fills_no_memory() -> None:
    told = Told(Processing(5))
    for number in range(1000):
        assert told.encoded(number, lambda _, n=number: n) == number
    assert len(told._encoded) == MAX_ENCODINGS


def test_the_present_is_the_end_else_what_was_heard_else_the_place_in_the_queue() -> None:
    assert present(RECORD, Processing(5), lambda _: Queued(2)) == Processing(5)
    assert present(RECORD, None, lambda _: Queued(2)) == Queued(2)
    assert present(RECORD, None, lambda _: None) == Queued(0)
