"""What the requests of `tests/fuzz.py` are made of beside JSON: recordings, and pieces of uploads."""

import io
from typing import Any

import schemathesis
import soundfile
from hypothesis import strategies

from tests.audio import hiss, voice


def recording(seconds: float, rate_hz: int) -> bytes:
    """Return a WAV."""
    file = io.BytesIO()
    clean = voice(seconds, rate_hz)
    soundfile.write(file, clean + hiss(len(clean)), rate_hz, format="WAV")
    return file.getvalue()


FILES = [recording(0.1, 8_000), recording(0.2, 16_000), b"no recording"]
schemathesis.openapi.format("binary", strategies.sampled_from(FILES))


@schemathesis.serializer("application/offset+octet-stream")
def piece(_: Any, value: Any) -> bytes:
    """Return a piece of an upload."""
    return value if isinstance(value, bytes) else str(value).encode()


@schemathesis.hook
def filter_case(_: Any, case: Any) -> bool:
    """Leave out what only adds a header that nobody knows: whoever speaks HTTP passes those over."""
    return not any("unknown-property" in name for name in case.headers or ())
