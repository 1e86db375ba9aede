"""Drawings in the lessons: complete in themselves, with a text for those who do not see them."""

from xml.etree import ElementTree

import nbformat
import pytest

from helpers import drawings
from tools import run

NAMES = sorted(path.stem for path in drawings.IMAGES.glob("*.svg"))


@pytest.mark.parametrize("name", NAMES)
def test_a_drawing_is_an_svg_that_asks_for_nothing(name):
    shown = drawings.show(name, "What <is> seen")._repr_mimebundle_()
    assert set(shown) == {"image/svg+xml", "text/plain"}
    assert shown["text/plain"] == "What <is> seen"
    root = ElementTree.fromstring(shown["image/svg+xml"])
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert root.get("role") == "img" and root.get("aria-label") == "What <is> seen"
    assert "href" not in shown["image/svg+xml"] and "<script" not in shown["image/svg+xml"]


def test_drawings_are_there():
    assert "self_supervised" in NAMES


@pytest.mark.parametrize(
    ("name", "alt", "message"),
    [("ctc", "A text.", "no drawing 'ctc': choose one of .*self_sup"), (NAMES[0], " ", "no alternative")],
)
def test_what_cannot_be_shown_is_told(name, alt, message):
    with pytest.raises(ValueError, match=message):
        drawings.show(name, alt)


def test_a_drawing_stands_in_the_page_of_a_lesson():
    cell = nbformat.v4.new_code_cell("drawings.show(...)")
    data = drawings.show("self_supervised", "Seen here")._repr_mimebundle_()
    cell.outputs = [nbformat.v4.new_output("execute_result", data=data, execution_count=1)]
    page = run.as_page(nbformat.v4.new_notebook(cells=[cell]), "A lesson")
    assert 'alt="Seen here"' in page and 'src="data:image/svg+xml;base64,' in page
