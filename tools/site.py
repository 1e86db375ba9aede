"""`make site`: the stored, executed lessons as a site with navigation and search, which asks no server."""

from __future__ import annotations

import json
import re
import shutil
import sys
from html import escape
from html.parser import HTMLParser
from pathlib import Path

import nbformat
from nbconvert.filters import markdown2html

from tools.notebooks import lessons, path, repository
from tools.run import BUILD, STYLE, as_page

WEB = Path(__file__).with_name("web")


class Sections(HTMLParser):
    """A page's sections: dicts with `id`, `heading`, `level` and `text`, in order.

    Args:
        page: HTML as `as_page` writes it.
    """

    def __init__(self, page: str):
        super().__init__()
        self.found: list[dict] = []
        self._heading = self._silent = None
        self.feed(page)
        for each in self.found:
            each["heading"] = each["heading"].strip()
            each["text"] = " ".join(each["text"].split())

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag in ("h1", "h2", "h3") and attrs.get("id"):
            self.found.append({"id": attrs["id"], "heading": "", "level": int(tag[1]), "text": ""})
            self._heading = tag
        elif tag in ("style", "script", "title") or "anchor-link" in (attrs.get("class") or ""):
            self._silent = tag

    def handle_endtag(self, tag):
        if tag == self._heading:
            self._heading = None
        if tag == self._silent:
            self._silent = None

    def handle_data(self, data):
        if self.found and not self._silent:
            self.found[-1]["heading" if self._heading else "text"] += data


def navigation(current: str, sections: list[dict], root: str) -> str:
    """What stands beside every page: all lessons, the sections of this one, and the search.

    Args:
        current: slug of the lesson, "" on the first page.
        sections: of the current page, from `Sections`.
        root: the way to the site's first page, "" or "../".
    """
    items = []
    for entry in lessons():
        here = entry["slug"] == current
        inside = "".join(
            f'<li><a href="#{escape(each["id"])}">{escape(each["heading"])}</a></li>'
            for each in sections
            if here and each["level"] == 2
        )
        inside = f"<ol>{inside}</ol>" if inside else ""
        mark = ' aria-current="page"' if here else ""
        title = f"{int(entry['slug'][:2])}. {escape(entry['title'])}"
        items.append(f'<li><a href="{root}{entry["slug"]}.html"{mark}>{title}</a>{inside}</li>')
    return (
        f'<nav class="site-nav" aria-label="The course"><a href="{root}index.html">All lessons</a>'
        '<input type="search" placeholder="Search (/)" aria-label="Search all lessons">'
        f'<ol class="site-found" aria-live="polite"></ol><ol>{"".join(items)}</ol></nav>'
    )


def framed(page: str, current: str, root: str) -> str:
    """A page with navigation and search around it.

    Args:
        page: HTML with a head and a body.
        current, root: as for `navigation`.
    """
    style = f'<link rel="stylesheet" href="{root}site.css">'
    scripts = (
        f'<script src="{root}search.js"></script><script src="{root}site.js" data-root="{root}"></script>'
    )
    nav = navigation(current, Sections(page).found, root)
    page = page.replace("</head>", f"{style}</head>", 1)
    page, count = re.subn(r"<body([^>]*)>", lambda body: _body(body[1]) + nav, page, count=1)
    assert count == 1, "a page without a body"
    place = page.rindex("</body>")
    return page[:place] + scripts + page[place:]


def _body(attributes: str) -> str:
    if 'class="' in attributes:
        return "<body" + attributes.replace('class="', 'class="has-nav ', 1) + ">"
    return f'<body class="has-nav"{attributes}>'


def lesson(entry: dict, solved: bool = False) -> str:
    """One lesson's page, without navigation; links lead to pages of the site.

    Args:
        entry: from `lessons`.
        solved: the solved notebook, whose page stands in solutions/.
    """
    page = as_page(nbformat.read(path(entry, solved), as_version=4), entry["title"])
    page = page.replace('href="../report.html"', 'href="index.html"')
    return page.replace('href="../../README.md"', 'href="../index.html"')


def first_page(slides: list[str]) -> str:
    """The list of lessons, without navigation.

    Args:
        slides: names of the files with slides.
    """
    rows = []
    for entry in lessons():
        slug, links = entry["slug"], []
        if path(entry, solved=True).is_file():
            links.append(f'<a href="solutions/{slug}.html">with solutions</a>')
        if f"{slug}.html" in slides:
            links.append(f'<a href="slides/{slug}.html">as slides</a>')
        facts = " · ".join([f"{entry['minutes']} min on two CPU cores", *links])
        rows.append(
            f'<section><h2><a href="{slug}.html">{int(slug[:2])}. {escape(entry["title"])}</a></h2>'
            f'<p class="facts">{facts}</p>{markdown2html(entry["question"])}</section>'
        )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        "<title>Speech recognition with Hugging Face Transformers</title>"
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head><body>'
        "<h1>Speech recognition with Hugging Face Transformers</h1>"
        '<p class="facts">A course in notebooks, as executed. To run and change the cells, get '
        f'<a href="https://github.com/{repository()}">the repository</a>.</p>'
        f"{''.join(rows)}</body></html>"
    )


def build(target: Path) -> list[Path]:
    """Write the site.

    Args:
        target: folder; made anew.

    Returns:
        Its pages.
    """
    shutil.rmtree(target, ignore_errors=True)
    (target / "solutions").mkdir(parents=True)
    for name in ("site.css", "site.js"):
        shutil.copyfile(WEB / name, target / name)
    slides = sorted((BUILD / "slides").glob("*.html"))
    if slides:
        (target / "slides").mkdir()
    for deck in slides:
        shutil.copyfile(deck, target / "slides" / deck.name)
    texts, pages = [], {"index.html": framed(first_page([deck.name for deck in slides]), "", "")}
    for entry in lessons():
        page, title = lesson(entry), f"{int(entry['slug'][:2])}. {entry['title']}"
        pages[f"{entry['slug']}.html"] = framed(page, entry["slug"], "")
        place = {"page": f"{entry['slug']}.html", "lesson": title}
        texts += [place | each for each in Sections(page).found]
        if path(entry, solved=True).is_file():
            pages[f"solutions/{entry['slug']}.html"] = framed(
                lesson(entry, solved=True), entry["slug"], "../"
            )
    for name, page in pages.items():
        (target / name).write_text(page, encoding="utf-8")
    found = json.dumps(texts, ensure_ascii=False)
    (target / "search.js").write_text(f"window.SECTIONS = {found};\n", encoding="utf-8")
    return [target / name for name in pages]


def main() -> int:
    pages = build(BUILD / "site")
    print(f"{len(pages)} pages: open build/site/index.html")
    return 0


if __name__ == "__main__":
    sys.exit(main())
