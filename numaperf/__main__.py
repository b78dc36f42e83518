"""`python -m numaperf`."""

import sys

from numaperf.cli import main

if __name__ == "__main__":
    sys.exit(main())
