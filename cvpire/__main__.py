"""`python -m cvpire`: see `cvpire.cli.main`."""

import sys

from cvpire.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
