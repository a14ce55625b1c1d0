"""What a release says of itself: one version everywhere, and an SBOM with every locked package."""

import re
import tomllib
from pathlib import Path

from munsit_denoise import __version__
from tests.test_docs import script

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_the_version_is_the_same_everywhere_and_has_a_dated_section() -> None:
    script("release").check_version(PROJECT["version"])
    assert PROJECT["version"] == __version__
    assert re.search(r"^## Unreleased$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)


def test_the_sbom_names_every_locked_package() -> None:
    bom = script("release").bill_of_materials(PROJECT)
    locks = "".join((ROOT / name).read_text() for name in ("requirements.lock", "requirements-torch.lock"))
    locked = re.findall(r"^([\w.-]+)(?:\[\w+\])?==([^\s;]+)", locks, re.MULTILINE)
    assert [(one["name"], one["version"]) for one in bom["components"]] == locked
    assert all(one["properties"] for one in bom["components"])
    assert {"torch", "starlette"} <= {one["name"] for one in bom["components"]}
