"""The types of both clients have the fields of what the server sends and accepts: no more, no fewer."""

import re
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest

from munsit_denoise.routes.munsit import models
from munsit_denoise_client import types

JAVASCRIPT = Path(__file__).parents[2] / "clients/js"
INTERFACE = re.compile(r"^export interface (\w+)[^\n]*\{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
FIELD = re.compile(r"^  (\w+)(\??): ([^;]+);", re.MULTILINE)
IN_PYTHON = [  # the client's type, the server's, the names that differ
    (types.Record, models.DenoiseRecord, {}),
    (types.Processing, models.ProcessingEvent, {"pct": "percent"}),
    (types.Done, models.DoneEvent, {"denoiseId": "id"}),
    (types.Failed, models.ErrorEvent, {}),
    (types.Levels, models.Reading, {}),
    (types.Report, models.Report, {}),
    (types.Usage, models.Usage, {}),
    (types.Webhook, models.WebhookMessage, {"data": "record"}),
]
IN_JAVASCRIPT = {
    "DenoiseRecord": models.DenoiseRecord,
    "ProcessingEvent": models.ProcessingEvent,
    "DoneEvent": models.DoneEvent,
    "ErrorEvent": models.ErrorEvent,
    "Levels": models.Reading,
    "Report": models.Report,
    "ReportModel": models.ReportModel,
    "Usage": models.Usage,
    "WebhookEvent": models.WebhookMessage,
}


def server_fields(model: type[models.Model]) -> dict[str, bool]:
    """Return the fields of a model, and whether each may be absent or null."""
    return {
        name: not field.is_required() or NoneType in get_args(field.annotation)
        for name, field in model.model_fields.items()
    }


def literals(hint: Any) -> set[Any]:
    """Return the values that a type names."""
    if get_origin(hint) is Literal:
        return set(get_args(hint))
    return set().union(*(literals(part) for part in get_args(hint)))


def interfaces() -> dict[str, dict[str, tuple[str, str]]]:
    """Return each interface of the JavaScript client: its fields, their marks and their types."""
    text = (JAVASCRIPT / "munsit-denoise.d.ts").read_text()
    return {
        name: {field: (mark, kind) for field, mark, kind in FIELD.findall(body)}
        for name, body in INTERFACE.findall(text)
    }


@pytest.mark.parametrize(("ours", "theirs", "renamed"), IN_PYTHON, ids=lambda one: getattr(one, "__name__", ""))
def test_a_python_type_has_the_fields_of_the_servers(ours: type, theirs: type, renamed: dict[str, str]) -> None:
    told = {renamed.get(name, name): lacking for name, lacking in server_fields(theirs).items() if name != "stage"}
    assert {name: NoneType in get_args(hint) for name, hint in get_type_hints(ours).items()} == told


@pytest.mark.parametrize("name", IN_JAVASCRIPT)
def test_a_javascript_type_has_the_fields_of_the_servers(name: str) -> None:
    found = {field: mark == "?" or kind.endswith("| null") for field, (mark, kind) in interfaces()[name].items()}
    assert found == server_fields(IN_JAVASCRIPT[name])


def test_both_clients_know_each_option_and_its_values() -> None:
    server = {name: literals(field.annotation) for name, field in models.SubmissionOptions.model_fields.items()}
    assert {name: literals(hint) for name, hint in get_type_hints(types.Options).items()} == server
    declared = {name: set(re.findall(r'"([^"]+)"', kind)) for name, (_, kind) in interfaces()["Options"].items()}
    assert declared == server
    (listed,) = re.findall(r"^const OPTIONS = \[(.*)\];", (JAVASCRIPT / "munsit-denoise.js").read_text(), re.MULTILINE)
    assert set(re.findall(r'"(\w+)"', listed)) == set(server)


def test_the_states_of_a_job_are_the_servers() -> None:
    assert literals(types.Status) == literals(models.Status)
