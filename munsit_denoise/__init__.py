"""munsit-denoise: a self-hosted server that removes noise from recordings and videos."""

__version__ = "0.1.0"
