"""The Hub's road against a Hub on loopback: what is loaded, what goes wrong, what the cache holds then."""

import json
import os
import shutil
import time

import pytest

from tests.hub import client, content
from tests.hub.server import Fault, Hub

SECONDS = 2
LARGE = 300_000


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def repositories(tmp_path_factory):
    """Some of the course's repositories, and small ones without meaning for what goes wrong."""
    root = content.build(
        tmp_path_factory.mktemp("hub"),
        [
            "facebook/wav2vec2-base-100h",
            "hf-internal-testing/librispeech_asr_dummy",
            "facebook/multilingual_librispeech",
            "stanfordnlp/imdb",
        ],
    )
    folder = root / "models" / "course" / "tiny"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text('{"model_type": "bert"}')
    (folder / "model.safetensors").write_bytes(bytes(range(250)) * (LARGE // 250))
    (folder / "pytorch_model.bin").write_bytes(b"pickled")
    (folder / "tf_model.h5").write_bytes(b"other")
    pickled = root / "models" / "course" / "pickled"
    pickled.mkdir()
    (pickled / "pytorch_model.bin").write_bytes(b"pickled")
    scripted = root / "datasets" / "course" / "scripted"
    scripted.mkdir(parents=True)
    (scripted / "scripted.py").write_text("raise RuntimeError")
    converted = scripted.with_name("scripted@refs+convert+parquet") / "tr_tr" / "train"
    converted.mkdir(parents=True)
    spanish = root / "datasets/facebook/multilingual_librispeech/spanish/dev-00000-of-00001.parquet"
    shutil.copy(spanish, converted / "0000.parquet")
    return root


@pytest.fixture(scope="module")
def server(repositories):
    with Hub(repositories) as hub:
        yield hub


@pytest.fixture(scope="module")
def python(server, home):
    process = client.Client(server.url, home)
    process(f"hub.__dict__.__setitem__('SECONDS', {SECONDS})")
    # Small pieces, so that a small file can break off in the middle.
    process("from huggingface_hub import constants; constants.DOWNLOAD_CHUNK_SIZE = 1000")
    yield process
    process.close()
    assert client.left_loopback(home) == ""


@pytest.fixture
def run(server, python, home):
    """The other Python, with an empty cache and a Hub without faults."""
    server.faults.clear()
    server.requests.clear()
    for folder in ("huggingface", "course"):
        shutil.rmtree(home / folder, ignore_errors=True)
    yield python
    server.faults.clear()


SPANISH = "catalog.dataset('facebook/multilingual_librispeech', 'spanish', split='dev', streaming={})"
TINY = "str(hub.snapshot('course/tiny'))"


def half_written(home) -> list:
    """Files in the cache that a reader could take for whole ones, but are not."""
    cache = home / "huggingface" / "hub"
    partial = list(cache.rglob("*.incomplete"))
    broken = [path for path in cache.rglob("*") if path.is_symlink() and not path.exists()]
    short = [path for path in cache.rglob("model.safetensors") if path.stat().st_size != LARGE]
    return partial + broken + short


# ---- what is loaded ----------------------------------------------------------------------------------------


def test_a_checkpoint_is_a_folder_that_is_asked_for_once(run, server):
    from transformers import AutoModelForCTC, AutoProcessor

    folder = run("catalog.checkpoint('facebook/wav2vec2-base-100h')")
    assert AutoModelForCTC.from_pretrained(folder).config.vocab_size == 32
    assert AutoProcessor.from_pretrained(folder).tokenizer.word_delimiter_token == "|"
    server.requests.clear()
    assert run("catalog.checkpoint('facebook/wav2vec2-base-100h')") == folder
    assert server.requests == []


def test_weights_for_others_stay_where_they_are(run, server):
    assert set(os.listdir(run(TINY))) == {"config.json", "model.safetensors"}
    assert not server.asked("tf_model.h5|pytorch_model.bin")
    assert os.listdir(run("str(hub.snapshot('course/pickled'))")) == ["pytorch_model.bin"]
    server.requests.clear()
    run("str(hub.snapshot('course/pickled'))")
    assert server.requests == []


def test_a_pinned_revision_is_what_is_loaded(run, server):
    commit = server.repositories.commit("models", "course/tiny")
    assert run(f"str(hub.snapshot('course/tiny', {commit!r}))").endswith(commit)
    assert run("hub.newest('course/tiny')") == commit


def test_a_data_set_comes_with_the_columns_of_the_hub_and_one_split_only(run, server):
    code = "catalog.dataset('hf-internal-testing/librispeech_asr_dummy', 'clean', split='validation')"
    assert run(f"({code}).column_names") == ["file", "audio", "text", "speaker_id", "chapter_id", "id"]
    run("from helpers import audio")
    assert run(f"len(audio.read(({code})[0]['audio']))") > 16_000
    assert not server.asked("unused")
    server.requests.clear()
    assert run(f"len({code})") == 73
    assert server.requests == []


def test_text_keeps_its_classes(run):
    run("reviews = catalog.dataset('stanfordnlp/imdb', split='test')")
    assert run("reviews.features['label'].names") == ["neg", "pos"]


def test_streaming_reads_in_pieces_and_keeps_nothing(run, server, home):
    run(f"rows = iter({SPANISH.format(True)})")
    assert sorted(run("list(next(rows)['audio'])")) == ["bytes", "path"]
    assert server.asked("GET /large") and all(each[2] for each in server.asked("GET /large"))
    assert not list((home / "huggingface" / "hub").rglob("*.parquet"))
    assert run("1 + len(list(rows))") == 34


def test_what_is_in_the_cache_is_streamed_from_there(run, server):
    assert run(f"len({SPANISH.format(False)})") == 34
    server.requests.clear()
    assert run(f"len(list({SPANISH.format(True)}))") == 34
    assert server.requests == []


def test_a_data_set_with_a_script_is_read_as_the_hub_converted_it(run):
    run("found = hub.split('course/scripted', 'tr_tr', 'train')")
    assert run("found.files") == ["tr_tr/train/0000.parquet"]
    run("import os")
    assert run("os.path.getsize(hub.download('course/scripted', found)[0])") > 1e6


def test_the_cache_tells_what_it_holds(run):
    spanish = "('facebook/multilingual_librispeech', 'spanish', 'dev')"
    assert run("hub.is_cached('course/tiny')") is run(f"hub.is_split_cached(*{spanish})") is False
    run(f"hub.split(*{spanish})")
    assert run(f"hub.is_split_cached(*{spanish})") is False, "its files are known, but not there"
    run(TINY)
    run(SPANISH.format(False))
    assert run("hub.is_cached('course/tiny')") is run(f"hub.is_split_cached(*{spanish})") is True


def test_unknown_configuration_and_split(run):
    for config, split, message in [
        ("welsh", "dev", "no configuration 'welsh'"),
        ("spanish", "x", "no split 'x'"),
    ]:
        with pytest.raises(client.Failure, match=message) as caught:
            run(f"hub.split('facebook/multilingual_librispeech', {config!r}, {split!r})")
        assert caught.value.kind == "HubError"


@pytest.fixture
def few_rows(run):
    """The catalog cut down to a checkpoint, a data set, and one with a loading script; pins forgotten."""
    run("rows = catalog.CHECKPOINTS, catalog.DATA_SETS, dict(catalog.REVISIONS)")
    run("names = ['facebook/wav2vec2-base-100h', 'stanfordnlp/imdb']")
    run("catalog.CHECKPOINTS = tuple(row for row in catalog.CHECKPOINTS if row.hub in names)")
    run("catalog.DATA_SETS = tuple(row for row in catalog.DATA_SETS if row.hub in names)")
    run("catalog.DATA_SETS += (catalog.DataSet('course/scripted', 'tr_tr', 'train', 'MIT', None, ''),)")
    run("from tools import pin; from pathlib import Path")
    yield run
    run("catalog.CHECKPOINTS, catalog.DATA_SETS = rows[:2]")
    run("catalog.REVISIONS.clear(); catalog.REVISIONS.update(rows[2])")


def test_pin_writes_the_commits_of_now_and_the_catalog_holds_to_them(few_rows, server, tmp_path):
    file = tmp_path / "revisions.json"
    file.write_text("{}")
    assert few_rows(f"pin.main(Path({str(file)!r}))") == 0
    pinned, commit = json.loads(file.read_text()), server.repositories.commit
    assert pinned == {
        "facebook/wav2vec2-base-100h": commit("models", "facebook/wav2vec2-base-100h"),
        "stanfordnlp/imdb": commit("datasets", "stanfordnlp/imdb"),
        "course/scripted": commit("datasets", "course/scripted", "refs/convert/parquet"),
    }
    few_rows(f"catalog.REVISIONS.update({pinned!r})")
    server.requests.clear()
    folder = few_rows("catalog.checkpoint('facebook/wav2vec2-base-100h')")
    assert folder.endswith(pinned["facebook/wav2vec2-base-100h"])
    assert few_rows("len(catalog.dataset('course/scripted', 'tr_tr', split='train'))") == 34
    assert few_rows("len(catalog.dataset('stanfordnlp/imdb', split='test'))") > 900
    asked = [path for _, path, _ in server.asked("resolve")]
    assert asked and all(any(commit in path for commit in pinned.values()) for path in asked)


def test_a_pinned_commit_that_the_hub_no_longer_has(few_rows):
    few_rows(f"catalog.REVISIONS['facebook/wav2vec2-base-100h'] = {'1' * 40!r}")
    with pytest.raises(client.Failure, match=r"no longer has the revision 1111111.*update the course"):
        few_rows("catalog.checkpoint('facebook/wav2vec2-base-100h')")


def test_pin_writes_all_or_nothing(few_rows, server, tmp_path):
    file = tmp_path / "revisions.json"
    file.write_text("{}")
    server.faults.append(Fault("GET /api/datasets", status=500))
    assert few_rows(f"pin.main(Path({str(file)!r}))") == 1
    assert file.read_text() == "{}"


# ---- what goes wrong ---------------------------------------------------------------------------------------

FAULTS = {
    "silent": (Fault(".", seconds=3 * SECONDS), f"has not answered for {SECONDS} s: try again later"),
    "silent at a file": (Fault("GET /large", seconds=3 * SECONDS), f"has not answered for {SECONDS} s"),
    "401 everywhere": (Fault(".", status=401), "refuses your token .* log in anew"),
    "401 at a file": (Fault("resolve", status=401), "refuses your token .* log in anew"),
    "private or gone": (
        Fault(".", status=401, headers={"X-Error-Code": "RepoNotFound"}),
        "does not show course/tiny: it is gone or private",
    ),
    "gated": (Fault(".", status=403, headers={"X-Error-Code": "GatedRepo"}), "accepted its terms"),
    "404 everywhere": (Fault(".", status=404), "answers HTTP 404 for course/tiny: update the course"),
    "404 at a file": (
        Fault("safetensors", status=404, headers={"X-Error-Code": "EntryNotFound"}),
        "file of course/tiny is missing on the Hub: update the course",
    ),
    "429": (Fault(".", status=429, headers={"Retry-After": "300"}), "wait 300 s and run the cell again"),
    "429 at a file": (Fault("GET /large", status=429), "wait some minutes and run the cell again"),
    "500": (Fault(".", status=500), r"trouble of its own \(HTTP 500\): run the cell again"),
    "503 at a file": (Fault("GET /large", status=503), r"trouble of its own \(HTTP 503\)"),
    "broken off at once": (Fault("GET /large", cut=0), "broke off at model.safetensors: run the cell again"),
    "changed content": (Fault("GET /large", damage=True), "model.safetensors of course/tiny differs"),
    "not the Hub": (Fault("GET /api/models", status=200), "What answers is not the Hub: log in to the Wi-Fi"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_ends_in_one_sentence_in_seconds_and_leaves_nothing_half(run, server, home, name):
    fault, message = FAULTS[name]
    server.faults.append(fault)
    begin = time.perf_counter()
    with pytest.raises(client.Failure, match=message) as caught:
        run(TINY)
    assert time.perf_counter() - begin < 3 * SECONDS
    assert caught.value.kind == "HubError"
    assert "\n" not in str(caught.value) and "ASR_SOURCE=offline" in str(caught.value)
    assert half_written(home) == []
    server.faults.clear()
    assert len(os.listdir(run(TINY))) == 2, "the next call completes what is missing"
    assert half_written(home) == []


@pytest.mark.parametrize("name", ["silent at a file", "429 at a file", "503 at a file", "broken off at once"])
def test_faults_while_streaming_end_in_the_same_sentences(run, server, name):
    server.faults.append(FAULTS[name][0])
    with pytest.raises(client.Failure) as caught:
        run(f"list({SPANISH.format(True)})")
    assert caught.value.kind == "HubError"
    assert "ASR_SOURCE=offline" in str(caught.value)


def test_a_download_that_breaks_off_goes_on_where_it_stopped(run, server, home):
    server.faults.append(Fault("GET /large", cut=0.5, times=1))
    assert len(os.listdir(run(TINY))) == 2
    first, second = server.asked("GET /large")
    assert first[2] == "" and second[2] == f"bytes={LARGE // 2}-"
    assert half_written(home) == []


def test_one_stumble_is_forgiven(run, server):
    server.faults.append(Fault("GET /api", status=502, times=1))
    assert len(os.listdir(run(TINY))) == 2


def test_a_revision_that_is_gone(run):
    with pytest.raises(client.Failure, match=r"no longer has the revision 1111111.*update the course"):
        run(f"str(hub.snapshot('course/tiny', {'1' * 40!r}))")


def test_no_network_allowed_and_not_in_the_cache(run):
    run("from huggingface_hub import constants; constants.HF_HUB_OFFLINE = True")
    try:
        with pytest.raises(client.Failure, match=r"HF_HUB_OFFLINE forbids .*helpers prefetch"):
            run(TINY)
    finally:
        run("constants.HF_HUB_OFFLINE = False")


def test_a_hub_that_is_down(repositories, tmp_path):
    with Hub(repositories) as server:
        python = client.Client(server.url, tmp_path)
        folder = python(TINY)
        python(f"rows = iter({SPANISH.format(True)})")
        server.stop()
        try:
            begin = time.perf_counter()
            for code in (SPANISH.format(True), "str(hub.snapshot('course/pickled'))"):
                with pytest.raises(
                    client.Failure, match="cannot be reached: connect to the network"
                ) as caught:
                    python(f"list({code})")
                assert caught.value.kind == "HubError"
            assert time.perf_counter() - begin < 10
            assert python(TINY) == folder, "what is in the cache is used without asking"
        finally:
            python.close()


def test_what_is_no_fault_of_the_hub_keeps_its_own_name(run):
    with pytest.raises(client.Failure, match="No checkpoint") as caught:
        run("catalog.checkpoint('openai/whisper-gigantic')")
    assert caught.value.kind == "CatalogError"
    with pytest.raises(client.Failure) as caught:
        run("with hub.explained('course/tiny'): 1 / 0")
    assert caught.value.kind == "ZeroDivisionError"


def test_a_full_disk_is_said_so(run):
    with pytest.raises(client.Failure, match="disk is full: free some space"):
        run("with hub.explained('course/tiny'): raise OSError(28, 'No space left on device')")


def test_the_guard_notices_who_leaves_loopback(tmp_path):
    python = client.Client("http://127.0.0.1:9", tmp_path)
    with pytest.raises(client.Failure, match="nothing may leave loopback"):
        python("__import__('socket').create_connection(('huggingface.invalid', 443))")
    python.close()
    assert client.left_loopback(tmp_path) == "huggingface.invalid\n"


def test_the_record_of_a_split_is_plain_json(run, home):
    run("hub.split('facebook/multilingual_librispeech', 'spanish', 'dev')")
    (record,) = (home / "course" / "hub").rglob("split.json")
    assert json.loads(record.read_text())["files"] == ["spanish/dev-00000-of-00001.parquet"]
