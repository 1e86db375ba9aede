"""`make run`: execute every lesson (or those named), write them as HTML and one report."""

from __future__ import annotations

import copy
import html
import os
import platform
import re
import sys
import time
from importlib import metadata

import nbformat
from jinja2 import DictLoader
from nbclient.exceptions import CellExecutionError
from nbconvert import HTMLExporter

from tools.notebooks import NOTEBOOKS, ROOT, execute, lessons

BUILD = ROOT / "build"

STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --accent: #0072b2; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { margin-bottom: .2rem } .facts { opacity: .75; margin-top: 0 }
.scroll { overflow-x: auto }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; vertical-align: top; padding: .6rem .7rem; border-bottom: 1px solid var(--line) }
th { background: var(--soft) } td.time { white-space: nowrap; font-variant-numeric: tabular-nums }
ul { margin: 0; padding: 0; list-style: none } li { break-inside: avoid }
pre { margin: 0; white-space: pre-wrap }
a { color: var(--accent) } .failed { color: #d55e00; font-weight: 600 }
@media (prefers-color-scheme: dark) { :root { --accent: #56b4e9 } }
"""

# nbconvert's own page leaves out the alt text of figures, and asks servers for scripts that no lesson needs:
# for widgets, for diagrams, and for formulas, which lessons write without TeX (tests/test_structure.py).
PAGE = """
{%- extends 'lab/index.html.j2' -%}
{% block html_head_js %}{% endblock %}
{% block html_head_js_mathjax %}{% endblock %}
{% block html_head_js_mermaidjs %}{% endblock %}
{% block data_png %}
<div class="jp-RenderedImage jp-OutputArea-output {{ extra_class }}">
<img src="data:image/png;base64,{{ output.data['image/png'] | escape_html }}"
alt="{{ (output | get_metadata('alt', 'image/png') or '') | escape_html }}">
</div>
{% endblock %}
"""


def as_page(notebook: nbformat.NotebookNode, title: str) -> str:
    """One lesson as an HTML page that needs no file beside it and no network."""
    notebook = copy.deepcopy(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            # nbconvert embeds only what lies below its folder, and a page must not fetch the badge's picture.
            cell.source = cell.source.replace("](../images/", "](images/")
            cell.source = re.sub(r"\[!\[(.*?)\]\(https:.*?\)\]", r"[\1]", cell.source)
    exporter = HTMLExporter(
        embed_images=True, extra_loaders=[DictLoader({"lesson.j2": PAGE})], template_file="lesson.j2"
    )
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
    """One line of the report's table, in HTML."""
    slug = entry["slug"]
    items = "".join(f"<li>{shown}</li>" for shown in results(notebook))
    state = f'<div class="failed">stopped: {html.escape(error)}</div>' if error else ""
    return (
        f"<tr><td>{int(slug[:2])}</td>"
        f'<td><a href="html/{slug}.html">{html.escape(entry["title"])}</a>{state}</td>'
        f'<td class="time">{int(seconds // 60)}:{seconds % 60:04.1f}</td>'
        f"<td>{html.escape(banner(notebook))}</td><td><ul>{items}</ul></td></tr>"
    )


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
        '<div class="scroll"><table><tr><th></th><th>Lesson</th><th>Time (min)</th><th>Ran on</th>'
        f"<th>Results</th></tr>{''.join(rows)}</table></div></html>"
    )


def main(numbers: list[str]) -> int:
    for name in ("html", "notebooks"):
        (BUILD / name).mkdir(parents=True, exist_ok=True)
    rows, failed, begin = [], False, time.perf_counter()
    for entry in lessons():
        slug = entry["slug"]
        if numbers and slug[:2] not in numbers:
            continue
        print(f"{slug} (about {entry['minutes']} min) ...", end=" ", flush=True)
        notebook = nbformat.read(NOTEBOOKS / f"{slug}.ipynb", as_version=4)
        error, started = None, time.perf_counter()
        try:
            execute(notebook)
        except CellExecutionError as problem:
            error, failed = f"{problem.ename}: {problem.evalue}", True
        seconds = time.perf_counter() - started
        print(f"{seconds:.0f} s" if error is None else f"stopped after {seconds:.0f} s: {error}")
        nbformat.write(notebook, BUILD / "notebooks" / f"{slug}.ipynb")
        (BUILD / "html" / f"{slug}.html").write_text(as_page(notebook, entry["title"]), encoding="utf-8")
        rows.append(row(entry, notebook, seconds, error))
    (BUILD / "report.html").write_text(report(rows, time.perf_counter() - begin), encoding="utf-8")
    print("The report: build/report.html")
    return 1 if failed else 0


def _link_pages(page: str) -> str:
    """Links between lessons lead to the pages here, and the one to the README to the report."""
    page = re.sub(r'href="(\d\d_\w+)\.ipynb"', r'href="\1.html"', page)
    return page.replace('href="../README.md"', 'href="../report.html"')


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
