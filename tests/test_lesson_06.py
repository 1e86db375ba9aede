"""What lesson 6 writes in its own cells (tagged "tested")."""

import json
from collections import Counter
from types import SimpleNamespace

import evaluate
import numpy as np
import pytest
import soxr
import torch

from helpers import catalog, course, ctc
from tests import cells

LETTERS = {"<pad>": 0, "<unk>": 1, "|": 2, "A": 3, "B": 4, "L": 5}


@pytest.fixture(scope="module")
def processor(tmp_path_factory):
    from transformers import Wav2Vec2CTCTokenizer, Wav2Vec2FeatureExtractor, Wav2Vec2Processor

    vocabulary = tmp_path_factory.mktemp("vocabulary") / "vocab.json"
    vocabulary.write_text(json.dumps(LETTERS), encoding="utf-8")
    tokens = {"pad_token": "<pad>", "unk_token": "<unk>", "bos_token": None, "eos_token": None}
    tokenizer = Wav2Vec2CTCTokenizer(vocabulary, **tokens)
    return Wav2Vec2Processor(Wav2Vec2FeatureExtractor(return_attention_mask=False), tokenizer)


@pytest.fixture(scope="module")
def lesson(processor):
    given = {"np": np, "Counter": Counter, "processor": processor, "torch": torch, "soxr": soxr}
    given |= {"course": course, "device": "cpu", "__name__": __name__}
    return cells.tested("06_wav2vec2_ctc_fine_tuning", **given)


def row(samples, text):
    sound = np.sin(np.arange(samples) / 5, dtype=np.float32)
    return {"input_values": sound, "labels": [LETTERS[letter] for letter in text]}


def test_the_lessons_collator_is_that_of_the_helpers(lesson, processor):
    rows = [row(4000, "ABBA"), row(6000, "B"), row(5000, "A|BALL")]
    taught = lesson.DataCollatorCTCWithPadding(processor)(rows)
    shared = ctc.DataCollatorCTCWithPadding(processor)(rows)
    assert taught.keys() == shared.keys()
    assert all(torch.equal(taught[name], shared[name]) for name in taught)


@pytest.mark.parametrize(
    ("written", "cleaned"),
    [
        ("Um, I'd like to, to pay.", "UM I'D LIKE TO TO PAY"),
        ("my gas-bill", "MY GAS BILL"),
        ("  It’s   MINE  ", "IT'S MINE"),
        ("...", ""),
    ],
)
def test_only_letters_apostrophes_and_single_spaces_are_left(lesson, written, cleaned):
    assert lesson.clean(written) == cleaned
    assert lesson.usable(written) == (cleaned != "")


@pytest.mark.parametrize("written", ["42 pounds", "on the 3rd", "£ five", "٤٢ pounds", "ten %", "me & you"])
def test_digits_and_spoken_signs_are_refused_not_dropped(lesson, written):
    assert not lesson.usable(written)
    with pytest.raises(ValueError, match="write them in words"):
        lesson.clean(written)


def test_padding_is_the_share_of_what_is_computed(lesson):
    assert lesson.padding([[2.0, 2.0]]) == 0
    assert lesson.padding([[1.0, 3.0], [4.0]]) == pytest.approx(2 / 10)
    assert lesson.in_eights(list(range(10))) == [list(range(8)), [8, 9]]


def test_doubled_letters_of_a_target_survive_and_a_path_collapses(lesson):
    outcome = SimpleNamespace(
        label_ids=np.array([[3, 5, 5, -100], [3, 2, 4, 3]]),
        predictions=np.array([[3, 5, 0, 5, -100], [3, 3, 2, 4, 4]]),
    )
    targets, texts = lesson.texts_of(outcome)
    assert targets == ["ALL", "A BA"] and texts == ["ALL", "A B"]


def test_missed_counts_words_that_a_text_lacks(lesson):
    counts = lesson.missed(["A B A", "L"], ["A L", "L L"])
    assert counts == {"A": 1, "B": 1}
    assert lesson.missed(["A"], ["A"]).total() == 0


def test_callers_are_known_by_the_number_of_the_clip_or_each_is_one(lesson):
    assert lesson.callers(["en-US~ABROAD/000.ogg", "en-US~PAY_BILL/023.ogg"]) == [0, 11]
    hub = ["en-US~JOINT_ACCOUNT/602ba55abb1e6d0fbce92065.wav", "en-US~BALANCE/602baf24bb1e6d0fbce922a7.wav"]
    assert lesson.callers(hub) == [12, 13]


def test_the_test_callers_are_the_two_voices_no_checkpoint_was_trained_on(lesson):
    from tools.data import banking_calls

    paths = [f"en-US~{row['intent'].upper()}/{row['id']}.ogg" for row in banking_calls.rows()]
    voices = dict(zip(lesson.callers(paths), (row["voice"] for row in banking_calls.rows()), strict=True))
    assert {voices[10], voices[11]} == {"bf_lily", "am_eric"} and len(voices) == 12


def tone(pitch, seconds=1.0):
    return (0.3 * np.sin(2 * np.pi * pitch * np.arange(int(16_000 * seconds)) / 16_000)).astype(np.float32)


def loudness(sound, pitch):
    spectrum = np.abs(np.fft.rfft(sound)) ** 2
    near = np.abs(np.fft.rfftfreq(len(sound), 1 / 16_000) - pitch) < 60
    return spectrum[near].sum()


def test_a_telephone_line_keeps_the_middle_and_the_length(lesson):
    for pitch, kept in ((100, False), (1000, True), (5000, False)):
        sent = tone(1000) + tone(pitch) * (pitch != 1000)
        heard = lesson.telephone(sent)
        assert heard.dtype == np.float32 and len(heard) == len(sent)
        assert (loudness(heard, pitch) > 0.3 * loudness(sent, pitch)) == kept
    narrow = lesson.telephone(tone(1000) + tone(3000), high=2200)
    assert loudness(narrow, 3000) < 0.3 * loudness(lesson.telephone(tone(1000) + tone(3000)), 3000)


def test_noise_is_so_many_decibels_quieter_and_fits(lesson):
    speech, noise = tone(500), tone(2000, 0.3)
    for decibels in (0, 10, 20):
        mixed = lesson.mix(speech, noise, decibels)
        assert len(mixed) == len(speech) and mixed.dtype == np.float32
        ratio = np.mean(speech**2) / np.mean((mixed - speech) ** 2)
        assert 10 * np.log10(ratio) == pytest.approx(decibels, abs=0.1)


def test_voices_behind_are_equally_loud_and_clips_change_their_pace(lesson):
    voices = [tone(pitch, length) * gain for pitch, length, gain in
              ((400, 1, 1), (800, 0.5, 0.1), (1600, 0.7, 3), (3200, 0.2, 1))]  # fmt: skip
    together = lesson.babble(voices, np.random.default_rng(0))
    assert len(together) == 16_000
    each = [loudness(together, pitch) for pitch in (400, 800, 1600, 3200)]
    assert max(each) < 1.3 * min(each)
    lengths = [len(lesson.pace(tone(440), np.random.default_rng(seed))) for seed in range(8)]
    assert min(lengths) < 15_900 and max(lengths) > 16_100
    assert all(16_000 / 1.1 - 2 <= length <= 16_000 / 0.9 + 2 for length in lengths)


def test_lower_layers_are_frozen_and_counted(lesson):
    from transformers import Wav2Vec2Config, Wav2Vec2ForCTC

    size = {"hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 2, "intermediate_size": 64}
    model = Wav2Vec2ForCTC(Wav2Vec2Config(**size, vocab_size=8, num_conv_pos_embedding_groups=2))
    everything = sum(weight.numel() for weight in model.parameters())
    assert lesson.freeze_lower(model, 0) == everything
    learn = lesson.freeze_lower(model, 2)
    assert [all(w.requires_grad for w in layer.parameters()) for layer in model.wav2vec2.encoder.layers] == [
        False, False, True, True,
    ]  # fmt: skip
    frozen = [model.wav2vec2.feature_projection, *model.wav2vec2.encoder.layers[:2]]
    assert learn == everything - sum(w.numel() for part in frozen for w in part.parameters())


def test_the_trainers_score_is_the_error_rate_of_the_texts(lesson, processor):
    metrics = {name: evaluate.load(catalog.metric(name)) for name in ("wer", "cer")}
    given = cells.defined("06_wav2vec2_ctc_fine_tuning", "score", texts_of=lesson.texts_of, **metrics)
    pad, a, b, gap = (LETTERS[token] for token in ("<pad>", "A", "B", "|"))
    labels = np.array([[a, gap, b, b], [a, b, -100, -100]])
    frames = np.array([[a, pad, gap, b, b, a], [a, a, b, -100, -100, -100]])
    # "A BB" was heard as "A BA", and "AB" as it is.
    assert given.score(SimpleNamespace(label_ids=labels, predictions=frames)) == {"wer": 1 / 3, "cer": 1 / 6}


def test_clips_are_transcribed_one_by_one_in_their_order(processor):
    def pipeline(task, model, **_):
        return lambda clip: {"text": f"{model} heard {len(clip['raw'])} at {clip['sampling_rate']} Hz"}

    given = {"pipeline": pipeline, "processor": processor, "device": "cpu"}
    lesson = cells.defined("06_wav2vec2_ctc_fine_tuning", "transcribe", **given)
    model = SimpleNamespace(eval=lambda: "it")
    texts = lesson.transcribe(model, [np.zeros(20, np.float32), np.zeros(10, np.float32)])
    assert texts == ["it heard 20 at 16000 Hz", "it heard 10 at 16000 Hz"]


def test_settings_keep_the_state_with_the_lowest_wer_and_share_nothing(lesson):
    made = lesson.settings("run")
    assert made.load_best_model_at_end and made.metric_for_best_model == "wer" and not made.greater_is_better
    assert made.push_to_hub is False and made.hub_model_id is None
    assert made.max_steps % made.eval_steps == 0 and made.eval_steps == made.save_steps
