"""`python -m helpers fetch | prefetch | check`: what the lessons need, and whether it is all there."""

import argparse
import json
import sys


def main(values: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m helpers")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("fetch", help="download and make all that the lessons need offline")
    commands.add_parser("prefetch", help="fill the Hub's cache, for a room without network (ASR_SOURCE=hub)")
    check = commands.add_parser("check", help="is this computer ready?")
    check.add_argument("--json", action="store_true", help="for programs")
    arguments = parser.parse_args(values)
    return {"fetch": _fetch, "prefetch": _prefetch, "check": _check}[arguments.command](arguments)


def _fetch(_) -> int:
    from . import offline

    try:
        offline.fetch_all()
    except offline.OfflineError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _prefetch(_) -> int:
    from . import catalog, hub
    from .source import source

    if source() != "hub":
        print("The source is offline, nothing to prefetch: set ASR_SOURCE=hub.", file=sys.stderr)
        return 1
    failed = 0
    for what in catalog.everything():
        try:
            what.fetch()
            print(f"{what.name}: there", flush=True)
        except hub.HubError as error:
            print(f"{what.name}: {error}", file=sys.stderr, flush=True)
            failed += 1
    return 1 if failed else 0


def _check(arguments) -> int:
    from . import check

    findings = check.run()
    if arguments.json:
        print(json.dumps([each._asdict() for each in findings], indent=1, ensure_ascii=False))
    else:
        print(check.text(findings))
    return 0 if all(each.ok for each in findings) else 1


if __name__ == "__main__":
    sys.exit(main())
