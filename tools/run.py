"""`make run`: execute every lesson (or those named), write them as HTML and one report."""

from __future__ import annotations

import html
import os
import platform
import re
import sys
import time
from importlib import metadata
from pathlib import Path

import nbformat
from jinja2 import DictLoader
from jupyter_core.paths import jupyter_path
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbconvert import HTMLExporter

from tools.notebooks import NOTEBOOKS, ROOT, choose, execute

BUILD = ROOT / "build"

STYLE = """
:root { color-scheme: light dark; --line: #8884; --accent: #0072b2; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { margin-bottom: .2rem } h2 { margin: 2rem 0 .2rem; font-size: 1.2rem }
.facts { opacity: .75; margin: 0 0 .5rem } .failed { color: #d55e00; font-weight: 600 }
.scroll { overflow-x: auto } pre { margin: .3rem 0 }
table { border-collapse: collapse; margin: .4rem 0; font-variant-numeric: tabular-nums }
th, td { text-align: left; padding: .25rem .7rem; border-bottom: 1px solid var(--line) }
a { color: var(--accent) }
@media (prefers-color-scheme: dark) { :root { --accent: #56b4e9 } }
"""

# nbconvert's own page leaves out the alt text of figures, and asks servers for scripts that no lesson needs:
# for widgets, for diagrams, and for formulas, which lessons write without TeX (tests/test_structure.py).
PICTURE = """
{% block data_png %}
<div class="jp-RenderedImage jp-OutputArea-output {{ extra_class }}">
<img src="data:image/png;base64,{{ output.data['image/png'] | escape_html }}"
alt="{{ (output | get_metadata('alt', 'image/png') or '') | escape_html }}">
</div>
{% endblock %}
{% block data_svg %}
<div class="jp-RenderedSVG jp-OutputArea-output {{ extra_class }}">
<img src="data:image/svg+xml;base64,{{ output.data['image/svg+xml'] | text_base64 | escape_html }}"
alt="{{ output.data.get('text/plain', '') | escape_html }}">
</div>
{% endblock %}
"""

PAGE = """
{%- extends 'lab/index.html.j2' -%}
{% block html_head_js %}{% endblock %}
{% block html_head_js_mathjax %}{% endblock %}
{% block html_head_js_mermaidjs %}{% endblock %}
{% block extra_css %}
<style>
@media (prefers-color-scheme: dark) { THEME_DARK }
@media print {
  pre, code { white-space: pre-wrap !important }
  .asr-captions ol { max-height: none !important }
}
body { max-width: 75rem; margin: auto }
</style>
{% endblock %}
"""


def _page() -> str:
    """The template with nbconvert's dark theme in it, which it offers only in place of the light one."""
    places = (Path(folder) / "nbconvert/templates/lab/static/theme-dark.css" for folder in jupyter_path())
    found = next(place for place in places if place.is_file())
    # Named more closely than the light theme, which comes later in the page.
    dark = found.read_text(encoding="utf-8").replace(":root", "html:root")
    return (PAGE + PICTURE).replace("THEME_DARK", f"{{% raw %}}{dark}{{% endraw %}}")


def as_page(notebook: nbformat.NotebookNode, title: str) -> str:
    """One lesson as an HTML page that needs no file beside it and no network."""
    exporter = HTMLExporter(extra_loaders=[DictLoader({"lesson.j2": _page()})], template_file="lesson.j2")
    resources = {"metadata": {"path": str(ROOT), "name": title}}
    page, _ = exporter.from_notebook_node(notebook, resources=resources)
    return _link_pages(page)


def results(notebook: nbformat.NotebookNode) -> list[str]:
    """What the cells tagged "report" show, as HTML: tables as they are, other text as it was printed."""
    found = []
    for cell in notebook.cells:
        if "report" in cell.metadata.get("tags", []):
            for output in cell.get("outputs", []):
                data = output.get("data", {"text/plain": output.get("text", "")})
                table = data.get("text/html", "")
                plain = f"<pre>{html.escape(data.get('text/plain', ''))}</pre>"
                found.append(table if "<table" in table else plain)
    return found


def banner(notebook: nbformat.NotebookNode) -> str:
    """The line that `course.start` printed: source and device."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if found := re.search(r"^Lesson \d+ · (.*)$", output.get("text", ""), re.MULTILINE):
                return found[1]
    return ""


def row(entry: dict, notebook: nbformat.NotebookNode, seconds: float, error: str | None) -> str:
    """One lesson's part of the report, in HTML: title, time, where it ran, results."""
    slug = entry["slug"]
    state = f'<p class="failed">stopped: {html.escape(error)}</p>' if error else ""
    title = f'<a href="html/{slug}.html">{int(slug[:2])}. {html.escape(entry["title"])}</a>'
    time_taken = f"{int(seconds // 60)} min {seconds % 60:02.0f} s"
    facts = f'<p class="facts">{time_taken} · {html.escape(banner(notebook))}</p>'
    shown = "".join(f'<div class="scroll">{each}</div>' for each in results(notebook))
    return f"<section><h2>{title}</h2>{facts}{state}{shown}</section>"


def report(rows: list[str], seconds: float) -> str:
    """The whole page, with no file beside it."""
    versions = " · ".join(
        f"{name} {metadata.version(name)}" for name in ("torch", "transformers", "datasets")
    )
    facts = f"{time.strftime('%Y-%m-%d %H:%M')} · {platform.machine()}, {os.cpu_count()} cores · {versions}"
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>The lessons, executed</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style>'
        f'<h1>The lessons, executed</h1><p class="facts">{facts} · {seconds / 60:.1f} min in all</p>'
        f"{''.join(rows)}</html>"
    )


def main(numbers: list[str]) -> int:
    chosen = choose(numbers)
    for name in ("html", "notebooks"):
        (BUILD / name).mkdir(parents=True, exist_ok=True)
    rows, failed, begin = [], False, time.perf_counter()
    for place, entry in enumerate(chosen, start=1):
        slug = entry["slug"]
        print(f"[{place}/{len(chosen)}] {slug} (about {entry['minutes']} min) ...", end=" ", flush=True)
        notebook = nbformat.read(NOTEBOOKS / f"{slug}.ipynb", as_version=4)
        error, started = None, time.perf_counter()
        try:
            execute(notebook)
        except CellExecutionError as problem:
            error = f"{problem.ename}: {problem.evalue}"
        except (DeadKernelError, CellTimeoutError) as problem:
            error = f"{type(problem).__name__}: {str(problem).splitlines()[0]}"
        failed |= error is not None
        seconds = time.perf_counter() - started
        print(f"{seconds:.0f} s" if error is None else f"stopped after {seconds:.0f} s: {error}")
        nbformat.write(notebook, BUILD / "notebooks" / f"{slug}.ipynb")
        (BUILD / "html" / f"{slug}.html").write_text(as_page(notebook, entry["title"]), encoding="utf-8")
        rows.append(row(entry, notebook, seconds, error))
        # Written after every lesson: what was done so far is there even if the machine stops.
        (BUILD / "report.html").write_text(report(rows, time.perf_counter() - begin), encoding="utf-8")
    print("The report: build/report.html")
    return 1 if failed else 0


def _link_pages(page: str) -> str:
    """Links between lessons lead to the pages here, and the one to the README to the report."""
    page = re.sub(r'href="((?:\.\./)?\d\d_\w+)\.ipynb"', r'href="\1.html"', page)
    return page.replace('href="../README.md"', 'href="../report.html"')


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
