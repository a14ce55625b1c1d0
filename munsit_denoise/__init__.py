"""munsit-denoise: a self-hosted server that removes noise from recordings and videos, and a Python library."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from munsit_denoise.api import Denoiser, EngineOptions, enhance, enhance_file
    from munsit_denoise.errors import DenoiseError

__version__ = "0.1.0"
__all__ = ["DenoiseError", "Denoiser", "EngineOptions", "enhance", "enhance_file"]


def __getattr__(name: str) -> Any:
    """Import the library's functions at their first use; the server and the commands do not need them."""
    if name not in __all__:
        raise AttributeError(f"module 'munsit_denoise' has no attribute {name!r}")
    from munsit_denoise import api, errors

    return getattr(errors if name == "DenoiseError" else api, name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
