"""`python -m helpers fetch | prefetch | check | where | progress`: what lessons need, and what is solved."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import redirect_stdout
from pathlib import Path

from .catalog import CatalogError
from .supply import SupplyError


def main(values: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m helpers")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("fetch", help="download and make all that the lessons need offline")
    commands.add_parser("prefetch", help="copy all from the Hub, for a room without network (ASR_SOURCE=hub)")
    check = commands.add_parser("check", help="is this computer ready?")
    form = check.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="for programs")
    form.add_argument("--table", metavar="FOLDER", help="a table of the --json answers in this folder")
    where = commands.add_parser("where", help="print the folder of a checkpoint or data set, or its name")
    where.add_argument("name", help="as the lessons write it, e.g. openai/whisper-base")
    where.add_argument("config", nargs="?", help="a data set's configuration, e.g. tr_tr")
    progress = commands.add_parser(
        "progress", help="the exercises that are solved, and a certificate of them"
    )
    progress.add_argument("--name", help="write certificate.html for this name into the folder you are in")
    arguments = parser.parse_args(values)
    known = {"fetch": _fetch, "prefetch": _prefetch, "check": _check, "where": _where, "progress": _progress}
    run = known[arguments.command]
    try:
        return run(arguments)
    except (SupplyError, CatalogError) as error:
        print(error, file=sys.stderr)
        return 1


def _fetch(_) -> int:
    from .supply import recipes

    recipes.fetch_all()
    return 0


def _prefetch(_) -> int:
    from . import catalog
    from .supply import hub
    from .supply.source import source

    if source() != "hub":
        raise SupplyError("The source is offline, nothing to prefetch: set ASR_SOURCE=hub.")
    hub.prefetch(catalog.on_the_hub())
    return 0


def _check(arguments) -> int:
    from .supply import answers, check

    if arguments.table:
        text, ready = answers.table(arguments.table)
        print(text)
        return 0 if ready else 1
    findings = check.run()
    if arguments.json:
        print(json.dumps([each._asdict() for each in findings], indent=1, ensure_ascii=False))
    else:
        print(*findings, sep="\n")
    return 0 if all(each.ok for each in findings) else 1


def _where(arguments) -> int:
    from . import catalog

    # A program takes the one line from stdout: notes about stand-ins go elsewhere.
    with redirect_stdout(sys.stderr):
        if any(row.hub == arguments.name for row in catalog.CHECKPOINTS):
            found = [catalog.model(arguments.name)]
        else:
            given = catalog.data(arguments.name, arguments.config)
            files = given.get("data_files", {}).values()
            found = [file for split in files for file in split] or [given["path"]]
    print("\n".join(found))
    return 0


def _progress(arguments) -> int:
    from . import exercises

    solved = exercises.solved()
    for number, row in sorted(solved.items(), key=lambda item: exercises.order(item[0])):
        print(f"{number:6}{row['day']}  {row['title']}")
    print(f"{len(solved)} exercises solved")
    if arguments.name:
        target = Path("certificate.html")
        if target.exists():
            print(f"{target.resolve()} is there already: move it away first.", file=sys.stderr)
            return 1
        target.write_text(exercises.certificate(arguments.name), encoding="utf-8")
        print(f"The certificate: {target.resolve()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
