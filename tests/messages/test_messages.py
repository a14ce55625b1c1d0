"""The table has every sentence that an answer can carry, and `Accept-Language` chooses as RFC 9110 says."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from munsit_denoise.batch.command import USAGE, run_command
from munsit_denoise.batch.order import Order
from munsit_denoise.errors import DenoiseError, InvalidUpload
from munsit_denoise.jobs.fetcher import BROKE
from munsit_denoise.jobs.pipeline import EXTRACTING, REDUCING, SAVING
from munsit_denoise.jobs.runner import LOST_ORIGINAL, TRIED
from munsit_denoise.messages import choose_language, language_of_locale, translate
from munsit_denoise.messages.arabic import ARABIC
from munsit_denoise.records import CANCELLED, DELETED, NOT_KEPT
from munsit_denoise.routes.munsit.wire import BEFORE
from munsit_denoise.routes.reference.operation import sample
from munsit_denoise.settings import Settings
from munsit_denoise.work import DRY_NOT_THERE, NOT_THERE

PACKAGE = Path(__file__).parent.parent.parent / "munsit_denoise"
REFUSALS = {"InvalidOption", "InvalidUpload", "InvalidPage", "NotFound", "AlreadyThere", "NotMedia", "HTTPException"}
REFUSALS |= {"BrokenForm", "UsageError", "fail"}
ENDINGS = {"fail", "fail_fetch"}  # of a job, with its reason behind it
ARABIC_LETTER = re.compile("[\u0621-\u064a]")


def names_of(error: type[DenoiseError]) -> set[str]:
    return {kind.__name__ for kind in family(error)}


def family(error: type[DenoiseError]) -> Iterator[type[DenoiseError]]:
    yield error
    for child in error.__subclasses__():
        yield from family(child)


def written_out(node: ast.expr, constants: dict[str, ast.expr]) -> str | None:
    """Return a sentence of the source with 7 in each place, None where it is made elsewhere."""
    if isinstance(node, ast.Name) and node.id in constants:
        return written_out(constants[node.id], {})
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(written_out(part, constants) or "7" for part in node.values)
    if isinstance(node, ast.FormattedValue):
        return written_out(node.value, constants) if isinstance(node.value, ast.Name) else None
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format":
        return (written_out(node.func.value, constants) or "").replace("{}", "7") or None
    return None


def words_of(call: ast.Call, name: str) -> list[ast.expr]:
    """Return what may be the sentence of a refusal, or of a job's end."""
    if name == "HTTPException":
        return call.args[1:2]
    if name in ENDINGS and isinstance(call.func, ast.Attribute):
        (word,) = call.args[1:2] or [ast.Constant(None)]
        return [word.body, word.orelse] if isinstance(word, ast.IfExp) else [word]
    return call.args[:1]


def sentences() -> Iterator[tuple[str, str]]:
    """Yield every sentence that is raised to be an answer, with its place."""
    for path in PACKAGE.rglob("*.py"):
        if "reference" in path.parts:  # examples
            continue
        tree = ast.parse(path.read_text())
        constants = {
            target.id: node.value
            for node in tree.body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
            known = name in REFUSALS | ENDINGS | names_of(DenoiseError)
            said = [written_out(word, constants) for word in words_of(call, name)] if known else []
            yield from ((f"{path.relative_to(PACKAGE)}:{call.lineno}", sentence) for sentence in said if sentence)


def test_every_error_and_every_refusal_has_an_arabic_sentence() -> None:
    found = [
        (kind.__name__, sample(kind).message) for kind in family(DenoiseError) if kind is not InvalidUpload
    ] + list(sentences())
    other = re.compile(r"7 with 7$|(7|--format): 7$")  # made of parts; a name before a sentence
    found = [(place, sentence) for place, sentence in found if sentence and not other.match(sentence)]
    assert len(found) > 110
    missing = [(place, sentence) for place, sentence in found if not ARABIC_LETTER.search(translate(sentence, "ar"))]
    assert missing == []


@pytest.mark.parametrize(
    "sentence",
    [
        *(CANCELLED, DELETED, NOT_KEPT, LOST_ORIGINAL, TRIED.format(3), BROKE, NOT_THERE, DRY_NOT_THERE),
        *(EXTRACTING, REDUCING, SAVING, *BEFORE.values()),
        "The URL could not be downloaded: its server answered 404.",
        "The URL could not be downloaded: it is sent in an encoding that this server does not read: br.",
        "The download was cut off after 7 of 9 bytes, and its server did not go on with it.",
        "The download was cut off after 7 bytes, and its server did not go on with it.",
    ],
)
def test_what_a_job_does_and_why_it_failed_is_told_in_arabic_alone(sentence: str) -> None:
    arabic = translate(sentence, "ar")
    assert ARABIC_LETTER.search(arabic)
    assert set(re.findall(r"[a-z]{2,}", arabic)) <= {
        "br",
        "standard",
        "keep",
        "voice",
    }  # what a server sends, what is asked for
    assert re.findall(r"\d+", arabic) == re.findall(r"\d+", sentence)
    assert translate(sentence, "en") == sentence


def test_templates_keep_their_places_and_the_words_that_programs_match() -> None:
    for english, arabic in ARABIC.items():
        assert sorted(re.findall(r"\{\w+\}", english)) == sorted(re.findall(r"\{\w+\}", arabic)), english
        kept = set(re.findall(r"\b(?:[A-Z]\w*-\w+(?:-\w+)?|\w+_\w+|[a-z]+[A-Z]\w+)\b", re.sub(r"\{\w+\}", "", english)))
        kept -= {"Content-Type", "big-endian", "non-negative", "Read-only"}
        assert all(word in arabic for word in kept), (english, kept)


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", "en"),
        ("ar", "ar"),
        ("AR-sa,en;q=0.9", "ar"),
        ("en-US,en;q=0.9,ar;q=0.8", "en"),
        ("fr, ar;q=0.1", "ar"),
        ("ar;q=0", "en"),
        ("ar;q=0.5, en;q=0.5", "ar"),
        ("ar;q=nonsense", "en"),
        ("*", "en"),
        ("arx, arabic", "en"),
        (" ; , ;q=1, ar ; q=1.0", "ar"),
    ],
)
def test_the_preferred_language(accepted: str, language: str) -> None:
    assert choose_language(accepted) == language


def test_values_stay_and_sentences_within_sentences_are_translated() -> None:
    assert "17" in translate("audio_track must be a whole number from 0 to 17.", "ar")
    assert translate("strength must be a number.", "ar").startswith("strength")
    nested = translate(
        "output_format: An MXF file cannot be written without a picture. Please ask for another format.", "ar"
    )
    assert nested.startswith("output_format: لا يمكن")
    assert "ملف" in translate("url and a file were both given. Please send one of them.", "ar")


def test_what_is_unknown_or_very_long_stays() -> None:
    unknown = "This sentence was never written."
    long = f"{'x must be a number ' * 60}must be a number."
    assert (translate(unknown, "ar"), translate(long, "ar")) == (unknown, long)


@pytest.mark.parametrize(
    ("locale", "language"),
    [("", "en"), ("C.UTF-8", "en"), ("ar_EG.UTF-8", "ar"), ("ar", "ar"), ("arn_CL", "en"), ("en_GB", "en")],
)
def test_the_language_of_a_locale(locale: str, language: str) -> None:
    assert language_of_locale(locale) == language


@pytest.mark.parametrize(
    ("locale", "told"),
    [({"LANG": "ar_EG.UTF-8"}, "متناقضان"), ({"LANG": "ar_EG.UTF-8", "LC_ALL": "C.UTF-8"}, "contradict")],
)
def test_the_command_line_speaks_the_language_of_the_locale(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], locale: dict[str, str], told: str
) -> None:
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in locale.items():
        monkeypatch.setenv(name, value)
    order = Order(inputs=("a.wav",), output="b.wav", overwrite=True, skip_existing=True)
    assert run_command(Settings(), order) == USAGE
    assert told in capfd.readouterr().err
