"""What each lesson names is found in its code and loaded from the Hub on loopback, with an empty cache.

Whole lessons on this road: road_hub.py.
"""

import pytest

from tests.hub import client, content, named
from tests.hub.server import Hub
from tools import notebooks

SLUGS = [entry["slug"] for entry in notebooks.lessons()]


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """Another Python on the Hub's road; the Hub holds what the lessons name and nothing else."""
    root, home = tmp_path_factory.mktemp("hub"), tmp_path_factory.mktemp("home")
    names = set().union(*map(named.repositories, SLUGS))
    with Hub(content.build(root, names)) as server:
        process = client.Client(server.url, home)
        process("from helpers import audio; from pathlib import Path")
        yield process
        process.close()
    assert client.left_loopback(home) == ""


CALLS = [(slug[:2], call) for slug in SLUGS for call in named.calls(slug)]


@pytest.mark.parametrize(("lesson", "call"), CALLS)
def test_the_hub_gives_what_a_lesson_loads(python, lesson, call):
    if call.startswith("catalog.dataset("):
        python(f"rows = {call}")
        python("row = next(iter(rows))")
        columns = python("list(rows.features)")
        assert columns == list(python("list(row)"))
        if "audio" in columns:
            assert python("len(audio.read(row['audio']))") > 16_000
    else:
        assert python(f"(Path({call}) / 'config.json').is_file()")


def test_every_lesson_but_the_fifth_names_a_data_set():
    without = [slug for slug in SLUGS if not any("catalog.dataset(" in call for call in named.calls(slug))]
    assert without == ["05_whisper_fine_tuning"]


def test_a_loop_over_splits_stands_for_all_of_them():
    splits = [call for call in named.calls("07_xlsr_ctc_fine_tuning") if "google/fleurs" in call]
    assert len(splits) == 3
