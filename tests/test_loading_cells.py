"""A lesson's loading calls are ordinary code: with the Hub's names in them they run without `helpers`.

Whole lessons: whole_lessons_hub.py.
"""

import pytest

from tests.hub import client, content, loading
from tests.hub.server import Hub
from tools import notebooks

SAMPLE = """
import torch
from datasets import Audio, load_dataset
from transformers import AutoModelForCTC, pipeline
from helpers import catalog, course

device = "cuda" if torch.cuda.is_available() else "cpu"
name, config = "hf-internal-testing/librispeech_asr_dummy", "clean"
clips = load_dataset(**catalog.data(name, config), split="validation")
clips = clips.cast_column("audio", Audio(decode=False))
source = catalog.data("google/fleurs", "tr_tr")
parts = {part: load_dataset(**source, split=part) for part in ("train", "test")}
for row in load_dataset(**catalog.data("stanfordnlp/imdb"), split="train", streaming=True).take(3):
    print(row)

def letters(many):
    return AutoModelForCTC.from_pretrained(checkpoint, vocab_size=many, dtype=torch.float32)

checkpoint = catalog.model("facebook/wav2vec2-base-100h")
asr = pipeline("automatic-speech-recognition", model=checkpoint, device=device, **options)
"""

SLUGS = [entry["slug"] for entry in notebooks.lessons()]


def test_calls_are_found_with_the_hubs_names():
    found = loading.of(SAMPLE)
    reading = "{'path': 'hf-internal-testing/librispeech_asr_dummy', 'name': 'clean'}"
    turkish = "{'path': 'google/fleurs', 'revision': 'refs/convert/parquet', 'data_dir': 'tr_tr'}"
    assert found.calls == [
        f"load_dataset(**{reading}, split='validation')",
        *(f"load_dataset(**{turkish}, split='{split}')" for split in ("train", "validation", "test")),
        "load_dataset(**{'path': 'stanfordnlp/imdb'}, split='train', streaming=True)",
        "pipeline('automatic-speech-recognition', model='facebook/wav2vec2-base-100h', "
        "device='cuda' if torch.cuda.is_available() else 'cpu')",
    ]
    assert "from transformers import pipeline" in found.imports
    assert not any("helpers" in statement for statement in found.imports)
    assert found.repositories == {
        "hf-internal-testing/librispeech_asr_dummy",
        "google/fleurs",
        "stanfordnlp/imdb",
        "facebook/wav2vec2-base-100h",
    }
    assert found.unused == []


def test_what_reaches_no_loader_is_told():
    text = "from helpers import catalog\nsecret(catalog.model('openai/whisper-base'))"
    assert loading.of(text).unused == ["catalog.model('openai/whisper-base')"]


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """Another Python, and a Hub with what the lessons name and nothing else."""
    root, home = tmp_path_factory.mktemp("hub"), tmp_path_factory.mktemp("home")
    names = set().union(*(loading.of(text).repositories for text in TEXTS.values()))
    with Hub(content.build(root, names)) as server:
        process = client.Client(server.url, home)
        process.server = server
        yield process
        process.close()
    assert client.left_loopback(home) == ""


TEXTS = {"sample": SAMPLE} | {slug: notebooks.source(slug) for slug in SLUGS}


@pytest.mark.parametrize("slug", TEXTS)
def test_a_lessons_loading_calls_run_without_helpers(python, slug):
    found = loading.of(TEXTS[slug])
    assert found.calls and not found.unused
    for statement in found.imports:
        python(statement)
    for call in found.calls:
        python(f"loaded = {call}")
        if call.startswith("load_dataset("):
            # Decoding would need torchcodec; lessons do the same in their next line.
            python("from datasets import Audio")
            python("if 'audio' in loaded.features: loaded = loaded.cast_column('audio', Audio(decode=False))")
            assert python("len(next(iter(loaded))) >= 2")
    assert python("'helpers' in __import__('sys').modules") is False
    for name in found.repositories:
        assert python.server.asked(f"{name}/resolve/"), f"{name} was not asked for"
    assert not python.server.asked("GET .*(spanish/train|[.]py$)")
