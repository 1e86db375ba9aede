"""The road to the course's CTC checkpoints: its parts, and the whole of it at a size that learns nothing."""

import hashlib
import random
import shutil
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tools.ctc import augment, export, model, synthesise, texts, train, transfer

RATE = 16_000


def tone(seconds=1.0, pitch=440.0):
    time = np.arange(int(seconds * RATE)) / RATE
    return (0.3 * np.sin(2 * np.pi * pitch * time) * (1 + np.sin(2 * np.pi * 3 * time))).astype(np.float32)


@pytest.fixture(scope="module")
def tiny():
    return model.build("tiny").eval()


# texts


def test_label_keeps_letters_and_apostrophes_only():
    assert texts.label("“Well,” she said – it's half-past nine!") == "WELL SHE SAID IT'S HALF PAST NINE"


def test_sentences_that_cannot_be_spelled_as_spoken_are_left_out():
    text = "It was a quiet day. We paid 30 dollars for it. The NASA people came. Mr. Brown went home early."
    assert list(texts.sentences(text)) == ["It was a quiet day.", "Mister Brown went home early."]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (7, "seven"),
        (40, "forty"),
        (99, "ninety nine"),
        (512, "five hundred and twelve"),
        (3001, "three thousand one"),
    ],
)
def test_number(value, words):
    assert texts.number(value) == words


def test_everyday_sentences_are_repeatable_and_fit_the_alphabet():
    once, again = list(texts.everyday(200, seed=3)), list(texts.everyday(200, seed=3))
    assert once == again and len(set(once)) > 150
    assert all(set(texts.label(line)) <= set(" " + "".join(model.LETTERS[5:])) for line in once)


def test_wordnets_examples_are_taken_and_its_definitions_left(tmp_path, monkeypatch):
    monkeypatch.setattr(texts, "WORDNET", tmp_path)
    for kind in ("adj", "adv", "noun", "verb"):
        lines = ["  1 licence", f'0001 00 n 01 {kind} | to {kind} a thing; "the dog has a {kind}"; "in 1999"']
        (tmp_path / f"data.{kind}").write_text("\n".join(lines), encoding="utf-8")
    assert set(texts.examples()) == {f"the dog has a {kind}" for kind in ("adj", "adv", "noun", "verb")}
    assert texts.examples(seed=1) == texts.examples(seed=1)


def test_novels_are_read_from_the_r_package_but_for_the_one_that_tests(tmp_path, monkeypatch):
    def record(*lines):
        strings = b"".join(b"\0\x04\0\x09" + len(line).to_bytes(4, "big") + line.encode() for line in lines)
        return len(strings).to_bytes(4, "big") + zlib.compress(b"X\n\0\0" + strings)

    monkeypatch.setattr(texts, "NOVELS", tmp_path / "Rdata.rdb")
    with pytest.raises(FileNotFoundError, match="apt-get install r-cran-janeaustenr"):
        texts.novels()
    texts.NOVELS.write_bytes(
        record("EMMA", "By Jane Austen", "", "Mr. Elton was", "very late. Emma was not.")
        + record("SENSE AND SENSIBILITY", "", "The family had long been settled.")
    )
    assert set(texts.novels()) == {"Mister Elton was very late.", "Emma was not."}


@pytest.mark.skipif(shutil.which("flite") is None, reason="flite speaks")
def test_flite_speaks_with_several_voices():
    spoken = [synthesise.flite_clip("The snow had begun.", random.Random(seed)) for seed in range(8)]
    assert all(rate == RATE and 0.5 < len(sound) / rate < 4 for sound, rate, _ in spoken)
    assert len({voice for *_, voice in spoken}) > 1


# labels


def test_letters_have_the_order_of_wav2vec2_base_100h():
    vocabulary = model.letter_vocabulary()
    assert [vocabulary[token] for token in ("<pad>", "<s>", "</s>", "<unk>", "|", "E", "A", "'", "Z")] == [
        0, 1, 2, 3, 4, 5, 7, 27, 31,
    ]  # fmt: skip
    assert len(vocabulary) == 32


def test_greedy_collapses_repeats_before_it_drops_blanks():
    path = torch.tensor([0, 5, 5, 0, 5, 4, 6])  # _ E E _ E | T
    assert train.greedy(torch.nn.functional.one_hot(path, 32).float(), model.LETTERS) == "EE T"


# augmentation


@pytest.mark.parametrize(
    "change",
    [
        lambda audio, rng: augment.change_speed(audio, 1.1),
        lambda audio, rng: augment.add_noise(audio, 10, rng),
        lambda audio, rng: augment.reverberate(audio, 0.3, rng),
        lambda audio, rng: augment.telephone(audio),
        lambda audio, rng: augment.muffle(audio, 3000),
        lambda audio, rng: augment.talk_over(audio, [tone(0.5, 300), tone(3, 700)], 10),
    ],
)
def test_augmentation_gives_finite_float32_of_plausible_length(change):
    audio = tone()
    changed = change(audio, np.random.default_rng(0))
    assert changed.dtype == np.float32 and np.isfinite(changed).all()
    assert 0.9 * len(audio) < len(changed) < 1.1 * len(audio)


def test_the_mixture_of_all_augmentations_keeps_the_whole_clip_and_adds_at_most_a_second_of_silence():
    audio, rng = tone(), np.random.default_rng(0)
    changed = [augment.augment(audio, rng, others=[tone(2, 300)]) for _ in range(60)]
    assert all(part.dtype == np.float32 and np.isfinite(part).all() for part in changed)
    assert all(RATE / 1.16 < len(part) < RATE / 0.86 + 1.2 * RATE for part in changed)
    assert len({len(part) for part in changed}) > 20


def test_noise_has_the_ratio_asked_for():
    audio = tone()
    noise = augment.add_noise(audio, 12, np.random.default_rng(0), colour=1.0) - audio
    assert 10 * np.log10((audio**2).mean() / (noise**2).mean()) == pytest.approx(12, abs=0.1)


def test_other_talkers_are_as_quiet_as_asked_for():
    audio = tone()
    behind = augment.talk_over(audio, [tone(0.4, 300), 0.01 * tone(2, 700)], 9) - audio
    assert 10 * np.log10((audio**2).mean() / (behind**2).mean()) == pytest.approx(9, abs=0.1)


def test_muffled_speech_has_lost_its_high_tones_only():
    for pitch, left in ((500, 1.0), (6000, 0.0)):
        audio = tone(pitch=pitch)
        muffled = augment.muffle(audio, 3000)
        assert np.sqrt((muffled**2).mean() / (audio**2).mean()) == pytest.approx(left, abs=0.05)


# the network


def test_frames_are_20_ms_apart(tiny):
    lengths = [int(tiny._get_feat_extract_output_lengths(samples)) for samples in (16_000, 16_320, 32_000)]
    assert lengths[1] == lengths[0] + 1 and lengths[2] == lengths[0] + 50


def test_filter_bank_hears_the_pitch(tiny):
    first, second = tiny.wav2vec2.feature_extractor.conv_layers[:2]
    loudest = []
    for pitch in (320.0, 1000.0, 3000.0):
        audio = tone(pitch=pitch) + 0.01 * np.random.default_rng(0).standard_normal(RATE).astype(np.float32)
        with torch.no_grad():
            power = (
                first.conv(torch.tensor(audio)[None, None])[0].pow(2).mean(-1).reshape(4, model.BANDS).sum(0)
            )
        loudest.append(40 * (1 + int(power.argmax())))
    assert loudest == [320, 1000, 3000]
    assert model.mel_filters().shape == (model.MELS, model.BANDS)
    assert second.conv.weight.abs().max() < 65_504  # fits float16


def test_filter_bank_ignores_the_gain_of_a_channel(tiny):
    layer = tiny.wav2vec2.feature_extractor.conv_layers[0]
    audio = torch.randn(1, 1, RATE, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.allclose(layer(audio), layer(0.5 * audio), atol=1e-2)


@pytest.fixture(scope="module")
def counting():
    """A tiny network with positions."""
    network = model.build("tiny", seed=1).eval()
    model.set_positions(network)
    return network


def test_positional_convolution_adds_the_sinusoids(counting):
    encoder = counting.wav2vec2.encoder
    frames = torch.full((1, 100, 64), -model.OFFSET)
    with torch.no_grad():
        places = frames + encoder.pos_conv_embed(frames)
    assert torch.allclose(places[0], model.sinusoids(102, 64)[model.START :], atol=1e-4)


def test_positions_by_fft_are_those_of_the_convolution(counting):
    embedding = counting.wav2vec2.encoder.pos_conv_embed
    frames = torch.randn(2, 150, 64, generator=torch.Generator().manual_seed(0)) - model.OFFSET
    with torch.no_grad():
        assert torch.allclose(train.positions(embedding, frames), embedding(frames), atol=1e-3)


def test_logits_are_those_of_the_plain_transformers_class(counting):
    clips = [tone(1.3), tone(0.9, 700)]
    with torch.no_grad():
        ours, lengths = train.logits(counting, clips)
        for at, clip in enumerate(clips):
            normal = (clip - clip.mean()) / np.sqrt(clip.var() + 1e-7)
            theirs = counting(torch.tensor(normal)[None]).logits[0]
            assert len(theirs) == lengths[at]
            assert torch.allclose(ours[at, : lengths[at]], theirs, atol=1e-3)


def test_whisper_base_gives_its_layers_and_nearly_its_stem():
    from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperModel

    settings = WhisperConfig(
        d_model=512,
        encoder_layers=1,
        encoder_attention_heads=8,
        encoder_ffn_dim=2048,
        decoder_layers=1,
        decoder_attention_heads=8,
        vocab_size=60,
        decoder_start_token_id=1,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )
    whisper = WhisperModel(settings).eval()
    network = model.build("full", num_hidden_layers=1).eval()
    rng = np.random.default_rng(0)
    clips = [augment.add_noise(tone(1.5, pitch), 5, rng) for pitch in (200, 500, 1200, 2500)]
    left = transfer.fit_stem(network, whisper, WhisperFeatureExtractor(), clips)
    assert 0 <= left < 0.5
    transfer.take_layers(network, whisper)
    states = torch.randn(1, 20, 512)
    with torch.no_grad():
        ours = network.wav2vec2.encoder.layers[0](states)
        theirs = whisper.encoder.layers[0](states, attention_mask=None)
    ours, theirs = (part[0] if isinstance(part, tuple) else part for part in (ours, theirs))
    assert torch.allclose(ours, theirs, atol=1e-4)


def test_a_few_steps_lower_the_loss():
    network = model.build("tiny")
    model.set_positions(network)
    optimiser = torch.optim.AdamW(train.groups(network))
    for group in optimiser.param_groups:
        group["lr"] = 3e-3
    losses = []
    for _ in range(12):
        loss = train.ctc(*train.logits(network, [tone(1.2), tone(0.8, 900)]), ["AB BA", "A"])
        losses.append(loss.item())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert losses[-1] < 0.7 * losses[0]


# the whole road


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng makes the smoke road's audio")
def test_smoke_road(tmp_path, monkeypatch):
    from safetensors import safe_open
    from transformers import Wav2Vec2ForCTC, Wav2Vec2Processor

    from tools.ctc import __main__ as road

    monkeypatch.setattr(texts, "collect", lambda count, seed=0: list(texts.everyday(12, seed)))
    options = ["--smoke", "--work", str(tmp_path / "work"), "--assets", str(tmp_path / "assets")]
    road.run(road.arguments(options))
    english, multilingual = (
        tmp_path / "assets" / "wav2vec2-ctc-en",
        tmp_path / "assets" / "wav2vec2-multilingual",
    )
    network = Wav2Vec2ForCTC.from_pretrained(english)
    assert network.dtype == torch.float32
    inputs = Wav2Vec2Processor.from_pretrained(english)(tone(), sampling_rate=RATE, return_tensors="pt")
    assert network(**inputs).logits.shape == (1, 47, 32)
    with safe_open(multilingual / "projection.safetensors", "pt") as file:
        assert set(file.keys()) <= set(network.wav2vec2.state_dict())
        assert file.get_tensor("feature_projection.projection.weight").shape == (64, 64)

    parts = {path: path.stat().st_mtime_ns for path in (tmp_path / "work" / "audio").glob("*.parquet")}
    road.run(road.arguments(["synthesise", *options]))
    assert parts == {
        path: path.stat().st_mtime_ns for path in (tmp_path / "work" / "audio").glob("*.parquet")
    }


@pytest.mark.parametrize(
    ("stage", "missing"),
    [("letters", "start"), ("polish", "letters"), ("export", "start"), ("start", "synthesise")],
)
def test_a_stage_says_which_one_comes_before(stage, missing, tmp_path):
    from tools.ctc import __main__ as road

    with pytest.raises(SystemExit, match=f"run python -m tools.ctc {missing} first"):
        road.run(road.arguments([stage, "--smoke", "--work", str(tmp_path), "--assets", str(tmp_path)]))


@pytest.mark.parametrize(("upper", "learn"), [([], (1,)), (["--upper", "2"], (0, 1))])
def test_polishing_leaves_the_lower_layers_and_the_positions_as_they_are(upper, learn, tmp_path):
    from tools.ctc import __main__ as road

    network = model.build("tiny")
    model.set_positions(network)
    export.write(network, tmp_path / "wav2vec2-ctc-en")
    synthesise._write(
        [
            synthesise._row("Hello there, Anna.", tone(1.5 + 0.1 * at), RATE, "en", "tone", "joe", split)
            for at, split in enumerate(["train"] * 4 + ["test"])
        ],
        _made(tmp_path / "audio") / "joe-en-000.parquet",
    )
    options = ["--smoke", "--work", str(tmp_path), "--assets", str(tmp_path), *upper]
    for stage in ("polish", "export"):
        road.run(road.arguments([stage, "--share", "0.6", *options]))
    shipped = load_file(tmp_path / "wav2vec2-ctc-en" / "model.safetensors")
    changed = {
        name for name, tensor in shipped.items() if not tensor.equal(network.state_dict()[name].half())
    }
    parts = {name.removeprefix("wav2vec2.encoder.").rsplit(".", 1)[0] for name in changed}
    assert {part[:8] for part in parts} == {"lm_head", "layer_no", *(f"layers.{layer}" for layer in learn)}


def test_card_of_the_shipped_checkpoint_names_its_file():
    folder = Path(export.__file__).parents[2] / "helpers" / "assets" / "wav2vec2-ctc-en"
    digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    assert f"`{digest}`" in (folder / "README.md").read_text("utf-8")


def _made(folder):
    folder.mkdir()
    return folder


def test_training_goes_on_where_it_stopped(tmp_path):
    corpus = train.Corpus(tmp_path)
    corpus.clips = [((tone(1 + 0.1 * at) * 32767).astype(np.int16), "A B", "en", "human") for at in range(6)]
    settings = {"seconds": 6.0, "report": 2, "warm_up": 2, "head_steps": 1}
    first = train.train(model.build("tiny"), corpus, {}, tmp_path, steps=4, **settings)
    again = train.train(model.build("tiny"), corpus, {}, tmp_path, steps=6, **settings)
    assert [point["step"] for point in first] == [2, 4]
    assert [point["step"] for point in again] == [2, 4, 6]


def test_the_mean_of_weights_lies_between_the_first_and_the_last_and_is_kept(tmp_path):
    corpus = train.Corpus(tmp_path)
    corpus.clips = [((tone(1 + 0.1 * at) * 32767).astype(np.int16), "A B", "en", "human") for at in range(6)]
    network = model.build("tiny")
    first = network.lm_head.bias.detach().clone()
    settings = {"seconds": 6.0, "report": 2, "warm_up": 1, "head_steps": 0, "memory": 0.5}
    train.train(network, corpus, {}, tmp_path, steps=1, **settings)
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    last = network.lm_head.bias.detach()
    assert torch.allclose(
        state["mean"]["lm_head.bias"], first.lerp(last, 0.9), atol=1e-6
    )  # step 1: 1 / 10 kept
    assert state["mean"].keys() == network.state_dict().keys()
    train.train(network, corpus, {}, tmp_path, steps=2, **settings)
    again = torch.load(tmp_path / "state.pt", weights_only=True)["mean"]["lm_head.bias"]
    moved = state["mean"]["lm_head.bias"].lerp(network.lm_head.bias.detach(), 1 - 2 / 11)
    assert torch.allclose(again, moved, atol=1e-6)


def test_a_corpus_takes_in_the_parts_that_come_later(tmp_path):
    def write(number):
        rows = [synthesise._row("Hello.", tone(1.5), RATE, "en", "tone", "joe", "train")]
        synthesise._write(rows, tmp_path / f"joe-en-{number:03d}.parquet")

    write(0)
    corpus = train.Corpus(tmp_path)
    drawn = train.batches(corpus, {}, 100, 0, 0)
    next(drawn)
    write(1)
    for _ in range(4):  # 240 clips are drawn at a time: 1.5 s each, three or four batches
        next(drawn)
    assert len(corpus.clips) == 2
