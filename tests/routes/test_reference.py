"""/openapi.json and /docs: nothing is left out, and what is shown is true."""

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from openapi_spec_validator import validate
from starlette.routing import Mount, Route, WebSocketRoute

from munsit_denoise import errors
from munsit_denoise.app import create_app
from munsit_denoise.routes.audo.errors import STATUS
from munsit_denoise.routes.audo.reference import AUDO
from munsit_denoise.routes.munsit.errors import STATUS_AND_CODE
from munsit_denoise.routes.munsit.reference import MUNSIT
from munsit_denoise.routes.reference.document import build_document, walk
from munsit_denoise.routes.reference.operation import sample
from munsit_denoise.routes.reference.page import render
from munsit_denoise.routes.reference.plain import PLAIN
from munsit_denoise.settings import Settings
from tests.live import Live, make_settings

DIALECTS = (MUNSIT, AUDO, PLAIN)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return create_app(make_settings(tmp_path_factory.mktemp("reference")))


@pytest.fixture(scope="module")
def document(app: Any) -> dict[str, Any]:
    return build_document(app.routes, DIALECTS) | {"servers": [{"url": "https://denoise.example.org"}]}


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def test_it_is_openapi_3_1(document: dict[str, Any]) -> None:
    validate(json.loads(json.dumps(document)))
    assert document["openapi"].startswith("3.1")


def test_every_route_is_in_it(app: Any, document: dict[str, Any]) -> None:
    def patterns(routes: Any, base: str = "") -> Iterator[str]:
        for route in routes:
            if isinstance(route, Mount):
                inner = route.app
                while hasattr(inner, "app") and not hasattr(inner, "routes"):
                    inner = inner.app
                yield from patterns(getattr(inner, "routes", []), base + route.path)  # a folder of files has none
            elif isinstance(route, WebSocketRoute) or (isinstance(route, Route) and route.include_in_schema):
                methods = sorted(getattr(route, "methods", None) or {"GET"})
                yield from (
                    f"{method} {base}{route.path}" for method in methods if methods == ["HEAD"] or method != "HEAD"
                )

    assert set(patterns(app.routes)) == {name for name, _ in operations(document)}


def test_every_route_is_described_and_no_description_is_without_a_route(app: Any) -> None:
    served = {f"{method} {path}" for path, method, _ in walk(app.routes)}
    said = {
        f"{name.split()[0]} {dialect.base}{name.split()[1]}"
        for dialect in DIALECTS
        for name in dialect.operations
        if not name.startswith("WEBHOOK ")
    }
    assert said == served


def test_every_error_is_in_it(document: dict[str, Any]) -> None:
    kinds = {kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.DenoiseError)}
    shown = document["components"]["examples"]
    assert {f"{dialect}.{kind.__name__}" for dialect in ("Munsit", "Audo") for kind in kinds} <= set(shown)
    for kind, (status, code) in STATUS_AND_CODE.items():
        body = shown[f"Munsit.{kind.__name__}"]["value"]
        assert body == {"message": sample(kind).message} or body["errorCode"] == code
        assert str(status).startswith(code[:3])
    assert all(set(shown[f"Audo.{kind.__name__}"]["value"]) == {"detail"} for kind in STATUS)


def test_the_admins_routes_say_that_others_are_refused(document: dict[str, Any]) -> None:
    of_admin = [operation["responses"] for name, operation in operations(document) if "/admin/" in name]
    assert of_admin
    assert all({"401", "403"} <= set(responses) for responses in of_admin)


def test_every_setting_is_in_it(document: dict[str, Any]) -> None:
    assert {one["name"] for one in document["x-settings"]} == {
        f"DENOISE_{name.upper()}" for name in Settings.model_fields
    }


def contents(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every schema with its example or examples, and where it stands."""
    for name, operation in [*operations(document), *((n, w["post"]) for n, w in document["webhooks"].items())]:
        yield from ((f"{name} {one['name']}", one) for one in operation["parameters"])
        bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
        for body in bodies:
            yield from ((f"{name} {media}", one) for media, one in body.get("content", {}).items())
    yield from document["components"]["headers"].items()


def test_every_example_fits_its_schema(document: dict[str, Any]) -> None:
    examples = 0
    for where, content in contents(document):
        schema = {**content["schema"], "components": document["components"]}
        given = [content["example"]] if "example" in content else []
        for one in content.get("examples", {}).values():
            given.append(
                document["components"]["examples"][one["$ref"].split("/")[-1]]["value"]
                if "$ref" in one
                else one["value"]
            )
        for example in given:
            examples += 1
            assert jsonschema_rs.is_valid(schema, example), f"{where}: {example}"
    assert examples > 200


def test_every_answer_of_json_has_an_example(document: dict[str, Any]) -> None:
    for where, content in contents(document):
        if where.endswith("application/json") and content["schema"] != {"type": "object"}:
            assert "example" in content or content.get("examples"), where


def test_it_is_served_to_everybody(live: Live, document: dict[str, Any]) -> None:
    answer = live.client.get(f"{live.url}/openapi.json", headers={"x-api-key": "wrong"})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    served = answer.json()
    assert served.pop("servers") == [{"url": live.url}]
    assert served == {name: value for name, value in document.items() if name != "servers"}


class Page(HTMLParser):
    """What a page loads, links to and holds."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.tags: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        self.tags.add(tag)
        assert not {name for name in given if name.startswith("on") or name == "style"}
        self.ids += filter(None, [given.get("id")])
        if tag == "a":
            self.links.append(given["href"] or "")
        else:
            self.loads += filter(None, [given.get("href"), given.get("src")])


def test_the_page_needs_no_script_and_no_other_host(live: Live) -> None:
    answer = live.client.get(f"{live.url}/docs", headers={"x-api-key": ""})
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    page = Page(answer.text)
    assert not page.tags & {"script", "style", "iframe", "img"}
    assert page.loads == ["docs/style.css"]
    style = live.client.get(f"{live.url}/docs/style.css")
    assert (style.status_code, style.headers["content-type"]) == (200, "text/css; charset=utf-8")
    assert not re.search(r"url\(|@import", style.text)


def test_the_page_shows_everything(document: dict[str, Any]) -> None:
    text = render(document)
    page = Page(text)
    assert len(page.ids) == len(set(page.ids))
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)
    assert {link for link in page.links if not link.startswith("#")} == {"openapi.json", "./"}
    assert re.findall(r"<a [^>]*>\s|\s</a>", text) == []
    assert all(title[0].isupper() for title in re.findall(r"<h2[^>]*>(.*?)</h2>", text))
    for name, operation in operations(document):
        assert operation["operationId"] in page.ids, name
        assert all(f"<td>{status}</td>" in text for status in operation["responses"]), name
    for shown in (*document["components"]["schemas"], *document["components"]["examples"]):
        assert f">{shown}</" in text, shown
    assert all(one["name"] in text for one in document["x-settings"])


def test_what_is_shown_cannot_be_markup() -> None:
    described = {
        "info": {"title": "<b>", "version": "<i>", "description": "<script>`<u>`"},
        "servers": [{"url": '"><script>'}],
        "tags": [{"name": "jobs", "description": "<p>"}],
        "paths": {},
        "webhooks": {},
        "components": {"schemas": {"<s>": {"description": "<s>"}}, "examples": {"<x>": {"value": "<x>"}}},
        "x-settings": [{"name": "<n>", "default": "<d>", "description": "<e>"}],
    }
    assert not Page(render(described)).tags & {"script", "b", "i", "u", "s", "x", "n", "d", "e"}


def test_the_style_goes_with_the_package() -> None:
    assert (Path(__file__).parents[2] / "munsit_denoise/routes/reference/style.css").exists()
