"""The stored table of lesson 3: how recordings are read, errors counted, results kept."""

import json

import numpy as np
import pytest
import soundfile

from tools import bench, bench_engines, bench_recordings, ggml

RATE = 16_000


def recording(name="telephone.es", seconds=2, texts=("uno dos", "tres")):
    kind, _, language = name.rpartition(".")
    return bench_recordings.Recording(kind, language, "x", np.zeros(seconds * RATE), list(texts))


# ---- recordings --------------------------------------------------------------------------------------------


def write(folder, name, text="one two\n\nthree\n"):
    soundfile.write(folder / f"{name}.wav", np.full(RATE // 2, 0.1), 8_000)
    if text is not None:
        (folder / f"{name}.txt").write_text(text, encoding="utf-8")


def test_a_folder_of_recordings(tmp_path):
    write(tmp_path, "telephone.fr")
    write(tmp_path, "short.commands.en")
    commands, telephone = bench_recordings.of_a_folder(tmp_path)
    assert (commands.name, telephone.kind, telephone.language) == ("short.commands.en", "telephone", "fr")
    assert telephone.texts == ["one two", "three"]
    assert len(telephone.samples) == 2 * RATE // 2  # one second of 8 kHz


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("telephone", "a", "KIND.LANGUAGE.wav"),
        ("telephone.french", "a", "KIND.LANGUAGE.wav"),
        ("telephone.fr", None, "telephone.fr.txt"),
        ("telephone.fr", " \n", "one line a segment"),
        (None, None, "holds no recording"),
    ],
)
def test_bad_folders_give_one_sentence(tmp_path, name, text, sentence):
    if name:
        write(tmp_path, name, text)
    with pytest.raises(ValueError, match=sentence) as error:
        bench_recordings.of_a_folder(tmp_path)
    assert "\n" not in str(error.value)


def test_the_course_has_three_kinds_and_the_book_of_the_lesson():
    found = {one.name: one for one in bench_recordings.of_the_course()}
    assert list(found) == ["book.es", "calls.en", "reading.en"]
    assert 190 <= len(found["book.es"].samples) / RATE < 220
    assert len(found["reading.en"].texts) == 5


# ---- figures -----------------------------------------------------------------------------------------------


def test_errors_are_counted_by_segment():
    assert bench.score(recording(), "Uno, dos. ¡Tres!") == [0, 0]
    assert bench.score(recording(), "uno tres") == [1, 0]
    assert bench.words(recording()) == [2, 1]


def test_what_belongs_to_another_recording_is_not_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(bench, "STORE", tmp_path / "x.json")
    old = {"source": "x", "seconds": 2.0, "words": [2, 1]}
    row = {"seconds": 1.0, "memory": 100, "errors": [0, 1]}
    names = ("telephone.es", "commands.en")
    store = {
        "threads": 1,
        "recordings": dict.fromkeys(names, old),
        "methods": {"m": dict.fromkeys(names, row)},
    }
    bench.STORE.write_text(json.dumps(store), encoding="utf-8")
    assert set(bench.stored([recording()], 1)["methods"]["m"]) == set(
        names
    )  # the folder may be elsewhere today
    longer = bench.stored([recording(seconds=3)], 1)
    assert (
        set(longer["methods"]["m"]) == {"commands.en"}
        and longer["recordings"]["telephone.es"]["seconds"] == 3
    )
    assert bench.stored([recording()], 2)["methods"] == {}


def test_slow_rows_are_measured_on_the_book_only():
    assert bench.wanted("Transformers, chunks, batch 8, 5 beams", "book.es")
    assert not bench.wanted("Transformers, chunks, batch 8, 5 beams", "reading.en")
    assert bench.wanted("faster-whisper, sequential, 5 beams", "reading.en")


def test_an_engine_without_its_environment_is_left_out(tmp_path):
    method = next(iter(bench.ENGINES))
    assert bench.command(method, 1, tmp_path, None) is None
    assert bench.command(method, 1, tmp_path, tmp_path) is None


def test_the_stored_table_is_whole():
    store = json.loads(bench.STORE.read_text(encoding="utf-8"))
    assert list(store["methods"]) == [*bench.METHODS, *bench.ENGINES]
    for method, rows in store["methods"].items():
        for name, about in store["recordings"].items():
            assert (name in rows) == bench.wanted(method, name), (method, name)
            assert name not in rows or len(rows[name]["errors"]) == len(about["words"])
    assert method in bench.table(store)


def test_measure_prints_one_line_a_recording(tmp_path, capsys):
    for name in ("a.en", "b.es"):
        np.save(tmp_path / f"{name}.npy", np.zeros(RATE))
    bench_engines.measure(lambda samples, language: f"{len(samples)} {language}", tmp_path, 1)
    rows = [json.loads(line[1:]) for line in capsys.readouterr().out.splitlines()]
    assert [row["text"] for row in rows] == ["16000 en", "16000 es"]
    assert all(row["memory"] > 0 and row["seconds"] >= 0 for row in rows)


# ---- whisper.cpp's file ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("encoder.layers.3.self_attn.k_proj.weight", "encoder.blocks.3.attn.key.weight"),
        ("decoder.layers.0.encoder_attn_layer_norm.bias", "decoder.blocks.0.cross_attn_ln.bias"),
        ("decoder.layers.0.encoder_attn.out_proj.bias", "decoder.blocks.0.cross_attn.out.bias"),
        ("decoder.layers.5.final_layer_norm.weight", "decoder.blocks.5.mlp_ln.weight"),
        ("encoder.layers.5.fc2.bias", "encoder.blocks.5.mlp.2.bias"),
        ("encoder.layer_norm.bias", "encoder.ln_post.bias"),
        ("decoder.layer_norm.weight", "decoder.ln.weight"),
        ("decoder.embed_positions.weight", "decoder.positional_embedding"),
        ("decoder.embed_tokens.weight", "decoder.token_embedding.weight"),
        ("encoder.conv1.weight", "encoder.conv1.weight"),
    ],
)
def test_tensor_names(ours, theirs):
    assert ggml.tensor_name(ours) == theirs


def test_tokens_are_bytes():
    assert ggml.token_bytes({"Ġcorazón".replace("ó", "Ã³"): 1, "Ċ": 0}) == [b"\n", " corazón".encode()]


def test_a_checkpoint_for_english_only_is_refused(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"vocab_size": 51_864}), encoding="utf-8")
    with pytest.raises(ValueError, match="English only"):
        ggml.convert(tmp_path, tmp_path / "x.bin")
