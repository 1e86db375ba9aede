"""Batches for CTC: what is padded with what, and what is refused."""

import json

import numpy as np
import pytest
import torch
from transformers import (
    Wav2Vec2Config,
    Wav2Vec2CTCTokenizer,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForCTC,
    Wav2Vec2Processor,
)

from helpers import collators

LETTERS = {"<pad>": 0, "<unk>": 1, "|": 2, "A": 3, "B": 4}


def build(folder, mask):
    (folder / "vocab.json").write_text(json.dumps(LETTERS), encoding="utf-8")
    tokenizer = Wav2Vec2CTCTokenizer(
        folder / "vocab.json", pad_token="<pad>", unk_token="<unk>", bos_token=None, eos_token=None
    )
    return Wav2Vec2Processor(Wav2Vec2FeatureExtractor(return_attention_mask=mask), tokenizer)


@pytest.fixture
def processor(tmp_path):
    return build(tmp_path, mask=True)


def row(samples, letters):
    return {"input_values": np.ones(samples, np.float32), "labels": [LETTERS[letter] for letter in letters]}


def test_sound_and_letters_are_padded_apart(processor):
    batch = collators.DataCollatorCTCWithPadding(processor)([row(4, "ABBA"), row(6, "B")])
    assert batch["input_values"].tolist() == [[1, 1, 1, 1, 0, 0], [1] * 6]
    assert batch["labels"].tolist() == [[3, 4, 4, 3], [4, -100, -100, -100]]
    assert batch["attention_mask"].sum(dim=1).tolist() == [4, 6]


def test_a_batch_is_as_long_as_its_longest_row(processor):
    collator = collators.DataCollatorCTCWithPadding(processor)
    assert collator([row(400, "A"), row(500, "A")])["input_values"].shape == (2, 500)
    assert collator([row(400, "A")])["input_values"].shape == (1, 400)


def test_no_mask_where_the_checkpoint_wants_none(tmp_path):
    batch = collators.DataCollatorCTCWithPadding(build(tmp_path, mask=False))([row(4, "A"), row(6, "B")])
    assert set(batch) == {"input_values", "labels"}


def test_the_loss_leaves_the_padding_out(processor):
    torch.manual_seed(0)
    config = Wav2Vec2Config(
        vocab_size=5, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        conv_dim=(8, 8), conv_kernel=(10, 3), conv_stride=(5, 2), num_feat_extract_layers=2,
        num_conv_pos_embeddings=3, num_conv_pos_embedding_groups=1, pad_token_id=0,
        ctc_loss_reduction="sum", feat_extract_norm="layer",
    )  # fmt: skip
    model = Wav2Vec2ForCTC(config).eval()
    collator = collators.DataCollatorCTCWithPadding(processor)
    rows = [row(400, "ABBA"), row(400, "B")]
    with torch.inference_mode():
        together = model(**collator(rows)).loss
        alone = sum(model(**collator([each])).loss for each in rows)
    assert torch.allclose(together, alone, rtol=1e-4)


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([], "no row to make a batch of"),
        ([{"labels": [3]}], "Row 0 has no 'input_values'"),
        ([{"input_values": [0.0]}], "Row 0 has no 'labels'"),
        ([{"input_values": [], "labels": [3]}], "Row 0 has empty 'input_values'"),
        ([{"input_values": [0.1], "labels": []}], "Row 0 has empty 'labels'"),
        ([{"input_values": [[0.1, 0.2]], "labels": [3]}], r"Row 0 holds a list of clips: .*\[0\]"),
    ],
)
def test_rows_that_make_no_batch(processor, rows, told):
    with pytest.raises(collators.BatchError, match=told):
        collators.DataCollatorCTCWithPadding(processor)(rows)


class Model:
    def __init__(self, **config):
        self.config = Wav2Vec2Config(**config)


def test_vocabulary_and_model_must_fit(processor):
    collators.check_vocabulary(processor, Model(vocab_size=5, pad_token_id=0))
    with pytest.raises(collators.BatchError, match=r"5 tokens and the model 32 outputs: .*vocab_size=5"):
        collators.check_vocabulary(processor, Model(vocab_size=32, pad_token_id=0))
    with pytest.raises(collators.BatchError, match="takes token 3 for the blank and the tokenizer 0"):
        collators.check_vocabulary(processor, Model(vocab_size=5, pad_token_id=3))
