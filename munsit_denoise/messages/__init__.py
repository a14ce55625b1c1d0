"""Messages for users in English and Arabic, from one table."""

import re
from functools import lru_cache

from munsit_denoise.messages.arabic import ARABIC

ENGLISH = "en"
LANGUAGES = (ENGLISH, "ar")
PLACE = re.compile(r"\{(\w+)\}")
LONGEST_HEADER = 1_000  # characters of Accept-Language that are read
LONGEST_SENTENCE = 1_000  # characters: a longer sentence contains a client's text, and is not compared with templates
SENTENCES = ("sentence", "reason", "other")  # placeholders for our own sentences, which are translated too


def choose_language(accepted: str) -> str:
    """Return the language that an `Accept-Language` header prefers (RFC 9110, 12.5.4); by default English."""
    best, chosen = 0.0, ENGLISH
    for entry in accepted[:LONGEST_HEADER].split(","):
        tag, *parameters = (part.strip().lower() for part in entry.split(";"))
        language = tag.partition("-")[0]
        if language in LANGUAGES and (weight := _weight(parameters)) > best:
            best, chosen = weight, language
    return chosen


def language_of_locale(locale: str) -> str:
    """Return the language of a POSIX locale such as `ar_EG.UTF-8`; by default English."""
    language = locale.partition(".")[0].partition("_")[0].lower()
    return language if language in LANGUAGES else ENGLISH


def _weight(parameters: list[str]) -> float:
    """Return the `q` of an entry: 1 if it has none, 0 if it is invalid."""
    value = next((part.removeprefix("q=") for part in parameters if part.startswith("q=")), "1")
    return float(value) if re.fullmatch(r"0(\.\d{0,3})?|1(\.0{0,3})?", value, re.ASCII) else 0.0


def translate(sentence: str, language: str) -> str:
    """Return a sentence in a language; one that is not in the table stays English."""
    if language == ENGLISH:
        return sentence
    if sentence in ARABIC:
        return ARABIC[sentence]
    return _by_template(sentence, language) if len(sentence) <= LONGEST_SENTENCE else sentence


@lru_cache(maxsize=512)  # a list of failed jobs repeats its few reasons
def _by_template(sentence: str, language: str) -> str:
    for template, pattern in _patterns():
        if match := pattern.fullmatch(sentence):
            values = match.groupdict()
            values |= {name: translate(values[name], language) for name in SENTENCES if name in values}
            return ARABIC[template].format_map(values)
    return sentence


@lru_cache(maxsize=1)
def _patterns() -> list[tuple[str, re.Pattern[str]]]:
    """Return each template with a pattern that matches it, those with most fixed text first."""
    templates = sorted((one for one in ARABIC if PLACE.search(one)), key=lambda one: -len(PLACE.sub("", one)))
    return [(one, re.compile(_pattern(one), re.DOTALL)) for one in templates]


def _pattern(template: str) -> str:
    parts = PLACE.split(template)  # text, name, text, name, ..., text
    return "".join(f"(?P<{part}>.+?)" if index % 2 else re.escape(part) for index, part in enumerate(parts))
