"""The scripts that learners take with them: alone, on a folder, without the course's helpers."""

import csv
import re
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import audio, catalog

SCRIPTS = Path(__file__).parents[1] / "notebooks" / "scripts"


def run(script, *arguments, folder):
    """Run a script in another folder, where no `helpers` can be imported."""
    ran = subprocess.run(
        [sys.executable, "-I", str(SCRIPTS / script), *map(str, arguments)],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.parametrize("script", sorted(path.name for path in SCRIPTS.glob("*.py")))
def test_a_script_needs_nothing_of_the_course(script):
    text = (SCRIPTS / script).read_text(encoding="utf-8")
    assert not re.search(r"\bhelpers\b|\btools\b", text)
    lines = [line for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]
    assert 10 <= len(lines) <= 75


def test_a_folder_becomes_texts_and_subtitles(speech, tmp_path):
    for name in ("a.mp3", "b.WAV"):
        format = name[-3:].lower()
        (tmp_path / name).write_bytes(audio.encode(speech, format=format))
    (tmp_path / "notes.md").write_text("no sound")
    arguments = [tmp_path, "--model", catalog.model("openai/whisper-base"), "--language", "english"]
    said = run("transcribe_folder.py", *arguments, folder=tmp_path)
    assert said.count("\n") == 2
    for name in ("a", "b"):
        assert len((tmp_path / f"{name}.txt").read_text(encoding="utf-8").split()) > 5
        assert re.match(r"1\n00:00:00,\d{3} --> 00:00:\d\d,\d{3}\n\w", (tmp_path / f"{name}.srt").read_text())
    assert run("transcribe_folder.py", *arguments, folder=tmp_path) == ""


def test_words_come_with_times_and_confidence(speech, tmp_path):
    (tmp_path / "a.wav").write_bytes(audio.encode(speech, format="wav"))
    model = catalog.model("facebook/wav2vec2-base-100h")
    said = run("words_with_confidence.py", tmp_path / "a.wav", "--model", model, folder=tmp_path)
    head, *rows = [line.split("\t") for line in said.splitlines()]
    assert head == ["start", "end", "word", "confidence", "unsure"]
    assert len(rows) > 5
    times = [float(row[0]) for row in rows]
    assert times == sorted(times) and times[-1] < len(speech) / 16_000
    assert all(0 < float(row[3]) <= 1 and (row[4] == "*") == (float(row[3]) < 0.6) for row in rows)


def test_a_table_of_texts_becomes_a_classifier(tmp_path):
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification, pipeline, set_seed

    tokenizer = AutoTokenizer.from_pretrained(catalog.model("google-bert/bert-base-uncased"))
    set_seed(0)
    size = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    BertForSequenceClassification(BertConfig(**size)).save_pretrained(tmp_path / "tiny")
    tokenizer.save_pretrained(tmp_path / "tiny")
    with open(tmp_path / "films.csv", "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["text", "label"])
        kinds = {"good": "a warm, clever film", "bad": "a dull, cold film", "none": "opens on Friday"}
        table.writerows([f"{text}, number {n}", kind] for n in range(40) for kind, text in kinds.items())
    arguments = ["films.csv", "made", "--model", tmp_path / "tiny", "--rate", "1e-3", "--epochs", "12"]
    said = run("finetune_bert.py", *arguments, folder=tmp_path)
    assert "96 to learn from, 12 to choose the state, 12 to judge it" in said
    assert "always the same answer: 4 of 12 right" in said and "TF-IDF: 12 of 12 right" in said
    assert int(re.search(r"fine-tuned: (\d+) of 12 right", said)[1]) >= 11
    classify = pipeline("text-classification", model=str(tmp_path / "made"))
    assert [each["label"] for each in classify([f"{text}, number 7" for text in kinds.values()])] == list(
        kinds
    )


@pytest.fixture(scope="module")
def tiny_encoder(tmp_path_factory):
    """A Wav2Vec2 without a head, small enough to learn ten clips by heart in seconds."""
    from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model, set_seed

    folder = tmp_path_factory.mktemp("encoder")
    set_seed(0)
    size = {"hidden_size": 48, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 96}
    convolutions = {"conv_dim": (32, 32, 32), "conv_kernel": (20, 8, 4), "conv_stride": (20, 8, 2)}
    positions = {"num_conv_pos_embeddings": 15, "num_conv_pos_embedding_groups": 2}
    config = Wav2Vec2Config(**size, **convolutions, **positions, num_feat_extract_layers=3, mask_time_prob=0)
    Wav2Vec2Model(config).save_pretrained(folder)
    Wav2Vec2FeatureExtractor().save_pretrained(folder)
    return folder


def tones(folder, texts):
    """A folder of clips that hold one tone a letter, and their metadata.csv."""
    import numpy as np

    folder.mkdir()
    for number, text in enumerate(texts):
        pitches = [200 + 180 * "ışke 'abİIŞKE".index(letter) for letter in text]
        sound = np.concatenate([0.3 * np.sin(np.arange(2400) * pitch / 2546) for pitch in pitches])
        format = ("wav", "mp3")[number % 2]
        data = audio.encode(sound.astype(np.float32), format=format)
        (folder / f"{number}.{format}").write_bytes(data)
    names = [f"{number}.{('wav', 'mp3')[number % 2]}" for number in range(len(texts))]
    lines = [f"{name},{text}" for name, text in zip(names, texts, strict=True)]
    (folder / "metadata.csv").write_text("\n".join(["file_name,transcription", *lines]), encoding="utf-8-sig")
    return folder


TURKISH = ["IŞIK", "İKİ", "KIŞ", "Eşak", "ışık ka", "kek", "KIŞ'I", "şık", "aş", "kaşa"]


def test_ten_clips_of_a_language_become_a_ctc_model(tiny_encoder, tmp_path):
    from transformers import pipeline

    folder = tones(tmp_path / "clips", TURKISH)
    arguments = ["--model", tiny_encoder, "--language", "tr", "--steps", 60, "--rate", "3e-3"]
    said = run("finetune_ctc.py", folder, tmp_path / "made", *arguments, folder=tmp_path)
    assert "said    ışık\n" in said and "clips kept: 1, WER" in said
    losses = [float(loss) for loss in re.findall(r"'loss': '?([\d.]+)", said)]
    assert losses[-1] < losses[0]
    recognise = pipeline("automatic-speech-recognition", model=str(tmp_path / "made"))
    assert set(recognise.tokenizer.get_vocab()) == {"<pad>", "<unk>", "|", *"ışkiea'"}
    assert recognise.model.config.vocab_size == 10
    sound = {"array": audio.read((folder / "5.mp3").read_bytes()), "sampling_rate": 16_000}
    assert set(recognise(sound)["text"]) <= set(" ışkiea'")


@pytest.mark.parametrize(
    ("text", "exists", "says"),
    [("iki 2", False, "write the number in words"), ("iki", True, "FileExistsError")],
)
def test_digits_and_an_existing_folder_are_refused(tiny_encoder, text, exists, says, tmp_path):
    folder = tones(tmp_path / "clips", ["kek"])
    (folder / "metadata.csv").write_text(f"file_name,transcription\n0.wav,{text}\n", encoding="utf-8")
    if exists:
        (tmp_path / "made").mkdir()
    command = [sys.executable, "-I", SCRIPTS / "finetune_ctc.py", folder, tmp_path / "made"]
    ran = subprocess.run([*command, "--model", tiny_encoder], cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode and says in ran.stderr
