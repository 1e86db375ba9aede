"""Batches for CTC: what is padded with what, and what is refused."""

import json

import numpy as np
import pytest
import torch

from helpers.collators import DataCollatorCTCWithPadding, check_vocabulary

VOCABULARY = {"<pad>": 0, "<unk>": 1, "|": 2, "A": 3, "B": 4, "C": 5}


def make_processor(folder, attention_mask=False):
    from transformers import Wav2Vec2CTCTokenizer, Wav2Vec2FeatureExtractor, Wav2Vec2Processor

    path = folder / "vocab.json"
    path.write_text(json.dumps(VOCABULARY))
    tokens = {"pad_token": "<pad>", "unk_token": "<unk>", "bos_token": None, "eos_token": None}
    tokenizer = Wav2Vec2CTCTokenizer(str(path), **tokens, word_delimiter_token="|")
    extractor = Wav2Vec2FeatureExtractor(return_attention_mask=attention_mask)
    return Wav2Vec2Processor(feature_extractor=extractor, tokenizer=tokenizer)


@pytest.fixture(scope="module")
def processor(tmp_path_factory):
    return make_processor(tmp_path_factory.mktemp("vocabulary"))


def make_model(**changes):
    from transformers import Wav2Vec2Config, Wav2Vec2ForCTC

    small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    front = {"conv_dim": (8, 8), "conv_kernel": (10, 8), "conv_stride": (10, 8), "num_feat_extract_layers": 2}
    positions = {"num_conv_pos_embeddings": 4, "num_conv_pos_embedding_groups": 2}
    settings = small | front | positions | {"vocab_size": 6, "pad_token_id": 0, "mask_time_prob": 0.0}
    return Wav2Vec2ForCTC(Wav2Vec2Config(**(settings | changes)))


def row(samples, labels):
    return {"input_values": np.linspace(-1, 1, samples, dtype=np.float32), "labels": labels, "path": "a.wav"}


ROWS = [row(1600, [3, 4]), row(2400, [5, 2, 3, 4, 4]), row(800, [3])]


def test_sound_and_letters_are_padded_apart(processor):
    batch = DataCollatorCTCWithPadding(processor)(ROWS)
    assert set(batch) == {"input_values", "labels"}
    assert batch["input_values"].shape == (3, 2400) and batch["input_values"].dtype == torch.float32
    assert batch["labels"].shape == (3, 5) and batch["labels"].dtype == torch.int64
    assert not batch["input_values"][2, 800:].any()
    assert torch.equal(batch["input_values"][0, :1600], torch.from_numpy(ROWS[0]["input_values"]))


def test_only_padding_becomes_minus_100(processor):
    labels = DataCollatorCTCWithPadding(processor)(ROWS)["labels"]
    assert labels.tolist() == [[3, 4, -100, -100, -100], [5, 2, 3, 4, 4], [3, -100, -100, -100, -100]]


def test_a_padding_token_inside_a_text_stays(processor):
    labels = DataCollatorCTCWithPadding(processor)([row(800, [0, 3]), row(800, [3])])["labels"]
    assert labels.tolist() == [[0, 3], [3, -100]]


def test_each_batch_has_its_own_length(processor):
    collate = DataCollatorCTCWithPadding(processor)
    assert collate(ROWS[:1])["input_values"].shape == (1, 1600)
    assert collate(ROWS[2:])["labels"].shape == (1, 1)


def test_the_mask_comes_where_the_feature_extractor_gives_one(tmp_path):
    batch = DataCollatorCTCWithPadding(make_processor(tmp_path, attention_mask=True))(ROWS)
    assert batch["attention_mask"].sum(dim=1).tolist() == [1600, 2400, 800]


def test_length_can_be_a_multiple(processor):
    batch = DataCollatorCTCWithPadding(processor, pad_to_multiple_of=1000)(ROWS)
    assert batch["input_values"].shape == (3, 3000)


def test_padding_of_labels_does_not_change_the_loss(processor):
    model = make_model(ctc_loss_reduction="sum").eval()
    batch = DataCollatorCTCWithPadding(processor)([row(2400, [3, 4]), row(2400, [5, 2, 3, 4, 4])])
    with torch.inference_mode():
        together = model(**batch).loss
        alone = sum(model(**DataCollatorCTCWithPadding(processor)([one])).loss
                    for one in [row(2400, [3, 4]), row(2400, [5, 2, 3, 4, 4])])  # fmt: skip
    assert torch.isclose(together, alone, rtol=1e-3)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], "no row"),
        ([{"labels": [3]}], "no 'input_values'"),
        ([{"input_values": np.ones(800)}], "no 'labels'"),
        ([row(0, [3])], "empty 'input_values'"),
        ([row(800, [3]), row(800, [])], "Row 1 has empty 'labels'"),
        ([{"input_values": np.ones((1, 800)), "labels": [3]}], "more than one channel"),
    ],
)
def test_a_bad_batch_is_refused_in_words(processor, rows, words):
    with pytest.raises(ValueError, match=words):
        DataCollatorCTCWithPadding(processor)(rows)


def test_vocabulary_and_model_agree(processor):
    check_vocabulary(processor, make_model())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"vocab_size": 5}, "has 6 tokens and the model writes 5.*vocab_size"),
        ({"vocab_size": 32}, "has 6 tokens and the model writes 32.*vocab_size"),
        ({"pad_token_id": 1}, "pads with token 0 .* token 1 for the blank.*pad_token_id"),
    ],
)
def test_a_model_of_another_vocabulary_is_refused(processor, changes, words):
    with pytest.raises(ValueError, match=words):
        check_vocabulary(processor, make_model(**changes))
