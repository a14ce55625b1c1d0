"""`python -m munsit_denoise`, and the program `munsit-denoise`."""

import sys


def main() -> None:
    """Run the command line; Ctrl-C during the imports exits without a traceback."""
    try:
        from munsit_denoise.cli import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
