"""The pages of `make run` need no network: nothing in them is loaded from elsewhere."""

import re
import time
from html.parser import HTMLParser

import nbformat
import pytest

from tests.browser.chromium import Chromium
from tools import notebooks, run

LESSONS = {entry["slug"]: entry for entry in notebooks.lessons()}
LOADING = {"src", "srcset", "poster", "data", "background", "action"}
ELSEWHERE = re.compile(r"\s*(https?:)?//", re.IGNORECASE)
IN_CODE = re.compile(r"(?:url\(|@import|\bimport\b|\bfetch\()[\s(\"']*(?:https?:)?//[^\"')]+", re.IGNORECASE)


class Loads(HTMLParser):
    """All that a page, or a page inside it, would load from elsewhere; and its title."""

    def __init__(self, page):
        super().__init__()
        self.found, self.title, self._inside = [], "", ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self._inside = tag
        for name, value in attrs:
            loads = name in LOADING or (name in ("href", "xlink:href") and tag in ("link", "image", "use"))
            if loads and ELSEWHERE.match(value or ""):
                self.found.append(f"<{tag} {name}={value[:80]}>")
            elif name == "srcdoc":
                self.found += Loads(value).found
            elif name == "style":
                self.found += IN_CODE.findall(value or "")

    def handle_endtag(self, tag):
        self._inside = ""

    def handle_data(self, data):
        if self._inside == "title":
            self.title += data
        elif self._inside in ("style", "script"):
            self.found += IN_CODE.findall(data)


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Every lesson's page, from the stored notebook, as a file."""
    folder = tmp_path_factory.mktemp("pages")
    for slug, entry in LESSONS.items():
        stored = nbformat.read(notebooks.NOTEBOOKS / f"{slug}.ipynb", as_version=4)
        (folder / f"{slug}.html").write_text(run.as_page(stored, entry["title"]), encoding="utf-8")
    (folder / "report.html").write_text(run.report(["<tr></tr>"], 1), encoding="utf-8")
    return folder


@pytest.mark.parametrize("slug", LESSONS)
def test_a_page_has_a_title_and_names_nothing_to_load(pages, slug):
    page = Loads((pages / f"{slug}.html").read_text(encoding="utf-8"))
    assert page.found == []
    assert page.title == LESSONS[slug]["title"]


LOADERS = (
    '<script src="https://example.org/a.js"></script>',
    '<img src="//example.org/a.png">',
    '<link rel="stylesheet" href="https://example.org/a.css">',
    "<style>a { background: url('https://example.org/a.png') }</style>",
    '<script type="module">const a = await import("https://example.org/a.mjs")</script>',
    '<iframe srcdoc="&lt;img src=&quot;https://example.org/framed.png&quot;&gt;"></iframe>',
)


@pytest.mark.parametrize("loader", LOADERS)
def test_the_search_finds_what_loads(loader):
    assert Loads(loader).found
    assert not Loads('<a href="https://example.org">a link</a>').found


def test_no_request_leaves_a_page(pages, tmp_path):
    (tmp_path / "all.html").write_text("".join(LOADERS), encoding="utf-8")
    with Chromium() as browser:
        for path in sorted(pages.iterdir()):
            browser.goto(path.as_uri())
            time.sleep(0.5)
            assert browser.run("document.title")
        assert browser.outside() == []
        browser.goto((tmp_path / "all.html").as_uri())
        time.sleep(0.5)
        browser.run("0")
        noted = {url.rpartition("/")[2] for url in browser.outside()}
        assert noted >= {"a.js", "a.css", "a.mjs", "framed.png"}, "the log would have missed them"
