"""`python -m munsit_denoise`."""

from munsit_denoise.cli import main

main()
