"""The functions that lesson 4 writes in its own cells, with a BERT of two small layers."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from datasets import ClassLabel, Dataset, Features, Value
from transformers import (
    AutoTokenizer,
    BertConfig,
    BertForSequenceClassification,
    DataCollatorWithPadding,
    set_seed,
)

from helpers import catalog, course
from tests import cells

SLUG = "04_fine_tuning_primer"
GOOD, BAD = "a good and warm film", "a dull and cold film, far too long for what it tells"


def small_model(**labels):
    set_seed(0)
    size = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    return BertForSequenceClassification(BertConfig(**size, **labels)).eval()


@pytest.fixture(scope="module")
def lesson():
    tokenizer = AutoTokenizer.from_pretrained(catalog.model("google-bert/bert-base-uncased"))
    features = Features({"text": Value("string"), "label": ClassLabel(names=["neg", "pos"])})
    rows = Dataset.from_dict({"text": [BAD, GOOD] * 20, "label": [0, 1] * 20}, features=features)
    model = small_model(num_labels=2, id2label={0: "neg", 1: "pos"})
    return cells.tested(
        SLUG,
        body=model,
        collator=DataCollatorWithPadding(tokenizer),
        course=course,
        device="cpu",
        model=model,
        pd=pd,
        test=rows.select(range(10)),
        tokenizer=tokenizer,
        train=rows,
        validation=rows.select(range(10, 20)),
    )


def test_tokenise_gives_ids_and_their_number_and_cuts_at_the_limit(lesson):
    made = lesson.tokenise({"text": ["film", "film " * 500]})
    assert made["length"] == [3, lesson.MAX_LENGTH]
    assert [len(ids) for ids in made["input_ids"]] == made["length"]
    assert {"input_ids", "attention_mask", "length", "label"} <= set(lesson.train.column_names)


def test_batches_are_padded_each_to_its_own_longest(lesson):
    rows = lesson.train.sort("length")
    made = lesson.batches(rows, lesson.collator, size=16)
    assert [batch["input_ids"].shape[0] for batch in made] == [16, 16, 8]
    assert made[0]["input_ids"].shape[1] == 7 < made[2]["input_ids"].shape[1]
    assert sum(int(batch["attention_mask"].sum()) for batch in made) == sum(rows["length"])


def test_score_is_the_share_of_right_answers(lesson):
    logits = np.array([[2.0, 1.0], [0.0, 3.0], [1.0, 0.0], [5.0, 4.0]])
    evaluation = SimpleNamespace(predictions=logits, label_ids=np.array([0, 1, 1, 0]))
    assert lesson.score(evaluation) == {"accuracy": 0.75}


def test_score_refuses_labels_of_another_number(lesson):
    with pytest.raises(ValueError):
        lesson.score(SimpleNamespace(predictions=np.zeros((3, 2)), label_ids=np.zeros(2)))


def test_margin_is_widest_at_one_half_and_narrows_with_the_square_root(lesson):
    assert lesson.margin(0.5, 200) == pytest.approx(0.0693, abs=1e-4)
    assert lesson.margin(0.5, 800) == pytest.approx(lesson.margin(0.5, 200) / 2)
    assert lesson.margin(0.9, 200) < lesson.margin(0.5, 200)
    assert lesson.margin(1.0, 200) == 0


@pytest.fixture(scope="module")
def trained(lesson):
    trainer = lesson.make_trainer("small", small_model(num_labels=2), lesson.train, learning_rate=1e-2)
    trainer.train()
    return trainer


def test_a_trainer_learns_and_keeps_its_best_state(lesson, trained):
    assert trained.state.global_step == lesson.STEPS
    assert trained.state.best_metric == 1.0
    assert lesson.score(trained.predict(lesson.validation)) == {"accuracy": 1.0}


def test_history_has_a_row_for_each_evaluation(lesson, trained):
    log = lesson.history(trained)
    third = lesson.STEPS // 3
    assert log.index.tolist() == [0, third, 2 * third, 3 * third]
    assert log.columns.tolist() == ["epoch", "training loss", "validation loss", "eval_accuracy"]
    assert log["validation loss"].notna().all() and log["training loss"].isna().tolist() == [True] + 3 * [
        False
    ]
    assert log["epoch"].iloc[-1] == pytest.approx(lesson.STEPS * 8 / len(lesson.train), abs=0.5)


def test_predict_pairs_each_prediction_with_its_label(lesson, trained):
    labels, predictions = lesson.predict(trained)
    assert labels.shape == predictions.shape == (len(lesson.test),)
    assert labels.tolist() == predictions.tolist()
    assert sorted(labels.tolist()) == sorted(lesson.test["label"])


def test_probability_gives_every_label_and_sums_to_one(lesson):
    found = lesson.probability(GOOD)
    assert set(found) == {"neg", "pos"}
    assert sum(found.values()) == pytest.approx(1, abs=1e-5)
    with torch.no_grad():
        logits = lesson.model(**lesson.tokenizer(GOOD, return_tensors="pt")).logits
    assert found["pos"] == pytest.approx(float(logits.softmax(-1)[0, 1]), abs=1e-5)
