"""A long positional convolution by Fourier transform gives what counting gives."""

import pytest
import torch

from helpers.positions import quicken


def make_model(taps, groups, hidden=8):
    from transformers import Wav2Vec2Config, Wav2Vec2Model

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
        quick = quicken(model).encoder.pos_conv_embed(states)
    assert quick.shape == counted.shape and quick.dtype == counted.dtype
    assert torch.allclose(quick, counted, atol=1e-5)


def test_the_gradient_is_the_same():
    model = make_model(300, groups=8)
    found = []
    for change in (lambda model: model, quicken):
        states = torch.linspace(-1, 1, 2 * 50 * 8).reshape(2, 50, 8).requires_grad_()
        change(model).encoder.pos_conv_embed(states).square().sum().backward()
        found.append(states.grad)
    assert found[0].abs().max() > 0
    assert torch.allclose(*found, atol=1e-5)


@pytest.mark.parametrize(("taps", "groups"), [(128, 8), (300, 2)])
def test_other_models_are_left_as_they_are(taps, groups):
    model = make_model(taps, groups)
    assert quicken(model) is model
    assert "forward" not in vars(model.encoder.pos_conv_embed.conv)


def test_the_stand_in_is_quickened_and_keeps_no_new_weight():
    from transformers import AutoModelForCTC

    from helpers import catalog

    model = AutoModelForCTC.from_pretrained(catalog.checkpoint("facebook/wav2vec2-base"))
    names = set(model.state_dict())
    quicken(model)
    assert "forward" in vars(model.wav2vec2.encoder.pos_conv_embed.conv)
    assert set(model.state_dict()) == names


def test_what_has_no_positions_is_refused():
    with pytest.raises(ValueError, match="pass a Wav2Vec2"):
        quicken(torch.nn.Linear(2, 2))
