"""Fine-tune a BERT on a CSV file with the columns text and label, and write a folder that pipeline() loads.

python finetune_bert.py reviews.csv my-classifier
"""

import argparse
import tempfile

import numpy as np
from datasets import load_dataset
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    EarlyStoppingCallback,
    Trainer,
    TrainingArguments,
)

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("csv")
parser.add_argument("out", help="folder to write")
parser.add_argument("--model", default="google-bert/bert-base-uncased", help="name on the Hub, or a folder")
parser.add_argument("--rate", type=float, default=5e-5, help="learning rate; small models bear 1e-4")
parser.add_argument("--epochs", type=float, default=3)
options = parser.parse_args()

rows = load_dataset("csv", data_files=options.csv, split="train").class_encode_column("label")
names, split = rows.features["label"].names, {"test_size": 0.2, "seed": 42, "stratify_by_column": "label"}
train, rest = rows.train_test_split(**split).values()
validation, test = rest.train_test_split(**split | {"test_size": 0.5}).values()

truth = np.array(test["label"])
print(f"{len(train)} to learn from, {len(validation)} to choose the state, {len(test)} to judge it")
print(f"always the same answer: {np.bincount(truth).max()} of {len(test)} right")
words = TfidfVectorizer(sublinear_tf=True)
counted = LogisticRegression(C=10, max_iter=2000).fit(words.fit_transform(train["text"]), train["label"])
print(f"TF-IDF: {(counted.predict(words.transform(test['text'])) == truth).sum()} of {len(test)} right")

tokenizer = AutoTokenizer.from_pretrained(options.model)
labels = {"num_labels": len(names), "id2label": dict(enumerate(names)), "ignore_mismatched_sizes": True}
model = AutoModelForSequenceClassification.from_pretrained(options.model, **labels)
train, validation, test = (
    part.map(lambda batch: tokenizer(batch["text"], truncation=True, max_length=256), batched=True)
    for part in (train, validation, test)
)
with tempfile.TemporaryDirectory() as runs:
    settings = TrainingArguments(
        runs, num_train_epochs=options.epochs, learning_rate=options.rate, warmup_steps=0.1, seed=42,
        weight_decay=0.01, report_to="none",
        eval_strategy="steps", eval_steps=0.1, save_strategy="best", save_only_model=True, save_total_limit=1,
        load_best_model_at_end=True, metric_for_best_model="accuracy",
    )  # fmt: skip
    trainer = Trainer(
        model, settings, DataCollatorWithPadding(tokenizer), train, validation, processing_class=tokenizer,
        compute_metrics=lambda found: {"accuracy": (found[0].argmax(-1) == found[1]).mean()},
        callbacks=[EarlyStoppingCallback(3)],
    )  # fmt: skip
    trainer.train()
    outcome = trainer.predict(test)
print(f"fine-tuned: {(outcome.predictions.argmax(-1) == outcome.label_ids).sum()} of {len(test)} right")
trainer.save_model(options.out)
