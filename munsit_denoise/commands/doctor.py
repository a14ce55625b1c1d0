"""The command `doctor`, which reports what is wrong with an installation and how to correct it."""

import json
import os
import sys
import threading
from collections.abc import Mapping
from typing import Annotated

import typer

from munsit_denoise.doctor.examination import examine
from munsit_denoise.doctor.findings import Finding, State, wrong
from munsit_denoise.doctor.quick import quick_checks
from munsit_denoise.logs import configure_logging
from munsit_denoise.settings import SettingsError, read_settings

FIX_SETTING = "Correct the variable, or remove it to take the default."


def doctor(
    quick: Annotated[
        bool, typer.Option("--quick", help="Check only database, storage and disk, in two seconds: for a health check.")
    ] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Check this installation and say what to fix. A server may be running.

    Exit codes: 0 all is well, 1 something is wrong.
    """
    found = _examine(quick)
    ill = any(finding.state is State.WRONG for finding in found.values())
    typer.echo(_as_json(found, ok=not ill) if json_ else _as_lines(found))
    if any(thread.name.startswith("doctor ") for thread in threading.enumerate()):
        sys.stdout.flush()
        os._exit(int(ill))  # a thread may be blocked, and would delay the exit
    raise typer.Exit(int(ill))


def _examine(quick: bool) -> Mapping[str, Finding]:
    try:
        settings = read_settings()
    except SettingsError as error:
        return {"settings": wrong(str(error), FIX_SETTING)}
    configure_logging("error", settings.log_format)  # errors are reported as findings
    if quick:
        return examine(settings, quick_checks(settings))
    from munsit_denoise.doctor.checks import all_checks  # their imports take longer than a quick check

    return examine(settings, all_checks(settings))


def _as_json(found: Mapping[str, Finding], *, ok: bool) -> str:
    checks = [
        {"name": name, "state": finding.state, "message": finding.message, "remedy": finding.remedy}
        for name, finding in found.items()
    ]
    return json.dumps({"ok": ok, "checks": checks}, ensure_ascii=False)


def _as_lines(found: Mapping[str, Finding]) -> str:
    lines = []
    for name, finding in found.items():
        state = finding.state if finding.state is not State.WRONG else "WRONG"
        lines.append(f"{state:8} {name:13} {finding.message}")
        if finding.remedy:
            lines.append(f"{'':22} -> {finding.remedy}")
    return "\n".join(lines)
