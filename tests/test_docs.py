"""The documents are true: generated ones current, links alive, figures and formats the code's, commands known."""

import importlib.util
import json
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer
from pydantic import TypeAdapter
from typer.core import TyperGroup

from munsit_denoise.app import create_app
from munsit_denoise.cli import app
from munsit_denoise.media.formats import FORMATS
from munsit_denoise.routes.reference.document import walk
from munsit_denoise.settings import Settings
from tests.live import make_settings

ROOT = Path(__file__).parent.parent
FOLDERS = ("docs", "clients", "training")
MODEL_CARD = ROOT / "munsit_denoise/engine/weights/MODEL_CARD.md"
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *(path for name in FOLDERS for path in (ROOT / name).rglob("*.md")), MODEL_CARD]
)
PROGRAMS = {"curl", "make", "munsit-denoise", ".venv/bin/munsit-denoise", "git"}
RESULTS = {"## Scores": "development", "Held-out pairs": "heldout"}
SCORERS = {
    "noisy input": "none",
    "noisereduce": "noisereduce",
    "WebRTC NS": "webrtc",
    "RNNoise": "rnnoise",
    "munsit-denoise": "ours",
    "DeepFilterNet3": "dfn3",
}
METRICS = {
    "PESQ-WB": "pesq_wb",
    "ESTOI": "estoi",
    "SI-SDR, dB": "si_sdr",
    "DNSMOS OVRL": "dns_ovrl",
    "speech lost, %": "lost_percent",
}


def script(name: str) -> ModuleType:
    """Return a module of scripts/, which is no package."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def without_code(path: Path) -> str:
    return re.sub(r"^```.*?^```", "", path.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)


@cache
def anchors(path: Path) -> set[str]:
    """Return the anchors that a forge gives the headings of a document."""
    titles = re.findall(r"^#{1,6} +(.+)$", without_code(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def links() -> Iterator[tuple[Path, str]]:
    for path in DOCUMENTS:
        text = re.sub(r"`[^`\n]*`", "", without_code(path))
        yield from ((path, target) for target in re.findall(r"\]\(([^)\s]+)\)", text))


def test_no_link_is_dead() -> None:
    dead, checked = [], 0
    for path, target in links():
        name, _, anchor = target.partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        aim = (path.parent / name).resolve() if name else path
        checked += 1
        if not aim.exists() or (anchor and anchor not in anchors(aim)):
            dead.append(f"{path.relative_to(ROOT)}: {target}")
    assert dead == []
    assert checked > 40


def test_generated_documents_are_current() -> None:
    documents = script("documents")
    for name, made in (("api", documents.api()), ("configuration", documents.configuration())):
        assert (ROOT / f"docs/{name}.md").read_text("utf-8") == made.rstrip("\n") + "\n", f"{name}: run `make docs`"


def test_every_setting_and_every_route_has_a_heading(tmp_path: Path) -> None:
    configuration, api = ((ROOT / f"docs/{name}.md").read_text("utf-8") for name in ("configuration", "api"))
    for name in Settings.model_fields:
        assert f"\n### DENOISE_{name.upper()}\n" in configuration
    routes = list(walk(create_app(make_settings(tmp_path)).routes))
    assert len(routes) > 40
    for path, method, _ in routes:
        plain = re.sub(r"\{(\w+):\w+\}", r"{\1}", path)
        assert f"\n### {method} {plain}\n" in api


def test_every_setting_has_an_example_that_is_taken_and_is_not_the_default() -> None:
    documents = script("documents")
    assert documents.EXAMPLES.keys() == Settings.model_fields.keys()
    for name, example in documents.EXAMPLES.items():
        field = Settings.model_fields[name]
        value = TypeAdapter(field.annotation).validate_python(example)
        assert value != field.default, name
    assert not re.search(r"e\+\d|`(True|False)`", documents.configuration())


def test_an_undocumented_setting_would_be_found() -> None:
    documents = script("documents")
    longer = type("Longer", (Settings,), {"__annotations__": {"newest_s": float}, "newest_s": 1.0})
    documents.Settings = longer
    assert "### DENOISE_NEWEST_S" in documents.configuration()


def test_the_formats_of_the_documents_are_those_of_the_code() -> None:
    text = (ROOT / "docs/recordings.md").read_text("utf-8").partition("## Formats\n")[2].strip().partition(".\n")[0]
    assert set(re.split(r",\s+", text)) == set(FORMATS)


def cells(text: str) -> list[list[str]]:
    """Return the cells of the first table of a text: its titles, then its rows."""
    lines = text[text.index("\n|") :].strip().partition("\n\n")[0].split("\n")
    found = [[cell.strip(" *`") for cell in line.strip("|").split("|")] for line in lines]
    return [found[0], *found[2:]]


def rows(text: str) -> Iterator[dict[str, str]]:
    """Yield the rows of the first table of a text, by their titles."""
    titles, *found = cells(text)
    yield from (dict(zip(titles, row, strict=True)) for row in found)


def check_scores(table: str, results: str) -> None:
    found = json.loads((ROOT / f"benchmarks/results/{results}.json").read_text())
    for row in rows(table):
        scorer = SCORERS[row[""]]
        for title in METRICS.keys() & row.keys():
            value, _, error = row[title].replace("*", "").partition(" ± ")
            assert float(value) == pytest.approx(found["means"][scorer][METRICS[title]], abs=half_of_last(value)), row
            if error:
                true = found["standard_errors"][scorer][METRICS[title]]
                assert float(error) == pytest.approx(true, abs=half_of_last(error)), row
            assert bool(error) == (scorer != "ours"), row


def half_of_last(number: str) -> float:
    """Return half a unit of a number's last digit, and a little for numbers that end in a five."""
    return 0.51 * 10.0 ** -len(number.partition(".")[2])


def test_the_figures_are_those_of_the_results() -> None:
    quality = (ROOT / "docs/quality.md").read_text("utf-8")
    for words, results in RESULTS.items():
        check_scores(quality[quality.index(words) :], results)
    for name in ("README.md", "README.ar.md"):
        text = (ROOT / name).read_text("utf-8")
        check_scores(text[text.index("PESQ-WB |") - 10 :].replace("المدخل بضوضائه", "noisy input"), "heldout")


def results(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / f"benchmarks/results/{name}.json").read_text())
    return found


def section(title: str) -> str:
    """Return a section of docs/quality.md."""
    return (ROOT / "docs/quality.md").read_text("utf-8").partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def check_figures(written: list[str], measured: list[float], where: object) -> None:
    for cell, value in zip(written, measured, strict=True):
        assert float(cell) == pytest.approx(value, abs=half_of_last(cell)), where


def test_the_table_of_hard_recordings_has_every_kind_and_its_figures() -> None:
    hard = results("hard")
    _, *found = cells(section("Voices that pass for noise, and noise that passes for a voice"))
    assert [kind for kind, *_ in found] == list(hard)
    for kind, *figures in found:
        measured = [hard[kind][who] for who in ("ours", "keep=voice+music", "DeepFilterNet3")]
        check_figures(figures, [each[name] for each in measured for name in ("worst_db", "lost_percent")], kind)


def test_the_table_of_music_has_the_figures_of_its_results() -> None:
    music = results("music")
    titles = {"music, dB": "music_db", "voice, dB": "voice_db", "speech lost, %": "voice_lost_percent"}
    titles |= {"noise alone, dB": "noise_alone_db", "SI-SDR of voice and music, dB": "si_sdr_db"}
    found = list(rows(section("What else is kept: `keep=voice+music`")))
    assert len(found) == sum(map(len, music.values()))
    for row in found:
        measured = music[row["noise"]][row[""].replace("untouched", "none")]
        check_figures([row[title] for title in titles], [measured[name] for name in titles.values()], row)


def test_the_table_of_rooms_has_the_figures_of_its_results() -> None:
    known = results("rooms")
    found = list(rows(section("Reverberation: `keep=dry-voice`")))
    assert [(row["noise"], row[""].strip("*`")) for row in found] == [(n, who) for n in known for who in known[n]]
    for row in found:
        scores = known[row["noise"]][row[""].strip("*`")]
        for title in METRICS.keys() & row.keys():
            value, _, error = row[title].replace("*", "").partition(" ± ")
            check_figures([value], [scores[METRICS[title]]], row)
            check_figures([error] if error else [], [scores[f"{METRICS[title]}_error"]] if error else [], row)


def test_the_table_of_word_errors_has_the_figures_of_its_results() -> None:
    errors = results("transcription")
    _, *found = cells(section("For transcription"))
    assert [name.replace("untouched", "none") for name, *_ in found] == list(errors)
    for (_, *written), by_noise in zip(found, errors.values(), strict=True):
        for cell, known in zip(written, by_noise.values(), strict=True):
            figures = re.findall(r"[+-]?[\d.]+", cell)
            check_figures(
                figures, [known[name] for name in ("percent", "difference", "standard_error")][: len(figures)], known
            )
            assert len(figures) == (1 if by_noise is errors["none"] else 3)


@pytest.mark.parametrize(("words", "name"), [("Development pairs", "best"), ("Held-out pairs", "best_heldout")])
def test_the_tables_of_the_best_quality_have_the_figures_of_their_results(words: str, name: str) -> None:
    found, text = results(name), section("Best quality")
    titles, *by_model = cells(text[text.index(words) :])
    assert len(by_model) == len(found["means"])
    for (_, *written), (model, means) in zip(by_model, found["means"].items(), strict=True):
        for title, cell in zip(titles[1:], written, strict=True):
            metric = METRICS[title]
            difference = means[metric] - found["means"]["munsit-denoise"][metric]
            figures = re.findall(r"[+-]?[\d.]+", cell)
            known = [means[metric], difference, found["standard_errors"][model][metric]]
            check_figures(figures, known if "(" in cell else known[:1], (model, title))


def test_paths_that_the_guides_name_exist() -> None:
    for name in ("ARCHITECTURE.md", "CONTRIBUTING.md"):
        spans = re.findall(r"`([\w./]+/|[\w/]+/[\w/]*\.\w+|\w+\.(?:py|md|toml))`", without_code(ROOT / name))
        spans = [span for span in spans if "NAME" not in span and span not in ("dist/", "wire.py", "errors.py")]
        spans = [span for span in spans if span not in ("routes.py", "models.py", "reference.py", "base.py")]
        assert len(spans) > 20
        for span in spans:
            folders = (ROOT, ROOT / "munsit_denoise", ROOT / "munsit_denoise/routes")
            assert any((folder / span).exists() for folder in folders), f"{name}: {span}"


def commands() -> Iterator[tuple[str, list[str]]]:
    """Yield every command of a shell example, in words, with its document."""
    for path in DOCUMENTS:
        for block in re.findall(r"^```sh\n(.*?)^```", path.read_text("utf-8"), re.DOTALL | re.MULTILINE):
            for line in block.replace("\\\n", " ").splitlines():
                words = shlex.split(line.partition(" < ")[0], comments=True)
                words = words[next((i for i, word in enumerate(words) if not re.match(r"\w+=", word)), len(words)) :]
                if words and "training" not in path.parts:
                    yield f"{path.relative_to(ROOT)}: {line}", words


def test_every_command_of_an_example_is_one() -> None:
    """What curl asks is run by tests/acceptance/test_readme.py; here each word and option is checked."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    seen = set()
    for place, words in commands():
        seen.add(words[0])
        assert words[0] in PROGRAMS or place.startswith(("docs/deploy", "docs/operations")), place
        if words[0] == "make":
            assert {word for word in words[1:] if re.fullmatch(r"[a-z-]+", word) and word != "&&"} <= targets, place
        elif words[0].endswith("munsit-denoise"):
            parse(words[1:], place)
    assert seen >= {"curl", "make", "munsit-denoise"}


def parse(words: list[str], place: str) -> None:
    """Let the command line read its words, and do nothing of it."""
    command = typer.main.get_command(app)
    context = command.make_context("munsit-denoise", [], resilient_parsing=True)
    while isinstance(command, TyperGroup):
        found = command.get_command(context, words[0])
        assert found is not None, f"{place}: there is no command {words[0]}"
        command, words = found, words[1:]
    command.make_context(place, list(words), parent=context)


@pytest.mark.parametrize("words", [["serve", "--prot", "9"], ["keys", "make"], ["users", "credit", "sara"]])
def test_a_command_that_is_none_would_be_found(words: list[str]) -> None:
    with pytest.raises((AssertionError, typer.Abort, Exception)):
        parse(words, "here")
