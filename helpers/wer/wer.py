"""Word error rate as a local `evaluate` module: `evaluate.load(<this folder>)` asks no network."""

import datasets
import evaluate
import jiwer

_DESCRIPTION = """Word error rate: substitutions, insertions and deletions over the
number of words in the references, summed over all texts. 0.04 is 4 %; more than 1 is possible.
A word is what stands between white space of any kind."""

_INPUTS = """
Args:
    predictions: list of recognised texts.
    references: list of what was said, as long as predictions, none of them empty.
Returns:
    the rate, a fraction (float).
"""

_CITATION = "Morris, Maier, Green: From WER and RIL to MER and WIL (Interspeech 2004); computed by jiwer."


class Wer(evaluate.Metric):
    about, rate = _DESCRIPTION, staticmethod(jiwer.wer)

    def _info(self):
        text = datasets.Value("string")
        return evaluate.MetricInfo(
            description=self.about,
            citation=_CITATION,
            inputs_description=_INPUTS,
            features=datasets.Features({"predictions": text, "references": text}),
        )

    def _compute(self, predictions, references):
        for number, reference in enumerate(references):
            if not reference.strip():
                raise ValueError(f"Reference {number} is empty: leave that clip out.")
        # jiwer knows only the space: a no-break space or a tab would glue two words together.
        sides = ([" ".join(text.split()) for text in side] for side in (references, predictions))
        return self.rate(*sides)
