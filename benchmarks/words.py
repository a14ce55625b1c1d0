"""Word errors: the number of words that must be substituted, deleted or inserted to turn one text into another."""

import re
import unicodedata

import numpy as np


def words(text: str) -> list[str]:
    """Return a text's words without case and punctuation."""
    plain = unicodedata.normalize("NFKC", text).casefold().replace("'", "")
    return re.findall(r"\w+", plain)


def word_errors(reference: list[str], heard: list[str]) -> int:
    """Return the smallest number of edits (V. Levenshtein, 1966)."""
    row = np.arange(len(heard) + 1)
    for word in reference:
        diagonal = row[:-1] + np.array([word != other for other in heard], int)
        best = np.concatenate([[row[0] + 1], np.minimum(diagonal, row[1:] + 1)])
        for place in range(1, len(best)):
            best[place] = min(best[place], best[place - 1] + 1)
        row = best
    return int(row[-1])
