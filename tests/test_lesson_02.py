"""The functions that lesson 2 writes in its own cells: executed from the cells tagged "tested"."""

import math
import random
from collections import Counter
from itertools import pairwise, product

import numpy as np
import pytest
import torch

from helpers import catalog
from tests import cells

FRAME = 0.02


@pytest.fixture(scope="module")
def processor():
    from transformers import Wav2Vec2Processor

    return Wav2Vec2Processor.from_pretrained(catalog.asset("wav2vec2-ctc-en"))


@pytest.fixture(scope="module")
def lesson(processor):
    vocabulary = processor.tokenizer.get_vocab()
    given = {"np": np, "Counter": Counter, "FRAME": FRAME}
    return cells.tested("02_ctc_probing", processor=processor, vocabulary=vocabulary, DELIMITER="|", **given)


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


# ---- letters and words -------------------------------------------------------------------------------------


def table_of(processor, path, probability=0.9):
    """A path written with one character a frame (· for the blank), and log probabilities that lead to it."""
    vocabulary = processor.tokenizer.get_vocab()
    tokens = torch.tensor([processor.tokenizer.pad_token_id if c == "·" else vocabulary[c] for c in path])
    table = torch.full((len(path), len(vocabulary)), math.log((1 - probability) / (len(vocabulary) - 1)))
    table[torch.arange(len(path)), tokens] = math.log(probability)
    return table, tokens


def test_letters_and_words_have_their_frames(lesson, processor):
    table, path = table_of(processor, "·AAT||·BE·E||·")
    letters, words = lesson.spell(table, path)
    assert [(letter.text, letter.start, letter.end) for letter in letters] == [
        ("A", 1, 3), ("T", 3, 4), (" ", 4, 6), ("B", 7, 8), ("E", 8, 9), ("E", 10, 11), (" ", 11, 13),
    ]  # fmt: skip
    assert [(word.text, word.start, word.end) for word in words] == [("AT", 1, 4), ("BEE", 7, 11)]


def test_a_letter_counts_its_best_frame_and_a_word_its_least_sure_letter(lesson, processor):
    table, path = table_of(processor, "·AATT|·")
    table[1, path[1]] = math.log(0.4)
    table[3:5, path[3]] = torch.tensor([0.5, 0.6]).log()
    letters, words = lesson.spell(table, path)
    assert [letter.probability for letter in letters[:2]] == pytest.approx([0.9, 0.6])
    assert words[0].probability == pytest.approx(0.6)


def test_blanks_alone_are_no_word(lesson, processor):
    assert lesson.spell(*table_of(processor, "····")) == ([], [])
    assert lesson.spell(*table_of(processor, "·||·"))[1] == []


def test_words_reach_to_the_middle_of_a_gap_and_no_further_than_200_ms(lesson):
    found = [lesson.Written("A", 5, 7, 1.0), lesson.Written("B", 11, 15, 1.0)]
    (_, start, end), (_, next_start, next_end) = lesson.timed(found, 100)
    assert (start, end) == pytest.approx((2.5 * FRAME, 9 * FRAME))
    assert (next_start, next_end) == pytest.approx((9 * FRAME, 15 * FRAME + 0.2))


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


# ---- language model ----------------------------------------------------------------------------------------

CORPUS = ["THE CAT SAT", "THE CAT RAN", "A DOG SAT", "SAN FRANCISCO", "SAN FRANCISCO", "SAN FRANCISCO"]
LEXICON = ["CAT", "HAT", "MOUSE"]


@pytest.fixture(scope="module")
def arpa(lesson, tmp_path_factory):
    path = tmp_path_factory.mktemp("arpa") / "bigram.arpa"
    lesson.write_bigram(path, [line.split() for line in CORPUS], LEXICON)
    return path


@pytest.fixture(scope="module")
def bigram(lesson, arpa):
    """(probability of a word after another, all words that may follow)"""
    scores, weights = lesson.read_arpa(arpa)
    words = [word for word in scores if " " not in word and word != "<s>"]
    return lambda before, word: lesson.bigram(before, word, scores, weights), words


def test_probabilities_add_up_to_one_after_every_word(bigram):
    probability, words = bigram
    for before in ["<s>", *words]:
        assert sum(probability(before, word) for word in words) == pytest.approx(1, abs=1e-3)


def test_a_pair_has_the_probability_of_the_formula(bigram):
    probability, words = bigram
    # THE is followed by CAT alone, twice; the corpus has 10 different pairs, one of which ends in CAT.
    pairs = {pair for line in CORPUS for pair in pairwise(["<s>", *line.split(), "</s>"])}
    single = (1 - 0.75) / len(pairs) + 0.75 * len({after for _, after in pairs}) / len(pairs) / len(words)
    assert probability("THE", "CAT") == pytest.approx((2 - 0.75) / 2 + 0.75 / 2 * single, rel=1e-3)


def test_words_of_the_lexicon_are_possible_and_unknown_ones_too(bigram):
    probability, _ = bigram
    assert probability("THE", "HAT") == probability("THE", "MOUSE") == probability("THE", "PIGEON") > 0


def test_a_word_that_follows_only_one_other_gets_little_back_off(bigram):
    probability, _ = bigram
    assert probability("MOUSE", "SAT") > probability("MOUSE", "FRANCISCO")


TOKENS = ["<pad>", "|", *"ACEHT"]


def the_cat():
    """Log probabilities, (9, 7), of THE CAT, in which HAT is a little more probable than CAT."""
    table = np.full((9, len(TOKENS)), -12.0, np.float32)
    for t, token in enumerate(["<pad>", *"THE|CAT", "<pad>"]):
        table[t, TOKENS.index(token)] = 0
    table[5, TOKENS.index("H")] = 0.2
    return table


def test_the_arpa_file_is_what_the_decoder_reads(arpa):
    from ctc_beam_decoder import build_ctcdecoder

    lines = arpa.read_text(encoding="utf-8").splitlines()
    sections = [lines.index(f"\\{n}-grams:") for n in (1, 2)] + [lines.index("\\end\\")]
    for n, (first, last) in enumerate(pairwise(sections), start=1):
        assert f"ngram {n}={len([line for line in lines[first + 1 : last] if line])}" in lines
    assert build_ctcdecoder(TOKENS).decode(the_cat()) == "THE HAT"
    assert (
        build_ctcdecoder(TOKENS, str(arpa), ["THE", "CAT", "HAT"], alpha=1.0).decode(the_cat()) == "THE CAT"
    )


@pytest.mark.parametrize(("lexicon", "penalties"), [(["THE", "CAT", "HAT"], 0), (["CAT", "HAT"], 1)])
def test_the_score_is_the_lesson_s_formula(arpa, bigram, lexicon, penalties):
    from ctc_beam_decoder import build_ctcdecoder

    probability, _ = bigram
    decoder = build_ctcdecoder(TOKENS, str(arpa), lexicon, alpha=0.5, beta=1.5)
    beams = {text: (acoustic, score) for text, _, _, acoustic, score in decoder.decode_beams(the_cat())}
    for text in ("THE CAT", "THE HAT"):
        words = text.split()
        language = sum(math.log(probability(*pair)) for pair in pairwise(["<s>", *words, "</s>"]))
        language -= penalties * 10 * math.log(10)
        acoustic, score = beams[text]
        assert score == pytest.approx(acoustic + 0.5 * language + 1.5 * len(words), abs=1e-3)
