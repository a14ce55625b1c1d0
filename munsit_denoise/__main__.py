"""`python -m munsit_denoise`, and the program `munsit-denoise`."""

import os
import sys


def main() -> None:
    """Run the command line; Ctrl-C during the imports exits without a traceback."""
    try:
        from munsit_denoise.cli import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(130)
    except SystemExit as end:
        if sys.argv[1:2] == ["doctor"] and "obstore" in sys.modules and isinstance(end.code, int):
            sys.stdout.flush()
            os._exit(end.code)  # its threads that still try to connect may abort a process that ends in the usual way
        raise


if __name__ == "__main__":
    main()
