"""The entry of the demo; see `mailqueue.demo`."""

import sys

try:
    import aiosmtpd as aiosmtpd
    import rich as rich
except ModuleNotFoundError as error:
    sys.exit(f"The demo needs {error.name}: pip install 'mailqueue[demo]'")

from mailqueue.demo.scenario import main

if __name__ == "__main__":
    sys.exit(main())
