"""The functions that lesson 4 writes in its own cells, with a BERT of two small layers."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from datasets import ClassLabel, Dataset, Features, Value
from scipy import sparse
from transformers import (
    AutoTokenizer,
    BertConfig,
    BertForSequenceClassification,
    DataCollatorWithPadding,
    set_seed,
)

from helpers import catalog, course, plots, show
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
        body=model.bert,
        collator=DataCollatorWithPadding(tokenizer),
        course=course,
        device="cpu",
        model=model,
        pd=pd,
        plots=plots,
        show=show,
        test=rows.select(range(10)),
        tokenizer=tokenizer,
        torch=torch,
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


def test_the_baseline_is_chosen_on_the_validation_reviews(lesson):
    draw = np.random.default_rng(0)
    features = draw.normal(size=(60, 5))
    labels = (features[:, 0] > 0).astype(int)
    chosen = lesson.fit(features, labels, features, labels)
    assert chosen.score(features, labels) > 0.9
    candidates = [lesson.LogisticRegression(C=C).fit(features, labels) for C in (0.1, 1, 10)]
    doubtful = np.argsort(abs(features[:, 0]))[:12]
    best = lesson.fit(features, labels, features[doubtful], labels[doubtful])
    scores = [model.score(features[doubtful], labels[doubtful]) for model in candidates]
    assert best.score(features[doubtful], labels[doubtful]) == max(scores)
    assert chosen.predict(sparse.csr_matrix(features)).tolist() == chosen.predict(features).tolist()


def test_score_is_the_share_of_right_answers_and_how_sure_the_wrong_ones_are(lesson):
    logits = np.array([[2.0, 1.0], [0.0, 3.0], [1.0, 0.0], [5.0, 4.0]])
    evaluation = SimpleNamespace(predictions=logits, label_ids=np.array([0, 1, 1, 0]))
    found = lesson.score(evaluation)
    assert found["accuracy"] == 0.75
    assert found["sure_when_wrong"] == pytest.approx(1 / (1 + np.exp(-1)))
    evaluation.label_ids[2] = 0
    assert lesson.score(evaluation) == {"accuracy": 1, "sure_when_wrong": 0}


def test_score_refuses_labels_of_another_number(lesson):
    with pytest.raises(ValueError):
        lesson.score(SimpleNamespace(predictions=np.zeros((3, 2)), label_ids=np.zeros(2)))


def test_the_interval_of_a_difference_is_paired(lesson):
    answers = np.arange(200) % 5 > 0  # 160 of 200 right
    assert lesson.difference(answers, answers).tolist() == [0, 0]
    better = answers | (np.arange(200) % 10 == 0)
    low, high = lesson.difference(better, answers)
    assert 0.05 < low < 0.1 < high < 0.15
    assert lesson.difference(answers, better).tolist() == pytest.approx([-high, -low])
    unpaired = lesson.difference(better, np.roll(answers, 1))
    assert unpaired[1] - unpaired[0] > high - low


def test_run_puts_the_order_of_the_data_set_back(lesson):
    rows = lesson.train
    last = lesson.run(lambda batch: batch["attention_mask"].sum(dim=1, keepdim=True), rows)
    assert last[:, 0].tolist() == rows["length"][:]


def test_the_mean_leaves_the_padding_out(lesson):
    rows = lesson.train.select_columns(["input_ids", "attention_mask"]).select([0, 1]).to_list()
    together, alone = lesson.vectors(lesson.collator(rows)), lesson.vectors(lesson.collator(rows[1:]))
    assert together.shape == (2, 2, 32)
    assert torch.allclose(together[1], alone[0], atol=1e-5)
    states = lesson.body(**lesson.collator(rows[1:])).last_hidden_state
    assert torch.allclose(alone[0, 0], states[0, 0]) and torch.allclose(alone[0, 1], states[0].mean(dim=0))


@pytest.fixture(scope="module")
def trained(lesson):
    trainer = lesson.make_trainer("small", small_model(num_labels=2), lesson.train)
    trainer.args.learning_rate = 1e-2
    trainer.train()
    return trainer


def test_a_trainer_learns_keeps_its_best_state_and_stops(lesson, trained):
    fifth = lesson.STEPS // 5
    assert trained.state.best_metric == 1.0
    assert trained.state.global_step == min(lesson.STEPS, trained.state.best_global_step + 2 * fifth)
    assert lesson.score(trained.predict(lesson.validation))["accuracy"] == 1.0


def test_history_has_a_row_for_each_evaluation(lesson, trained):
    log, fifth = lesson.history(trained), lesson.STEPS // 5
    assert log.index.tolist() == list(range(fifth, trained.state.global_step + 1, fifth))
    names = ["epoch", "training loss", "validation loss", "accuracy", "sure when wrong"]
    assert log.columns.tolist() == names and log.notna().all().all()
    assert log["epoch"].iloc[-1] == pytest.approx(log.index[-1] * 8 / len(lesson.train), abs=0.5)
    assert log["accuracy"].max() == 1


def test_the_curves_say_in_words_where_they_begin_and_end(lesson, trained, monkeypatch):
    said = []
    monkeypatch.setattr(show, "figure", lambda figure, alt: said.append(alt))
    lesson.draw(lesson.history(trained), "a few rows")
    assert "a few rows" in said[0] and f"to {lesson.history(trained)['accuracy'].iloc[-1]:.2f}" in said[0]


def test_a_trainers_classifier_gives_logits_in_the_order_of_the_data_set(lesson, trained):
    logits = lesson.run(lesson.classifier(trained), lesson.test)
    assert logits.shape == (10, 2)
    assert logits.argmax(axis=-1).tolist() == lesson.test["label"][:]


def test_probability_gives_every_label_and_sums_to_one(lesson):
    found = lesson.probability(GOOD)
    assert set(found) == {"neg", "pos"}
    assert sum(found.values()) == pytest.approx(1, abs=1e-5)
    with torch.no_grad():
        logits = lesson.model(**lesson.tokenizer(GOOD, return_tensors="pt")).logits
    assert found["pos"] == pytest.approx(float(logits.softmax(-1)[0, 1]), abs=1e-5)
