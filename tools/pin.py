"""`make pin`: write the commit that each repository of the catalog has now into helpers/revisions.json."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from helpers import catalog, hub
from helpers.source import source
from tools.notebooks import ROOT

REVISIONS = ROOT / "helpers" / "revisions.json"


def newest() -> dict[str, str]:
    """Id of everything in the catalog to its newest commit.

    For a data set with a loading script it is that of the branch on which the Hub keeps it as parquet.

    Raises:
        HubError: the Hub does not say.
    """
    commits = {row.hub: hub.newest(row.hub) for row in catalog.CHECKPOINTS}
    for row in catalog.DATA_SETS:
        if row.hub not in commits:
            commits[row.hub] = hub.newest_split(row.hub, row.config, row.split).revision
    return commits


def main(file: Path = REVISIONS) -> int:
    """Write all commits, or none if the Hub does not answer; returns the exit status."""
    if source() != "hub":
        print("The source is offline, so no commit can be asked for: set ASR_SOURCE=hub.", file=sys.stderr)
        return 1
    try:
        commits = newest()
    except hub.HubError as error:
        print(error, file=sys.stderr)
        return 1
    known = json.loads(file.read_text(encoding="utf-8"))
    for name, commit in commits.items():
        print(f"{name}: {commit[:12]}{'' if known.get(name) == commit else ' (new)'}")
    file.write_text(json.dumps(commits, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
