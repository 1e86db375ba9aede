"""Fine-tuning with CTC: batches and what is refused; a long positional convolution by Fourier transform."""

import copy
import json

import numpy as np
import pytest
import torch
from transformers import (
    Wav2Vec2Config,
    Wav2Vec2CTCTokenizer,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForCTC,
    Wav2Vec2Model,
    Wav2Vec2Processor,
)

from helpers import catalog, ctc

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
    batch = ctc.DataCollatorCTCWithPadding(processor)([row(4, "ABBA"), row(6, "B")])
    assert batch["input_values"].tolist() == [[1, 1, 1, 1, 0, 0], [1] * 6]
    assert batch["labels"].tolist() == [[3, 4, 4, 3], [4, -100, -100, -100]]
    assert batch["attention_mask"].sum(dim=1).tolist() == [4, 6]


def test_a_batch_is_as_long_as_its_longest_row(processor):
    collator = ctc.DataCollatorCTCWithPadding(processor)
    assert collator([row(400, "A"), row(500, "A")])["input_values"].shape == (2, 500)
    assert collator([row(400, "A")])["input_values"].shape == (1, 400)


@pytest.mark.parametrize("kind", [torch.tensor, np.array, list])
def test_rows_may_be_tensors_arrays_or_lists(processor, kind):
    rows = [row(4, "ABBA"), row(6, "B")]
    same = [{name: kind(values) for name, values in each.items()} for each in rows]
    expected = ctc.DataCollatorCTCWithPadding(processor)(rows)
    batch = ctc.DataCollatorCTCWithPadding(processor)(same)
    assert batch.keys() == expected.keys()
    assert all(torch.equal(batch[name], expected[name]) for name in batch)
    assert batch["input_values"].dtype == torch.float32 and batch["labels"].dtype == torch.int64


def test_no_mask_where_the_checkpoint_wants_none(tmp_path):
    batch = ctc.DataCollatorCTCWithPadding(build(tmp_path, mask=False))([row(4, "A"), row(6, "B")])
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
    collator = ctc.DataCollatorCTCWithPadding(processor)
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
        ([{"input_values": [[0.1, 0.2], [0.1]], "labels": [3]}], "Row 0 holds a list of clips"),
        ([{"input_values": torch.ones(1, 9), "labels": [3]}], r"store input_values\[0\]"),
        ([row(9, "A"), {"input_values": [0.1], "labels": [[3, 4]]}], r"Row 1 holds .*store labels\[0\]"),
    ],
)
def test_rows_that_make_no_batch(processor, rows, told):
    with pytest.raises(ctc.BatchError, match=told):
        ctc.DataCollatorCTCWithPadding(processor)(rows)


class Model:
    def __init__(self, **config):
        self.config = Wav2Vec2Config(**config)


def test_vocabulary_and_model_must_fit(processor):
    ctc.check_vocabulary(processor, Model(vocab_size=5, pad_token_id=0))
    with pytest.raises(ctc.BatchError, match=r"5 tokens and the model 32 outputs: .*vocab_size=5"):
        ctc.check_vocabulary(processor, Model(vocab_size=32, pad_token_id=0))
    with pytest.raises(ctc.BatchError, match="takes token 3 for the blank and the tokenizer 0"):
        ctc.check_vocabulary(processor, Model(vocab_size=5, pad_token_id=3))


def make_model(taps, groups, hidden=8):
    torch.manual_seed(0)
    config = Wav2Vec2Config(
        hidden_size=hidden, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8,
        conv_dim=(8,), conv_kernel=(10,), conv_stride=(5,), num_feat_extract_layers=1,
        num_conv_pos_embeddings=taps, num_conv_pos_embedding_groups=groups,
    )  # fmt: skip
    return Wav2Vec2Model(config).eval()


@pytest.mark.parametrize("taps", [256, 301, 512])
@pytest.mark.parametrize("frames", [1, 2, 100, 128, 129, 256, 400, 700])
def test_the_result_is_the_same(taps, frames):
    model = make_model(taps, groups=8)
    states = torch.randn(3, frames, 8)
    with torch.inference_mode():
        counted = model.encoder.pos_conv_embed(states)
        quick = ctc.quicken(model).encoder.pos_conv_embed(states)
    assert quick.shape == counted.shape and quick.dtype == counted.dtype
    assert torch.allclose(quick, counted, atol=1e-5)


def test_the_gradient_is_the_same():
    model = make_model(300, groups=8)
    found = []
    for change in (lambda model: model, ctc.quicken):
        states = torch.linspace(-1, 1, 2 * 50 * 8).reshape(2, 50, 8).requires_grad_()
        change(model).encoder.pos_conv_embed(states).square().sum().backward()
        found.append(states.grad)
    assert found[0].abs().max() > 0
    assert torch.allclose(*found, atol=1e-5)


def test_a_copy_computes_with_its_own_weights():
    model = ctc.quicken(make_model(300, groups=8))
    twin = copy.deepcopy(model)
    states = torch.randn(1, 50, 8)
    with torch.inference_mode():
        model.encoder.pos_conv_embed.conv.bias.add_(1)
        assert not torch.allclose(*(each.encoder.pos_conv_embed(states) for each in (model, twin)))


@pytest.mark.parametrize(("taps", "groups"), [(128, 8), (300, 2)])
def test_other_models_are_left_as_they_are(taps, groups):
    model = make_model(taps, groups)
    assert ctc.quicken(model) is model
    assert "forward" not in vars(model.encoder.pos_conv_embed.conv)
    assert all(weight.requires_grad for weight in model.parameters())


def test_the_stand_in_is_quickened_and_frozen_and_keeps_no_new_weight():
    model = Wav2Vec2ForCTC.from_pretrained(catalog.model("facebook/wav2vec2-base"))
    names = set(model.state_dict())
    ctc.quicken(model)
    assert "forward" in vars(model.wav2vec2.encoder.pos_conv_embed.conv)
    assert not any(weight.requires_grad for weight in model.wav2vec2.encoder.pos_conv_embed.parameters())
    assert all(weight.requires_grad for weight in model.wav2vec2.encoder.layers.parameters())
    assert set(model.state_dict()) == names


def test_what_has_no_positions_is_refused():
    with pytest.raises(ValueError, match="pass a Wav2Vec2"):
        ctc.quicken(torch.nn.Linear(2, 2))
