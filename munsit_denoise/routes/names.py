"""Names for paths without ids: the pattern of the route, or `other`."""

import re
from collections.abc import Iterator, Sequence

from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute

from munsit_denoise.routes.paths import plain_path

OTHER = "other"
_PARAMETER = re.compile(r"\{\w+(:path)?\}")


class RouteNames:
    """Maps paths to the patterns of an app's routes, which limits the number of names in metrics."""

    def __init__(self, routes: Sequence[BaseRoute]) -> None:
        self.names = list(dict.fromkeys(_patterns(routes)))
        self._constant = {name: name for name in self.names if "{" not in name}
        self._known = re.compile("|".join(f"({_expression(name)})" for name in self.names) or "(?!)")

    def of(self, path: str) -> str:
        """Return the pattern that a path matches, `other` if there is none."""
        constant = self._constant.get(path)
        if constant is not None:
            return constant
        found = self._known.fullmatch(plain_path(path))
        return self.names[found.lastindex - 1] if found and found.lastindex else OTHER


def _patterns(routes: Sequence[BaseRoute], base: str = "") -> Iterator[str]:
    for route in routes:
        if isinstance(route, Route | WebSocketRoute):
            yield base + route.path
        elif isinstance(route, Mount):
            inner = _routes_of(route.app)
            yield from _patterns(inner, base + route.path) if inner else [f"{base}{route.path}/{{path:path}}"]


def _routes_of(app: object) -> Sequence[BaseRoute]:
    """Return the routes of an app, also inside wrappers that keep it as `app`."""
    while app is not None and not hasattr(app, "routes"):
        app = getattr(app, "app", None)
    found: Sequence[BaseRoute] = getattr(app, "routes", [])
    return found


def _expression(pattern: str) -> str:
    literal = re.split(r"(\{\w+(?::path)?\})", pattern)
    return "".join(_wild(part) if _PARAMETER.fullmatch(part) else re.escape(part) for part in literal)


def _wild(parameter: str) -> str:
    return ".*" if ":path" in parameter else "[^/]+"
