"""Word errors are counted as anybody would count them."""

import pytest

from benchmarks.words import word_errors, words


@pytest.mark.parametrize(
    ("reference", "heard", "errors"),
    [
        ("Please call Stella.", "please, call STELLA", 0),
        ("please call Stella", "please Stella", 1),
        ("please call Stella", "please do call Stella", 1),
        ("please call Stella", "please tall Stella", 1),
        ("one two three four", "two three four five", 2),
        ("", "one two", 2),
        ("one two", "", 2),
        ("we'll go", "well go", 0),
        ("نعم لا", "نعم", 1),
    ],
)
def test_errors(reference: str, heard: str, errors: int) -> None:
    assert word_errors(words(reference), words(heard)) == errors
