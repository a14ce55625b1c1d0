"""Check the prose of documents and docstrings with proselint, and with the words in scripts/style.json.

`python scripts/prose.py [FILE...]` prints a line for each finding, and fails if there are any.
"""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from proselint.checks import __register__
from proselint.registry import CheckRegistry
from proselint.tools import LintFile

ROOT = Path(__file__).parent.parent
STYLE: dict[str, Any] = json.loads(Path(__file__).with_name("style.json").read_text("utf-8"))
HOUSE = [(re.compile(rf"\b(?:{word})(?!\w)", re.IGNORECASE), advice) for word, advice in STYLE["words"].items()]
CODE = re.compile(r"^(```|~~~).*?^\1[ ]*$|^<!--.*?-->|`[^`\n]*`|\]\([^)\s]*\)|https?://\S+", re.DOTALL | re.MULTILINE)
OTHER_LANGUAGES = (".ar.md",)
NOT_READ = ("training/", ".github/")  # figures of experiments; forms
PARTS = ("munsit_denoise", "clients/python")  # packages whose docstrings are checked


def documents() -> list[Path]:
    """Return the English documents, and all modules of the packages."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md", *(f"{part}/*.py" for part in PARTS)],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    names = (
        name for name in listed.stdout.split() if not name.endswith(OTHER_LANGUAGES) and not name.startswith(NOT_READ)
    )
    return [ROOT / name for name in names if (ROOT / name).exists()]


def prose_of(path: Path) -> str:
    """Return the prose of a file with unchanged line numbers; code is replaced by a placeholder."""
    text = path.read_text("utf-8")
    if path.suffix == ".py":
        text = _docstrings(text)
    return CODE.sub(
        lambda match: re.sub(r"[^\n]+", "code", match[0]) if "\n" not in match[0] else _lines(match[0]), text
    )


def _lines(text: str) -> str:
    return "\n" * text.count("\n")


def _docstrings(source: str) -> str:
    lines = [""] * (source.count("\n") + 2)
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if ast.get_docstring(node, clean=False) and isinstance(node.body[0], ast.Expr):
            said = node.body[0]
            for number, line in enumerate(ast.get_docstring(node, clean=True).splitlines(), said.lineno):  # type: ignore[union-attr]
                lines[number - 1] = line
    return "\n".join(lines)


def findings(path: Path) -> Iterator[tuple[int, str]]:
    """Yield line and message of each finding."""
    text = prose_of(path)
    for result in LintFile(path.name, text).lint(STYLE["proselint"]):
        yield result.pos[0], result.check_result.message
    for number, line in enumerate(text.splitlines(), 1):
        for pattern, advice in HOUSE if path.suffix == ".md" else ():
            if found := pattern.search(line):
                yield number, f"{found[0]!r}: {advice}"
    if path.suffix == ".md":
        yield from _long_sentences(text)


def _long_sentences(text: str) -> Iterator[tuple[int, str]]:
    """Yield sentences of paragraphs that are too long; those in lists and tables may be."""
    for paragraph in re.finditer(r"(?:^(?![|#]|[-*] |\d+\. )\S.*\n?)+", text, re.MULTILINE):
        for sentence in re.split(r"(?<=[.!?:;])\s+", paragraph[0]):
            if (words := len(sentence.split())) > STYLE["longest_sentence_words"]:
                line = text.count("\n", 0, paragraph.start()) + 1
                yield line, f"a sentence of {words} words: {' '.join(sentence.split()[:6])} ..."


def main() -> int:
    """Print all findings; return whether there are any."""
    CheckRegistry().register_many(__register__)
    paths = [Path(name) for name in sys.argv[1:]] or documents()
    told = [f"{path.resolve().relative_to(ROOT)}:{line}: {text}" for path in paths for line, text in findings(path)]
    print("\n".join(told) or "prose: no findings")
    return bool(told)


if __name__ == "__main__":
    sys.exit(main())
