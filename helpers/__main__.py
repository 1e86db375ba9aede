"""`python -m helpers fetch`: download and make all that the offline source needs."""

import argparse
import sys

from . import offline


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m helpers")
    parser.add_argument("command", choices=["fetch"], help="all that the lessons need offline")
    parser.parse_args()
    try:
        offline.fetch_all()
    except offline.OfflineError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
