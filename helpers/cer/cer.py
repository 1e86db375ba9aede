"""Character error rate as a local `evaluate` module: `evaluate.load(<this folder>)` asks no network."""

import jiwer

import helpers.wer.wer as words

_DESCRIPTION = """Character error rate: substitutions, insertions and deletions over the
number of characters in the references, summed over all texts. 0.04 is 4 %; more than 1 is possible.
Characters are Unicode code points, the spaces between words among them."""


class Cer(words.Wer):
    about, rate = _DESCRIPTION, staticmethod(jiwer.cer)
