"""Build the files of a release in dist/: wheel, source archive, SBOM (CycloneDX 1.6) and checksums.

The SBOM lists the locked packages with their hashes; check the checksums with `sha256sum -c SHA256SUMS`.
"""

import hashlib
import json
import re
import shutil
import subprocess
import sys
import tomllib
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
LOCKS = ("requirements.lock", "requirements-torch.lock")
PACKAGE = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==(\S+)((?:.*\\\n)*.*)$", re.MULTILINE)


def packages(lock: str) -> Iterator[dict[str, Any]]:
    """Yield each package of a lock file as a component."""
    for name, version, rest in PACKAGE.findall(lock):
        component = {
            "type": "library",
            "bom-ref": f"pkg:pypi/{name}@{version}",
            "name": name,
            "version": version,
            "purl": f"pkg:pypi/{name}@{version}",
        }
        if digests := re.findall(r"--hash=sha256:([0-9a-f]{64})", rest):  # one for each file that may be installed
            component["properties"] = [{"name": "pip:sha256", "value": digest} for digest in digests]
        yield component | _licence(name)


def _licence(name: str) -> dict[str, Any]:
    """Return the licence that an installed package declares, if any."""
    try:
        stated = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return {}
    expression = stated.get("License-Expression")
    if expression:
        return {"licenses": [{"expression": expression}]}
    classifiers = [one for one in stated.get_all("Classifier") or () if one.startswith("License :: OSI Approved :: ")]
    return (
        {"licenses": [{"license": {"name": one.rpartition(" :: ")[2]}} for one in classifiers]} if classifiers else {}
    )


def bill_of_materials(project: dict[str, Any]) -> dict[str, Any]:
    """Return the SBOM of the project and all locked packages."""
    components = [one for lock in LOCKS for one in packages((ROOT / lock).read_text("utf-8"))]
    name, version = project["name"], project["version"]
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid4()}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            "component": {
                "type": "application",
                "bom-ref": f"pkg:pypi/{name}@{version}",
                "name": name,
                "version": version,
                "purl": f"pkg:pypi/{name}@{version}",
                "licenses": [{"license": {"id": project["license"]}}],
            },
        },
        "components": components,
    }


def check_version(version: str) -> None:
    """Check that package and changelog have the same version. Exits with a message otherwise."""
    said = re.search(r'^__version__ = "(.+)"$', (ROOT / "munsit_denoise/__init__.py").read_text(), re.MULTILINE)
    if said is None or said[1] != version:
        sys.exit(f"pyproject.toml says {version}, munsit_denoise/__init__.py another version. Make them the same.")
    if not re.search(
        rf"^## {re.escape(version)} - \d{{4}}-\d\d-\d\d$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE
    ):
        sys.exit(f"CHANGELOG.md has no section `## {version} - YYYY-MM-DD`. Name and date the section of this release.")


def main() -> None:
    """Write dist/ again."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    check_version(project["version"])
    target = ROOT / "dist"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-d", target], cwd=ROOT, check=True)
    bom = target / f"{project['name']}-{project['version']}.cdx.json"
    bom.write_text(json.dumps(bill_of_materials(project), indent=1) + "\n", "utf-8")
    sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}" for path in sorted(target.iterdir())]
    (target / "SHA256SUMS").write_text("\n".join(sums) + "\n")
    print(f"{len(sums) + 1} files in {target.relative_to(ROOT)}/")


if __name__ == "__main__":
    main()
