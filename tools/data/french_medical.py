"""French medical reports: 226 sentences with marked terms, numbered so that the split of lesson 5 is known.

The lesson splits the 226 numbers 80/20 with seed 42. `test_numbers` gives it; 35 of the terms stand in
test sentences alone, every other term stands in two sentences or more, at least one of them in training.
"""

import csv
import re
from pathlib import Path

import numpy as np

NAME = "french-medical"
LANGUAGE = "fr"
SENTENCES = 226
TEST = 46
TEXTS = Path(__file__).with_name("french_medical.tsv")
LEXICON = Path(__file__).with_name("french_lexicon.tsv")
EVERYDAY = Path(__file__).with_name("french_everyday.tsv")


def _table(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def rows():
    """The sentences: dicts of number ("001"), specialty, text (plain), terms (list of str) and spoken."""
    return [
        {
            "number": row["number"],
            "specialty": row["specialty"],
            "text": re.sub(r"[\[\]]", "", row["text"]),
            "terms": re.findall(r"\[(.+?)\]", row["text"]),
            "spoken": spoken(re.sub(r"[\[\]]", "", row["text"])),
        }
        for row in _table(TEXTS)
    ]


def test_numbers():
    """The numbers ("001") of the 46 test sentences: sklearn's train_test_split with random_state=42."""
    places = np.random.RandomState(42).permutation(SENTENCES)[:TEST]
    return {f"{place + 1:03d}" for place in places}


def terms():
    """Each term with the numbers of its sentences: dict of str to list of str, in alphabetical order."""
    found = {}
    for row in rows():
        for term in row["terms"]:
            found.setdefault(term, []).append(row["number"])
    return dict(sorted(found.items()))


def unseen_terms():
    """The terms that stand in test sentences alone: what fine-tuning cannot have taught."""
    test = test_numbers()
    return [term for term, numbers in terms().items() if test.issuperset(numbers)]


def spoken(text):
    """The text as espeak-ng must see it to say the medical words right (it takes many for English)."""
    lexicon = {row["word"]: row["spoken"] for row in _table(LEXICON)}
    lexicon |= {word[0].upper() + word[1:]: said for word, said in lexicon.items()}
    return re.sub(r"\w+", lambda word: lexicon.get(word[0], word[0]), text)
