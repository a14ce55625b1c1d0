"""What a file is where its name does not say."""

import pytest

from munsit_denoise.jobs.intake import format_of
from munsit_denoise.media.probe import AudioTrack
from munsit_denoise.names import extension_of


@pytest.mark.parametrize(
    ("container", "codec", "picture", "found"),
    [
        ("matroska", "opus", False, "webm"),  # a browser's MediaRecorder
        ("matroska", "aac", False, "mka"),
        ("matroska", "aac", True, "mkv"),
        ("mov", "aac", False, "m4a"),
        ("mov", "aac", True, "mp4"),
        ("wav", "pcm_s16le", False, "wav"),
    ],
)
def test_the_content_names_the_format(container: str, codec: str, picture: bool, found: str) -> None:
    track = AudioTrack(48_000, 1, "mono", codec, 0, False, 1.0, container, has_picture=picture)
    assert format_of("blob", track) == found
    assert format_of("a.mp3", track) == "mp3"


@pytest.mark.parametrize("name", ["New Recording 12.2", "blob", "a.tmp", "a.part", "a.", "", ".", "a.mp3 "])
def test_an_extension_that_is_none_says_nothing(name: str) -> None:
    assert extension_of(name) == ""
