"""The functions that lesson 2 writes in its own cells: executed from the cells tagged "tested"."""

import math
import random
from collections import Counter
from itertools import pairwise, product
from types import SimpleNamespace

import jupytext
import numpy as np
import pytest
import torch

from tools.notebooks import NOTEBOOKS


@pytest.fixture(scope="module")
def lesson():
    cells = jupytext.read(NOTEBOOKS / "source" / "02_ctc_probing.py").cells
    namespace = {"math": math, "Counter": Counter}
    tagged = [cell for cell in cells if "tested" in cell.metadata.get("tags", [])]
    assert tagged
    for cell in tagged:
        exec(cell.source, namespace)
    return SimpleNamespace(**namespace)


def emissions(seed, frames, tokens):
    """Random log probabilities, (frames, tokens), double precision."""
    noise = torch.randn(frames, tokens, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return (2 * noise).log_softmax(-1)


def paths_to(lesson, target, frames, tokens):
    return [path for path in product(range(tokens), repeat=frames) if lesson.collapse(path, 0) == target]


# ---- collapse ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "text"),
    [("AAB", "AB"), ("A·A", "AA"), ("·A··B·", "AB"), ("AA·AB", "AAB"), ("···", ""), ("", "")],
)
def test_collapse(lesson, path, text):
    assert "".join(lesson.collapse(path, "·")) == text


def test_collapse_undoes_any_way_of_stretching_a_text(lesson):
    rng = random.Random(0)
    for _ in range(200):
        text = [rng.randint(1, 3) for _ in range(rng.randint(0, 6))]
        path = [0] * rng.randint(0, 2)
        for previous, token in zip([None, *text], text, strict=False):
            path += [0] * rng.randint(int(token == previous), 2) + [token] * rng.randint(1, 3)
        assert lesson.collapse(path + [0] * rng.randint(0, 2), 0) == text


# ---- the loss ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", [[], [1], [1, 2], [1, 1], [2, 1, 2], [1, 1, 2]])
@pytest.mark.parametrize("seed", range(3))
def test_enumeration_recursion_and_torch_agree(lesson, target, seed):
    frames, tokens = 5, 3
    table = emissions(seed, frames, tokens)
    each = [
        sum(table[t, token].item() for t, token in enumerate(path))
        for path in paths_to(lesson, target, frames, tokens)
    ]
    by_recursion = np.logaddexp.reduce(lesson.trellis(table.numpy(), target, 0)[-1, -2:])
    by_torch = -torch.nn.functional.ctc_loss(
        table[:, None], torch.tensor([target], dtype=torch.long), [frames], [len(target)], reduction="sum"
    )
    assert by_recursion == pytest.approx(np.logaddexp.reduce(each))
    assert by_recursion == pytest.approx(by_torch.item())


def test_with_certainty_for_everything_the_trellis_counts_paths(lesson):
    for target in ([1], [1, 2], [1, 1]):
        counted = np.exp(np.logaddexp.reduce(lesson.trellis(np.zeros((5, 3)), target, 0)[-1, -2:]))
        assert counted == pytest.approx(len(paths_to(lesson, target, 5, 3)))


def test_a_clip_too_short_for_its_text_is_impossible(lesson):
    for target in ([1, 2, 1], [1, 1]):
        assert lesson.trellis(emissions(0, 2, 3).numpy(), target, 0)[-1, -2:].max() == -np.inf


def test_all_texts_together_are_certain(lesson):
    table = emissions(4, 3, 3)
    texts = {tuple(lesson.collapse(path, 0)) for path in product(range(3), repeat=3)}
    each = [np.logaddexp.reduce(lesson.trellis(table.numpy(), list(text), 0)[-1, -2:]) for text in texts]
    assert np.logaddexp.reduce(each) == pytest.approx(0)


# ---- forced alignment --------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(8))
def test_alignment_is_the_best_of_all_paths(lesson, seed):
    table = emissions(seed, 6, 3)
    target = [[1], [1, 2], [1, 1], [2, 1, 2]][seed % 4]
    places, score = lesson.align(table.numpy(), target, 0)
    states = lesson.with_blanks(target, 0)
    path = [states[place] for place in places]
    assert lesson.collapse(path, 0) == target
    best = max(
        sum(table[t, token].item() for t, token in enumerate(other))
        for other in paths_to(lesson, target, 6, 3)
    )
    assert score == pytest.approx(best)
    assert score == pytest.approx(sum(table[t, token].item() for t, token in enumerate(path)))


@pytest.mark.parametrize("seed", range(5))
def test_alignment_agrees_with_torchaudio(lesson, seed):
    from torchaudio.functional import forced_align

    rng = random.Random(seed)
    table = emissions(seed, 120, 32)
    target = [rng.randint(1, 31) for _ in range(30)] + [7, 7]
    places, score = lesson.align(table.numpy(), target, 0)
    states = lesson.with_blanks(target, 0)
    theirs, scores = forced_align(table[None], torch.tensor([target]), blank=0)
    assert [states[place] for place in places] == theirs[0].tolist()
    assert score == pytest.approx(scores.sum().item())


# ---- kinds of error ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("CHRISTMAS", "CHRISTMAUS"),
        ("SIMILES", "SIMALYIS"),
        ("KNIGHT", "NITE"),
        ("WRAPPED", "RAPPED"),
        ("PHONE", "FONE"),
        ("QUEEN", "KWEEN"),
        ("PSALM", "SALM"),
    ],
)
def test_what_sounds_alike_has_one_key(lesson, one, other):
    assert lesson.sound(one) == lesson.sound(other)


@pytest.mark.parametrize(
    ("one", "other"), [("ROAST", "ROSE"), ("BOAT", "COAT"), ("MAP", "NAP"), ("TEN", "DEN")]
)
def test_what_sounds_different_does_not(lesson, one, other):
    assert lesson.sound(one) != lesson.sound(other)


@pytest.mark.parametrize(
    ("said", "got", "expected"),
    [
        ("CHRISTMAS", "CHRISTMAUS", "phonetic spelling"),
        ("OF COURSE", "OFCOURSE", "merge"),
        ("SCHOOLMASTER", "SCHOOL MASTER", "split"),
        ("ROAST", "ROAS", "dropped letter"),
        ("BOAT", "COAT", "one sound off"),
        ("UMBRELLA", "PIGEON", "other"),
        ("A", "", "word missing"),
        ("", "A", "word too many"),
    ],
)
def test_kinds(lesson, said, got, expected):
    assert lesson.kind(said, got) == expected


# ---- confidence --------------------------------------------------------------------------------------------


def test_auc_is_the_area_under_the_roc_curve(lesson):
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(0)
    wrong = rng.random(200) < 0.3
    confidence = np.round(rng.random(200) - 0.2 * wrong, 1)
    assert lesson.auc(confidence, wrong) == pytest.approx(roc_auc_score(wrong, -confidence))
    assert lesson.auc([0.1, 0.9], [True, False]) == 1
    assert lesson.auc([0.5, 0.5], [True, False]) == 0.5


# ---- language model ----------------------------------------------------------------------------------------

CORPUS = ["THE CAT SAT", "THE CAT RAN", "A DOG SAT", "SAN FRANCISCO", "SAN FRANCISCO", "SAN FRANCISCO"]
LEXICON = ["CAT", "HAT", "MOUSE"]


@pytest.fixture(scope="module")
def bigram(lesson):
    return lesson.kneser_ney([line.split() for line in CORPUS], LEXICON)


def test_probabilities_add_up_to_one_after_every_word(bigram):
    single, double, backoff = bigram
    assert sum(single.values()) == pytest.approx(1)
    for before in [*backoff, "MOUSE"]:
        after = (double.get((before, word), backoff.get(before, 1.0) * p) for word, p in single.items())
        assert sum(after) == pytest.approx(1)


def test_words_of_the_lexicon_are_possible_and_unknown_ones_too(bigram):
    single, _, _ = bigram
    assert single["HAT"] == single["MOUSE"] == single["<unk>"] > 0


def test_a_word_that_follows_only_one_other_gets_little_back_off(bigram):
    single, _, _ = bigram
    assert single["SAT"] > single["FRANCISCO"]


def test_the_arpa_file_is_what_the_decoder_reads(lesson, bigram, tmp_path):
    from ctc_beam_decoder import build_ctcdecoder

    path = tmp_path / "bigram.arpa"
    lesson.write_arpa(path, *bigram)
    lines = path.read_text(encoding="utf-8").splitlines()
    sections = [lines.index(f"\\{n}-grams:") for n in (1, 2)] + [lines.index("\\end\\")]
    for n, (first, last) in enumerate(pairwise(sections), start=1):
        assert f"ngram {n}={len([line for line in lines[first + 1 : last] if line])}" in lines

    tokens = ["<pad>", "|", *"ACEHT"]
    table = np.full((9, len(tokens)), -12.0, np.float32)
    for t, token in enumerate(["<pad>", *"THE|CAT", "<pad>"]):
        table[t, tokens.index(token)] = 0
    table[5, tokens.index("H")] = 0.2
    assert build_ctcdecoder(tokens).decode(table) == "THE HAT"
    assert build_ctcdecoder(tokens, str(path), ["THE", "CAT", "HAT"], alpha=1.0).decode(table) == "THE CAT"
