// Search over the sections of all lessons. The texts come with search.js: no server is asked.
(() => {
  const field = document.querySelector(".site-nav input");
  const list = document.querySelector(".site-found");
  const root = document.currentScript.dataset.root;
  const plain = text => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
  let sections = null;

  function find(words) {
    // Read at the first search: the texts are not needed to read a page.
    sections ??= window.SECTIONS.map(each => ({...each, title: plain(each.heading), all: plain(each.heading + " " + each.text)}));
    return sections
      .filter(each => words.every(word => each.all.includes(word)))
      .map(each => ({...each, rank: words.filter(word => each.title.includes(word)).length}))
      .sort((one, other) => other.rank - one.rank)
      .slice(0, 20);
  }

  function excerpt(text, words) {
    const place = Math.max(0, plain(text).indexOf(words[0]) - 50);
    const line = document.createElement("p");
    const part = text.slice(place, place + 160);
    const at = plain(part).indexOf(words[0]);
    if (at < 0) line.textContent = part;
    else {
      const mark = document.createElement("mark");
      mark.textContent = part.slice(at, at + words[0].length);
      line.append((place ? "… " : "") + part.slice(0, at), mark, part.slice(at + words[0].length) + " …");
    }
    return line;
  }

  function show() {
    const words = plain(field.value).split(/\s+/).filter(word => word.length > 1);
    list.replaceChildren();
    if (!words.length) return;
    const found = find(words);
    for (const each of found) {
      const item = document.createElement("li"), link = document.createElement("a");
      link.href = root + each.page + "#" + encodeURIComponent(each.id);
      link.textContent = each.lesson + " · " + each.heading;
      item.append(link, excerpt(each.text, words));
      list.append(item);
    }
    if (!found.length) list.append(Object.assign(document.createElement("li"), {textContent: "Nothing found"}));
  }

  field.addEventListener("input", show);
  document.addEventListener("keydown", event => {
    if (event.key === "/" && !/^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement.tagName)) {
      event.preventDefault();
      field.focus();
    }
  });
})();
