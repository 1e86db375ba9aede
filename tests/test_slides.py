"""Lesson 1 as slides: what the room sees, what the speaker reads, and no request to anybody."""

import json
import shutil
import time

import nbformat
import pytest

from tests.browser.chromium import Chromium
from tests.test_pages import Loads
from tools import notebooks, slides

ENTRY = notebooks.lessons()[0]


def lesson(*cells):
    made = []
    for kind, text, *tags in cells:
        new = nbformat.v4.new_code_cell if kind == "code" else nbformat.v4.new_markdown_cell
        made.append(new(text, metadata={"tags": tags}))
    return nbformat.v4.new_notebook(cells=made)


def test_parts_of_markdown_stay_whole():
    text = "One\ntwo\n\n```python\na\n\nb\n```\n\n<details><summary>Hint</summary>\n\nc\n\n</details>\n\nLast"
    assert slides.blocks(text) == [
        "One\ntwo",
        "```python\na\n\nb\n```",
        "<details><summary>Hint</summary>\n\nc\n\n</details>",
        "Last",
    ]


def test_the_room_sees_code_and_tasks_and_the_speaker_the_prose():
    made = slides.on_slides(
        lesson(
            ("code", "%pip install x", "setup"),
            ("markdown", "## A clip\n\nProse.\n\nMore."),
            ("code", "one"),
            ("code", "two"),
            ("markdown", "So it is.\n\n**Before you run:** which? (a) x (b) y"),
            ("code", "three"),
            (
                "markdown",
                "<details>b</details>\n\n### Exercise 1.1: x\n\nWrite it.\n\n<details>Hint</details>",
            ),
            ("code", "stub", "exercise"),
            ("code", "check", "check"),
            ("markdown", "Back to the clip."),
            ("code", "four"),
        )
    )
    assert [(cell.metadata["slideshow"]["slide_type"], cell.source) for cell in made.cells] == [
        ("slide", "## A clip"),
        ("notes", "Prose.\n\nMore."),
        ("-", "one"),
        ("subslide", "two"),
        ("notes", "So it is."),
        ("subslide", "**Before you run:** which? (a) x (b) y"),
        ("subslide", "three"),
        ("notes", "<details>b</details>"),
        ("slide", "### Exercise 1.1: x"),
        ("-", "Write it."),
        ("notes", "<details>Hint</details>\n\nBack to the clip."),
        ("subslide", "four"),
    ]


def test_another_reveal_is_refused(tmp_path):
    (tmp_path / slides.REVEAL).write_bytes(b"something else")
    with pytest.raises(SystemExit, match="not the pinned"):
        slides.reveal(tmp_path)


def test_without_npm_it_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(SystemExit, match="install Node"):
        slides.reveal(tmp_path)


def test_the_slides_in_a_browser(tmp_path):
    if not (slides.BUILD / "reveal" / slides.REVEAL).is_file():
        pytest.skip("reveal.js was never fetched: run make slides once")
    stored = nbformat.read(notebooks.NOTEBOOKS / f"{ENTRY['slug']}.ipynb", as_version=4)
    page = slides.as_slides(stored, ENTRY["title"], slides.reveal())
    assert Loads(page).found == []
    (tmp_path / "slides.html").write_text(page, encoding="utf-8")
    with Chromium() as browser:
        browser.goto((tmp_path / "slides.html").as_uri())
        browser.until("window.Reveal && Reveal.isReady()")
        code = browser.run("document.querySelectorAll('section .jp-CodeCell').length")
        assert code == sum(cell.cell_type == "code" for cell in slides.on_slides(stored).cells)
        assert browser.run("Reveal.getTotalSlides()") >= code / 2
        browser.run("Reveal.slide(1, 0)")
        assert "A clip to listen to" in browser.run("Reveal.getCurrentSlide().innerText")
        assert "some speech whose words we know" in browser.run("Reveal.getSlideNotes()")
        assert "some speech whose words" not in browser.run("Reveal.getCurrentSlide().innerText")
        wide = "Reveal.getSlides().filter(s => s.scrollWidth > s.clientWidth + 2).map(s => s.innerText)"
        assert json.loads(browser.run(f"JSON.stringify({wide})")) == [], "wider than the slide"
        browser.run("document.dispatchEvent(new KeyboardEvent('keydown', {keyCode: 83, bubbles: true}))")
        time.sleep(1)
        titles = [target["title"] for target in browser("Target.getTargets")["targetInfos"]]
        assert any("Speaker View" in title for title in titles)
        assert browser.outside() == []
