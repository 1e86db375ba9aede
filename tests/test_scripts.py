"""The scripts that learners take with them: alone, on a folder, without the course's helpers."""

import csv
import http.client
import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
import torch
from transformers import (
    GenerationConfig,
    WhisperConfig,
    WhisperForConditionalGeneration,
    WhisperProcessor,
    pipeline,
)

from helpers import audio, catalog
from tests.browser.chromium import Chromium

SCRIPTS = Path(__file__).parents[1] / "notebooks" / "scripts"
LONGEST = {"live.py": 88}
"""Lines of a script that is a web server as well; its page is a file of its own."""


def run(script, *arguments, folder, by=(sys.executable, "-I")):
    """Run a script in another folder, where no `helpers` can be imported."""
    ran = subprocess.run(
        [*by, str(SCRIPTS / script), *map(str, arguments)], cwd=folder, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.parametrize("script", sorted(path.name for path in SCRIPTS.glob("*.py")))
def test_a_script_needs_nothing_of_the_course(script):
    text = (SCRIPTS / script).read_text(encoding="utf-8")
    assert not re.search(r"\bhelpers\b|\btools\b", text)
    lines = [line for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]
    assert 10 <= len(lines) <= LONGEST.get(script, 75)


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


@pytest.fixture
def recordings(speech, tmp_path):
    folder = tmp_path / "recordings"
    folder.mkdir()
    for name in ("a.mp3", "b.WAV", "c.flac"):
        (folder / name).write_bytes(audio.encode(speech, format=name[2:].lower()))
    (folder / "notes.md").write_text("no sound")
    return folder


def test_long_recordings_are_taken_up_where_they_stopped(recordings, tmp_path):
    arguments = [recordings, "--model", catalog.model("Systran/faster-whisper-base"), "--language", "en"]
    (recordings / "a.mp3.srt.part").write_text("half a file of a run that was stopped")
    assert run("transcribe_long.py", *arguments, folder=tmp_path).count("->") == 3
    for name in ("a.mp3", "b.WAV", "c.flac"):
        assert len((recordings / f"{name}.txt").read_text(encoding="utf-8").split()) > 5
        subtitles = (recordings / f"{name}.srt").read_text(encoding="utf-8")
        assert re.match(r"1\n00:00:\d\d,\d{3} --> 00:00:\d\d,\d{3}\n\w", subtitles)
    assert not list(recordings.glob("*.part"))
    (recordings / "b.WAV.txt").unlink()
    assert run("transcribe_long.py", *arguments, folder=tmp_path).count("->") == 1


def test_a_recording_that_cannot_be_read_does_not_stop_the_others(recordings, tmp_path):
    (recordings / "b.WAV").write_bytes(b"no sound at all")
    command = [sys.executable, "-I", str(SCRIPTS / "transcribe_long.py"), str(recordings), "--language", "en"]
    command += ["--model", catalog.model("Systran/faster-whisper-base")]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.returncode == 1 and ran.stdout.count("->") == 2
    assert "b.WAV: not transcribed" in ran.stderr


def test_a_folder_without_recordings_is_told(tmp_path):
    command = [sys.executable, "-I", str(SCRIPTS / "transcribe_long.py"), str(tmp_path)]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.returncode == 1 and "No recording in" in ran.stderr


def test_two_processes_share_the_recordings(recordings, tmp_path):
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes", "2"]
    launch += ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"]
    script = [str(SCRIPTS / "transcribe_long.py"), str(recordings), "--language", "en"]
    model = ["--model", catalog.model("Systran/faster-whisper-base")]
    ran = subprocess.run([*launch, *script, *model], cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count("->") == 3, "each recording is transcribed by one process only"
    assert len(list(recordings.glob("*.txt"))) == 3


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
    arguments = ["films.csv", "made", "--model", tmp_path / "tiny", "--rate", "5e-4", "--epochs", "30"]
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


@pytest.fixture
def served(tmp_path):
    """live.py as somebody starts it, by the address that it prints; it must end on Ctrl+C, quietly."""
    model = catalog.model("Systran/faster-whisper-base")
    command = [sys.executable, "-I", str(SCRIPTS / "live.py"), "--model", model, "--language", "en"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    # A shell that runs the tests in the background has them ignore Ctrl+C, and what they start as well.
    heeds = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
    process = subprocess.Popen(command, cwd=tmp_path, **pipes, **heeds)
    try:
        yield re.fullmatch(r"Open (http://127\.0\.0\.1:\d+/\?token=\S+)\n", process.stdout.readline())[1]
        process.send_signal(signal.SIGINT)
        said, errors = process.communicate(timeout=60)
        assert (said, errors, process.returncode) == ("Ended.\n", "", 0)
    finally:
        process.kill()


def ask(address, what, samples=(), session="a", rate=16_000):
    """Status and answer of a request as the page of live.py sends it."""
    place = urlsplit(address)
    connection = http.client.HTTPConnection(place.netloc, timeout=60)
    where = f"/{what}?{place.query}&id={session}&rate={rate}"
    connection.request("POST" if what else "GET", where, np.asarray(samples, "<f4").tobytes() or None)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def test_a_page_hears_sound_and_what_it_confirms_stays(served, speech):
    assert ask(served, "")[0] == 200 and ask(served.split("?")[0] + "?token=wrong", "")[0] == 403
    sound = np.concatenate([speech, np.zeros(20_000, np.float32)])
    shown, silent = "", json.loads(ask(served, "hear", np.zeros(32_000), session="b")[1])
    for begin in range(0, len(sound), 8_000):
        answer = json.loads(ask(served, "hear", sound[begin : begin + 8_000])[1])
        said = " ".join([*(cue[2] for cue in answer["cues"]), answer["sure"].strip()]).strip()
        assert said.startswith(shown), f"{shown!r} became {said!r}"
        shown = said
    assert len(shown.split()) > 5
    (cue,) = json.loads(ask(served, "end")[1])["cues"]
    assert cue[2] == shown and 0 <= cue[0] < cue[1] < len(sound) / 16_000 + 1
    assert silent == {"cues": [], "sure": "", "guess": ""}


def test_the_page_of_the_script_in_a_browser(served, speech, tmp_path):
    file = tmp_path / "speech.wav"
    file.write_bytes(audio.encode(np.concatenate([speech, np.zeros(24_000)]), format="wav"))
    options = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
    with Chromium(options=[*options, f"--use-file-for-fake-audio-capture={file}%noloop"]) as browser:
        browser("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
        browser.goto(served)
        browser.run("go.click()")
        browser.until("sure.textContent.split(' ').length > 6", 120)
        browser.run("go.click()")
        browser.until("document.getElementById('vtt') !== null", 60)
        for kind in ("txt", "srt", "vtt"):
            browser.run(f"document.getElementById('{kind}').click()")
        own, deadline = f"http://{urlsplit(served).netloc}/", time.monotonic() + 30
        while not all((tmp_path / f"live.{kind}").exists() for kind in ("txt", "srt", "vtt")):
            assert time.monotonic() < deadline, "a file was not downloaded"
            time.sleep(0.1)
        assert [url for url in browser.outside() if not url.startswith(own)] == []
    assert re.match(r"1\n00:00:0\d,\d{3} --> 00:00:\d\d,\d{3}\n\w", (tmp_path / "live.srt").read_text())
    assert re.match(
        r"WEBVTT\n\n00:00:0\d\.\d{3} --> 00:00:\d\d\.\d{3}\n", (tmp_path / "live.vtt").read_text()
    )


ARPA = """\\data\\
ngram 1=4
ngram 2=1

\\1-grams:
-99\t<s>\t0
-2\t<unk>
-0.5\t{}\t0
-0.5\t</s>\t0

\\2-grams:
-0.3\t<s> {}

\\end\\
"""


def test_a_folder_is_written_by_letters(speech, tmp_path):
    (tmp_path / "a.mp3").write_bytes(audio.encode(speech, format="mp3"))
    (tmp_path / "notes.md").write_text("no sound")
    arguments = [tmp_path, "--model", catalog.model("facebook/wav2vec2-base-100h")]
    name, text = run("transcribe_ctc.py", *arguments, folder=tmp_path).rstrip("\n").split("\t")
    assert name == "a.mp3" and len(text.split()) > 5
    # A language model whose only word is the first one that was heard leaves that word as it is.
    first = text.split()[0]
    (tmp_path / "one.arpa").write_text(ARPA.format(first, first), encoding="utf-8")
    helped = run("transcribe_ctc.py", *arguments, "--arpa", tmp_path / "one.arpa", folder=tmp_path)
    assert helped.startswith(f"a.mp3\t{first} ")


def test_a_long_recording_is_written_whole(speech, tmp_path):
    times = 1 + 25 * 16_000 // len(speech)
    (tmp_path / "a.wav").write_bytes(audio.encode(speech, format="wav"))
    (tmp_path / "b.wav").write_bytes(audio.encode(np.tile(speech, times), format="wav"))
    arguments = [tmp_path, "--model", catalog.model("facebook/wav2vec2-base-100h")]
    one, many = (
        line.split("\t")[1] for line in run("transcribe_ctc.py", *arguments, folder=tmp_path).splitlines()
    )
    assert len(many.replace(" ", "")) == pytest.approx(times * len(one.replace(" ", "")), rel=0.05)


LAUNCH = (Path(sys.executable).parent / "accelerate", "launch", "--cpu", "--num_processes", "2")
LAUNCH += ("--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no")
ALONE = (sys.executable, "-I")


@pytest.fixture(scope="module")
def tiny_whisper(tmp_path_factory):
    """A random Whisper of one narrow layer, in a folder as `save_pretrained` writes, in float16."""
    folder, base = tmp_path_factory.mktemp("tiny"), catalog.model("openai/whisper-base")
    sizes = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 16}
    sizes |= {"decoder_ffn_dim": 16, "encoder_attention_heads": 2, "decoder_attention_heads": 2}
    torch.manual_seed(0)
    model = WhisperForConditionalGeneration(WhisperConfig(decoder_start_token_id=50258, **sizes))
    model.generation_config = GenerationConfig.from_pretrained(base)
    model.half().save_pretrained(folder)
    WhisperProcessor.from_pretrained(base).save_pretrained(folder)
    return folder


def recorded(folder, clips, table=False):
    """A learner's folder of tones: audio/NN.wav and reports/NN.txt, or a metadata.csv."""
    (folder / "audio").mkdir(parents=True)
    (folder / "reports").mkdir()
    for place in range(clips):
        samples = 0.1 * torch.sin(torch.arange(16_000) / (20 + place)).numpy()
        (folder / "audio" / f"{place:02}.wav").write_bytes(audio.encode(samples, format="wav"))
        if not table:
            (folder / "reports" / f"{place:02}.txt").write_text(f"Ton numéro {place}.", encoding="utf-8")
    if table:
        lines = [f"audio/{place:02}.wav,Ton numéro {place}." for place in range(clips)]
        (folder / "metadata.csv").write_text("\n".join(["file_name,sentence", *lines]), encoding="utf-8")
    return folder


@pytest.mark.parametrize(("by", "more"), [(ALONE, []), (LAUNCH, []), (LAUNCH, ["--lora"])])
def test_a_folder_fine_tunes_whisper_alone_and_by_two_processes(
    by, more, tiny_whisper, tmp_path, monkeypatch
):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    folder = recorded(tmp_path / "mine", 12, table=by is ALONE)
    arguments = [folder, "out", "--language", "french", "--model", tiny_whisper, "--batch", 2, "--rate", 1e-2]
    said = run("finetune_whisper.py", *arguments, "--steps", 2, *more, folder=tmp_path, by=by)
    assert said.count("out: trained on 10 clips, loss ") == 1  # one process of the two tells and saves
    if not more:
        run("finetune_whisper.py", *arguments, "--steps", 3, "--resume", folder=tmp_path, by=by)
        assert (tmp_path / "out" / "checkpoint-3").is_dir()
    trained = WhisperForConditionalGeneration.from_pretrained(tmp_path / "out")
    untouched = WhisperForConditionalGeneration.from_pretrained(tiny_whisper, dtype=torch.float32)
    name = "model.decoder.layers.0.self_attn.q_proj.weight"
    assert trained.dtype == torch.float32
    assert not torch.equal(trained.state_dict()[name], untouched.state_dict()[name])
    assert not any("lora" in name for name in trained.state_dict())
    assert trained.generation_config.language == "french"
    asr = pipeline("automatic-speech-recognition", model=str(tmp_path / "out"))
    assert "text" in asr({"raw": torch.zeros(16_000).numpy(), "sampling_rate": 16_000}, max_new_tokens=2)


def test_too_few_recordings_and_a_long_one_are_told(tiny_whisper, tmp_path):
    folder = recorded(tmp_path / "mine", 9)
    arguments = [folder, "out", "--language", "french", "--model", tiny_whisper, "--steps", 1, "--batch", 9]
    with pytest.raises(AssertionError, match=r"9 recordings in .*mine are too few: record at least ten"):
        run("finetune_whisper.py", *arguments, folder=tmp_path)
    (folder / "reports" / "09.txt").write_text("Trop long.", encoding="utf-8")
    long = audio.encode(torch.zeros(31 * 16_000).numpy(), format="wav")
    (folder / "audio" / "09.wav").write_bytes(long)
    with pytest.raises(AssertionError, match=r"09\.wav is longer than 30 s"):
        run("finetune_whisper.py", *arguments, folder=tmp_path)
