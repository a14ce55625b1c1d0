"""One line of JSON for each file, for programs."""

import json
import sys
from dataclasses import asdict

from munsit_denoise.batch.order import PIPE, FileResult
from munsit_denoise.batch.words import told


def print_json(result: FileResult) -> None:
    """Print the result of a file on standard output. Raises BrokenPipeError."""
    fields = {
        "input": _name(str(result.source), "/dev/stdin"),
        "output": str(result.target),
        "state": result.state,
        "seconds": None if result.duration_s is None else round(result.duration_s, 3),
        "elapsed_s": round(result.elapsed_s, 3),
        "levels": None if result.levels is None else asdict(result.levels),
        "notes": [told(note) for note in result.notes],
        "error": result.error,
    }
    line = json.dumps(fields, ensure_ascii=False)
    if not _is_plain(line):  # a name that is not UTF-8, or a terminal with another encoding
        line = json.dumps(fields)
    print(line, flush=True)


def _name(name: str, standard: str) -> str:
    return PIPE if name == standard else name


def _is_plain(line: str) -> bool:
    try:
        line.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return False
    return True
