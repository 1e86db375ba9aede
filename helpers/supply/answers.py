"""The answers of many computers to `python -m helpers check --json`, as one table."""

from __future__ import annotations

import json
from pathlib import Path

from . import SupplyError


def read(file: Path) -> list[dict]:
    """One computer's findings: dicts with `name`, `ok` and `detail`.

    Raises:
        ValueError: the file holds something else.
    """
    raw = file.read_bytes()
    # Windows PowerShell writes UTF-16 where a program's output goes to a file.
    text = raw.decode("utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    found = json.loads(text)
    if not (
        isinstance(found, list) and found and all({"name", "ok", "detail"} <= set(each) for each in found)
    ):
        raise ValueError("no list of findings")
    return found


def table(folder: str | Path) -> tuple[str, bool]:
    """A row for each *.json file of a folder, named by the file, and below the table what to do where.

    Args:
        folder: one file a computer, what `python -m helpers check --json` printed there.

    Returns:
        (the text, whether all computers are ready).

    Raises:
        SupplyError: the folder holds no answer.
    """
    import pandas as pd

    files = sorted(Path(folder).expanduser().glob("*.json"))
    if not files:
        raise SupplyError(
            f"{folder} holds no .json file: collect what `python -m helpers check --json` prints."
        )
    rows, todo = {}, []
    for file in files:
        try:
            found = read(file)
        except (ValueError, TypeError) as error:
            rows[file.stem] = {"ready": "?"}
            todo.append(
                f"{file.stem}: {file.name} is no answer of `check --json` ({error}), collect it again"
            )
            continue
        ready = all(each["ok"] for each in found)
        marks = {each["name"]: "ok" if each["ok"] else "FAIL" for each in found}
        rows[file.stem] = {"ready": "yes" if ready else "NO", **marks}
        todo += [f"{file.stem}: {each['name']}: {each['detail']}" for each in found if not each["ok"]]
    shown = pd.DataFrame.from_dict(rows, orient="index").fillna("?").to_string()
    count = sum(row["ready"] == "yes" for row in rows.values())
    return "\n".join([shown, f"{count} of {len(rows)} are ready", *todo]), count == len(rows)
