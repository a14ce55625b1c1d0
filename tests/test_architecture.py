"""Who may import whom, and what a node without workers does not load."""

import ast
import inspect
import subprocess
import sys
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from typing import get_type_hints

PACKAGE = Path(__file__).parent.parent / "munsit_denoise"
LEAVES = {"db", "queue", "storage", "events", "media", "engine", "remote"}
READ_THE_ENVIRONMENT = {"settings.py", "engine/threads.py"}  # the second one sets what PyTorch's libraries read
LISTS = {
    "errors.py",
    "settings.py",
    "db/tables.py",
    "messages/arabic.py",
}  # one entry after the other: longer, and still easy to read
COMMON = {"records", "errors", "names", "treatment"}
ONLY_IN = {
    "torch": {"engine"},
    "torchaudio": {"engine"},
    "safetensors": {"engine"},
    "sqlalchemy": {"db"},
    "alembic": {"db"},
    "starlette": {"routes", "app", "server"},
    "uvicorn": {"server", "connections", "protocols"},
    "structlog": {"logs"},
    "prometheus_client": {"metrics"},
    "pydub": {"media"},
    "scipy": {"media"},
    "imageio_ffmpeg": {"media"},
    "httpx2": {"remote", "services", "work"},
    "httpcore2": {"remote"},
    "standardwebhooks": {"remote"},
    "limits": {"jobs"},
    "subprocess": {"media"},
}


@cache
def trees() -> dict[Path, ast.Module]:
    """Return each module of the package, parsed."""
    return {path: ast.parse(path.read_text()) for path in PACKAGE.rglob("*.py")}


@cache
def modules() -> dict[str, set[str]]:
    """Return what each module of the package imports, by full name."""
    found = {}
    for path, tree in trees().items():
        name = ".".join(["munsit_denoise", *path.relative_to(PACKAGE).with_suffix("").parts])
        imports = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                imports |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                imports |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
        found[name.removesuffix(".__init__")] = imports
    return found


def part(module: str) -> str:
    """Return the first part of a module's name below the package."""
    return ([*module.split("."), ""])[1]


def test_leaves_know_only_records_and_errors() -> None:
    for module, imports in modules().items():
        if part(module) not in LEAVES:
            continue
        own = {part(name) for name in imports if name.startswith("munsit_denoise.")}
        assert own <= COMMON | {part(module)}, module


def test_common_modules_know_the_standard_library_and_each_other_only() -> None:
    for name in COMMON:
        imports = {i for i in modules()[f"munsit_denoise.{name}"] if part(i) not in COMMON}
        assert {i.split(".")[0] for i in imports} <= set(sys.stdlib_module_names), name


def test_libraries_stay_where_they_belong() -> None:
    for module, imports in modules().items():
        for library in {name.split(".")[0] for name in imports} & set(ONLY_IN):
            assert part(module) in ONLY_IN[library], f"{module} imports {library}"


def test_core_does_not_know_the_edge_nor_dialects_each_other() -> None:
    for module, imports in modules().items():
        if part(module) in LEAVES | {"jobs"}:
            assert not any(name.startswith("munsit_denoise.routes") for name in imports), module


def test_dialects_do_not_know_each_other() -> None:
    for module, imports in modules().items():
        for one, other in (("munsit", "audo"), ("audo", "munsit")):
            if module.startswith(f"munsit_denoise.routes.{one}."):
                assert not any(name.startswith(f"munsit_denoise.routes.{other}") for name in imports), module


def test_routes_know_jobs_and_no_leaf_that_holds_data() -> None:
    for module, imports in modules().items():
        if part(module) == "routes":
            assert not {part(name) for name in imports} & {"db", "queue", "storage", "events", "engine"}, module


def test_what_the_routes_are_handed_keeps_its_leaves_to_itself() -> None:
    """Each field of the services is of `jobs/`; what stands behind one of those is private to it."""
    from munsit_denoise import services

    own = get_type_hints(services.Services)
    handed = [kind for kind in own.values() if getattr(kind, "__module__", "").startswith("munsit_denoise.")]
    assert {part(kind.__module__) for kind in handed} == {"jobs", "settings", "metrics"}
    for kind in (kind for kind in handed if part(kind.__module__) == "jobs"):
        tree = ast.parse(inspect.getsource(kind))
        names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and is_set_on_self(node)}
        assert all(name.startswith("_") for name in names - {"limits", "qualities", "stopping", "model_ready"}), kind


def is_set_on_self(node: ast.Attribute) -> bool:
    """Say whether a node is `self.name` being set."""
    return isinstance(node.ctx, ast.Store) and isinstance(node.value, ast.Name) and node.value.id == "self"


def test_routes_touch_nothing_private_of_others() -> None:
    for path in (path for path in trees() if PACKAGE / "routes" in path.parents):
        for node in ast.walk(trees()[path]):
            if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__"):
                assert isinstance(node.value, ast.Name | ast.Call), f"{path}: {ast.unparse(node)}"


def test_only_the_settings_read_the_environment() -> None:
    for path, tree in trees().items():
        names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        names |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}
        reads = names & {"environ", "environb", "getenv", "getenvb"}
        assert not reads or path.relative_to(PACKAGE).as_posix() in READ_THE_ENVIRONMENT, path


def test_imports_form_no_cycle() -> None:
    graph = modules()
    edges = {name: {i for i in imports if i in graph and i != name} for name, imports in graph.items()}
    assert list(TopologicalSorter(edges).static_order())


def test_modules_stay_small() -> None:
    for path in PACKAGE.rglob("*.py"):
        most = 400 if str(path.relative_to(PACKAGE)) in LISTS else 250
        assert len(path.read_text().splitlines()) <= most, path


def test_the_app_loads_no_torch() -> None:
    code = "import sys, munsit_denoise.app; sys.exit('torch' in sys.modules or 'torchaudio' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_nothing_runs_at_import() -> None:
    """Importing everything starts no thread."""
    code = "import munsit_denoise.cli, munsit_denoise.server, threading; print(threading.active_count())"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "1"


def test_no_two_classes_have_one_name() -> None:
    """A protocol may have the name of what keeps it, and the JSON of a dialect that of what it shows."""
    places: dict[str, list[Path]] = {}
    for path, tree in trees().items():
        for node in (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)):
            if not {ast.unparse(base) for base in node.bases} & {"Protocol", "Model"}:
                places.setdefault(node.name, []).append(path)
    assert {name: paths for name, paths in places.items() if len(paths) > 1} == {}
