"""The lessons as a site: links that lead somewhere, navigation, search, players, and no request to others."""

import json
import re
import time
from html import unescape
from urllib.parse import unquote

import pytest

from tests.browser.chromium import Chromium
from tests.test_pages import Loads
from tools import notebooks, site

LESSONS = notebooks.lessons()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    target = tmp_path_factory.mktemp("site") / "site"
    site.build(target)
    return target


def pages(folder):
    return [page for page in sorted(folder.rglob("*.html")) if page.parent.name != "slides"]


def test_every_lesson_has_its_page_and_a_search_that_knows_it(folder):
    assert {page.stem for page in folder.glob("[0-9]*.html")} == {entry["slug"] for entry in LESSONS}
    sections = json.loads((folder / "search.js").read_text(encoding="utf-8").partition("=")[2].rstrip(";\n"))
    assert {each["page"] for each in sections} == {f"{entry['slug']}.html" for entry in LESSONS}
    (found,) = [each for each in sections if each["heading"] == "A clip to listen to"]
    assert "some speech whose words we know" in found["text"]
    assert "{" not in found["heading"] and "base64" not in json.dumps(sections)


def test_every_link_inside_leads_somewhere(folder):
    ids = {}
    for page in folder.rglob("*.html"):
        ids[page] = set(map(unescape, re.findall(r'\bid="([^"]+)"', page.read_text(encoding="utf-8"))))
    for page in pages(folder):
        for link in re.findall(r'<a [^>]*?href="([^"]+)"', page.read_text(encoding="utf-8")):
            if not re.match(r"https?:|mailto:|data:", link):
                name, _, fragment = unescape(unquote(link)).partition("#")
                place = (page.parent / name).resolve() if name else page
                assert place.is_file(), f"{page.name} links {link}"
                assert not fragment or fragment in ids[place], f"{page.name} links {link}"


def test_nothing_is_loaded_from_elsewhere(folder):
    for page in pages(folder):
        assert Loads(page.read_text(encoding="utf-8")).found == [], page.name


def test_sections_are_told_apart_without_signs_of_the_page():
    heading = '<h1 id="A">A<a class="anchor-link" href="#A">¶</a></h1>'
    page = f'<style>x</style>{heading}<p>b <b>c</b></p><h2 id="D">D</h2>'
    assert site.Sections(page).found == [
        {"id": "A", "heading": "A", "level": 1, "text": "b c"},
        {"id": "D", "heading": "D", "level": 2, "text": ""},
    ]


def test_the_site_in_a_browser(folder):
    with Chromium() as browser:
        browser.goto((folder / "index.html").as_uri())
        assert browser.run("document.querySelectorAll('.site-nav > ol:last-child > li').length") == len(
            LESSONS
        )
        browser.run(
            "const field = document.querySelector('.site-nav input'); field.value = 'forced aligNment';"
            "field.dispatchEvent(new Event('input'))"
        )
        found = browser.run(
            "[...document.querySelectorAll('.site-found a')].map(a => a.textContent).join('|')"
        )
        assert found.startswith("2. Probing CTC · Forced alignment")
        browser.run("document.querySelector('.site-found a').click()")
        browser.until(
            "location.pathname.endsWith('02_ctc_probing.html') && document.readyState == 'complete'"
        )
        assert browser.run("document.getElementById(decodeURIComponent(location.hash.slice(1))) !== null")
        assert (
            browser.run("document.querySelector('.site-nav [aria-current]').textContent") == "2. Probing CTC"
        )
        browser.goto((folder / "01_pipeline_inference.html").as_uri())
        browser.run("window.player = document.querySelector('audio'); player.muted = true; player.play()")
        browser.until("player.currentTime > 0.3", 30)
        browser.run("document.querySelector('.site-nav input').value = 'qqqq'")
        browser.run("document.querySelector('.site-nav input').dispatchEvent(new Event('input'))")
        assert browser.run("document.querySelector('.site-found').textContent") == "Nothing found"
        for page in pages(folder):
            browser.goto(page.as_uri())
            time.sleep(0.3)
            assert browser.run("document.querySelectorAll('.site-nav').length") == 1
        assert browser.outside() == []
