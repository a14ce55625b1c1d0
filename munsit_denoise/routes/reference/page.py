"""The document as a page of plain HTML, without scripts and without resources of other hosts."""

import json
import re
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

METHODS = ("get", "head", "post", "put", "patch", "delete", "options")
BOUNDS = (("from", "minimum"), ("to", "maximum"), ("like", "pattern"))
Json = Mapping[str, Any]


def render(document: Json) -> str:
    """Return a document as a page."""
    page = _Page(document)
    info = document["info"]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(info['title'])}: reference</title>"
        '<link rel="stylesheet" href="docs/style.css"></head><body>'
        f'<nav aria-label="Contents"><p><a href="./">Console</a></p>{page.contents()}</nav><main>'
        f"<h1>{escape(info['title'])} {escape(info['version'])}</h1><p>{_words(info['description'])}</p>"
        f"<p>Base: <code>{escape(document['servers'][0]['url'])}</code>. "
        'The same for programs: <a href="openapi.json">openapi.json</a>.</p>'
        f"{page.operations()}{page.webhooks()}{page.schemas()}{page.errors()}{page.settings()}</main></body></html>"
    )


class _Page:
    def __init__(self, document: Json) -> None:
        self._document = document
        self._components = document["components"]

    def contents(self) -> str:
        """Return links to all sections. On a phone, they are shown when the box is checked, which needs no script."""
        parts = []
        for tag in self._tags():
            links = "".join(
                f'<li><span class="method">{method.upper()}</span> '
                f'<a href="#{one["operationId"]}">{escape(one["summary"])}</a></li>'
                for _, method, one in self._of(tag)
            )
            parts.append(f"<strong>{escape(_title(tag))}</strong><ul>{links}</ul>")
        others = "".join(
            f'<li><a href="#{name}">{_title(name)}</a></li>' for name in ("webhooks", "schemas", "errors", "settings")
        )
        box = '<input type="checkbox" id="contents"><label for="contents">Contents</label>'
        return f"{box}<div>{''.join(parts)}<ul>{others}</ul></div>"

    def operations(self) -> str:
        """Return every operation, by tag."""
        texts = {tag["name"]: tag["description"] for tag in self._document["tags"]}
        return "".join(
            f'<section aria-labelledby="tag-{escape(tag)}"><h2 id="tag-{escape(tag)}">{escape(_title(tag))}</h2>'
            f"<p>{_words(texts.get(tag, ''))}</p>"
            + "".join(self._operation(path, method, one) for path, method, one in self._of(tag))
            + "</section>"
            for tag in self._tags()
        )

    def webhooks(self) -> str:
        """Return the requests that the server sends."""
        shown = "".join(
            f"<h3>{escape(one['post']['summary'])}</h3><p>{_words(one['post']['description'])}</p>"
            f"{self._parameters(one['post'])}{self._body(one['post'])}"
            for one in self._document["webhooks"].values()
        )
        return _section("webhooks", shown)

    def schemas(self) -> str:
        """Return all named objects."""
        shown = "".join(
            f'<h3 id="schema-{escape(name)}">{escape(name)}</h3><p>{_words(schema.get("description", ""))}</p>'
            f"{self._fields(schema)}"
            for name, schema in sorted(self._components["schemas"].items())
        )
        return _section("schemas", shown)

    def errors(self) -> str:
        """Return all errors with their descriptions."""
        rows = "".join(
            f'<tr id="error-{escape(name)}"><td><code>{escape(name)}</code></td>'
            f"<td>{_words(one.get('summary', ''))}</td><td><code>{escape(_json(one['value'], None))}</code></td></tr>"
            for name, one in sorted(self._components["examples"].items())
        )
        return _section("errors", _table(("error", "meaning", "body"), rows))

    def settings(self) -> str:
        """Return all settings."""
        rows = "".join(
            f"<tr><td><code>{escape(one['name'])}</code></td><td><code>{escape(_written(one['default']))}</code></td>"
            f"<td>{escape(one['description'])}</td></tr>"
            for one in self._document["x-settings"]
        )
        return _section("settings", _table(("variable", "default", "meaning"), rows))

    def _tags(self) -> list[str]:
        used = {tag for _, _, one in self._all() for tag in one["tags"]}
        known = [tag["name"] for tag in self._document["tags"]]
        return [tag for tag in known if tag in used] + sorted(used - set(known))

    def _all(self) -> Iterator[tuple[str, str, Json]]:
        for path, methods in self._document["paths"].items():
            for method in METHODS:
                if method in methods:
                    yield path, method, methods[method]

    def _of(self, tag: str) -> Iterator[tuple[str, str, Json]]:
        return (found for found in self._all() if tag in found[2]["tags"])

    def _operation(self, path: str, method: str, one: Json) -> str:
        key = "" if one["security"] else '<p class="dim">Needs no key.</p>'
        return (
            f'<article><h3 id="{one["operationId"]}"><span class="method">{method.upper()}</span> '
            f"<code>{escape(path)}</code></h3><p><strong>{escape(one['summary'])}.</strong> "
            f"{_words(one.get('description', ''))}</p>{key}{self._parameters(one)}{self._body(one)}"
            f"{self._responses(one)}</article>"
        )

    def _parameters(self, one: Json) -> str:
        rows = "".join(
            f"<tr><td><code>{escape(p['name'])}</code>{' *' if p['required'] else ''}</td><td>{p['in']}</td>"
            f"<td>{self._type(p['schema'])}</td><td>{_words(p.get('description', ''))}</td></tr>"
            for p in one["parameters"]
        )
        return f"<h4>Parameters</h4>{_table(('name', 'in', 'type', 'meaning'), rows)}" if rows else ""

    def _body(self, one: Json) -> str:
        shown = "".join(
            f"<p><code>{escape(media)}</code>: {self._type(content['schema'])}</p>{_example(content)}"
            for media, content in one.get("requestBody", {}).get("content", {}).items()
        )
        return f"<h4>Body</h4>{shown}" if shown else ""

    def _responses(self, one: Json) -> str:
        rows = []
        for status, answer in one["responses"].items():
            contents = "".join(
                f"<p><code>{escape(media)}</code>: {self._type(content['schema'])}</p>{_example(content)}"
                f"{self._names(content)}"
                for media, content in answer.get("content", {}).items()
            )
            headers = ", ".join(f"<code>{escape(name)}</code>" for name in answer.get("headers", {}))
            told = f'<p class="dim">Headers: {headers}</p>' if headers else ""
            rows.append(f"<tr><td>{status}</td><td>{_words(answer['description'])}{contents}{told}</td></tr>")
        return f"<h4>Answers</h4>{_table(('status', 'meaning'), ''.join(rows))}"

    def _names(self, content: Json) -> str:
        links = []
        for name, example in content.get("examples", {}).items():
            target = example.get("$ref", "").rpartition("/")[2]
            text = escape(name)
            links.append(f'<a href="#error-{escape(target)}">{text}</a>' if target else _words(_json(example, None)))
        return f"<p>{', '.join(links)}</p>" if links else ""

    def _fields(self, schema: Json) -> str:
        required = schema.get("required", ())
        rows = "".join(
            f"<tr><td><code>{escape(name)}</code>{' *' if name in required else ''}</td><td>{self._type(one)}</td>"
            f"<td>{_words(one.get('description', ''))}</td></tr>"
            for name, one in schema.get("properties", {}).items()
        )
        return _table(("field", "type", "meaning"), rows) if rows else ""

    def _type(self, schema: Json) -> str:
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            return f'<a href="#schema-{escape(name)}">{escape(name)}</a>'
        if "anyOf" in schema:
            return " or ".join(self._type(one) for one in schema["anyOf"])
        if "enum" in schema:
            return ", ".join(f"<code>{escape(str(one))}</code>" for one in schema["enum"])
        if "const" in schema:
            return f"<code>{escape(str(schema['const']))}</code>"
        if schema.get("type") == "array":
            return f"array of {self._type(schema['items'])}"
        bounds = [f"{word} {schema[name]}" for word, name in BOUNDS if name in schema]
        return escape(" ".join([str(schema.get("type", "any")), schema.get("format", ""), *bounds]).strip())


def _section(title: str, content: str) -> str:
    return f'<section><h2 id="{title}">{_title(title)}</h2>{content}</section>'


def _title(name: str) -> str:
    return name[:1].upper() + name[1:]


def _table(titles: tuple[str, ...], rows: str) -> str:
    head = "".join(f'<th scope="col">{title}</th>' for title in titles)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _example(content: Json) -> str:
    if "example" not in content:
        return ""
    example = content["example"]
    return f"<pre>{escape(example if isinstance(example, str) else _json(example, 2))}</pre>"


def _written(value: Any) -> str:
    return value if isinstance(value, str) else _json(value, None)


def _json(value: Any, indent: int | None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _words(text: str) -> str:
    """Return a sentence with backquoted parts as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))
