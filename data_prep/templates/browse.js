"use strict";
const browse = (() => {
  let about, kept, dropped;

  // What is typed finds a caption whatever its case, accents and vowel signs. The vowel signs of Indic scripts stay:
  // without them other words are meant. Hooked and barred letters are no accents to Unicode, and on few keyboards.
  const MARKS = /[\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed\u1ab0-\u1aff\u1dc0-\u1dff\u200b-\u200f\u202a-\u202e\u2060\u2066-\u2069]/g;
  const ALIKE = { "Đ": "D", "Ɖ": "D", "Ø": "O", "Ł": "L", "Ħ": "H", "Ɓ": "B", "Ɗ": "D", "Ƙ": "K", "Ƴ": "Y", "’": "'", "‘": "'", "ʼ": "'", "ʻ": "'" };
  const LETTERS = new RegExp(`[${Object.keys(ALIKE).join("")}]`, "g");
  const fold = text => text.normalize("NFKD").toUpperCase().normalize("NFKD").replace(MARKS, "").replace(LETTERS, c => ALIKE[c]);
  const number = n => n.toLocaleString("en");

  // Texts come from anywhere: they only ever become text nodes and attributes.
  function element(name, attributes, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children.filter(child => child !== null));
    return made;
  }

  const texts = (name, of, attributes) =>
    of.length ? element("ul", { class: name, ...attributes }, ...of.map(text => element("li", {}, text))) : null;

  function facts(...of) {
    const parts = of.filter(([, text]) => text).map(([name, text]) => element("bdi", { class: name, title: name }, text));
    // A space between them lets the line break.
    return element("p", { class: "facts" }, ...parts.flatMap(part => [part, " "]));
  }

  function picture(sheets, place, shape, label) {
    if (typeof shape === "string") return element("div", { class: "picture none" }, shape);
    const { rows, columns } = about.sheet, sheet = Math.floor(place / rows), cell = place % rows;
    const pitch = about.sheet[sheets][sheet], [width, height] = shape;
    const room = matchMedia("(max-width: 30rem)").matches ? 86 : 110;
    // Small drawings grow a little, but not until they blur.
    const scale = Math.min(room / Math.max(width, height), 1.5);
    const inner = element("span", { role: "img", "aria-label": label });
    const file = `browse/${sheets}-${String(sheet).padStart(5, "0")}.jpg`;
    inner.style.cssText = `width:${width * scale}px;height:${height * scale}px;background-image:url("${file}");` +
      `background-size:${columns * pitch * scale}px auto;` +
      `background-position:${-(cell % columns) * pitch * scale}px ${-Math.floor(cell / columns) * pitch * scale}px`;
    return element("div", { class: "picture" }, inner);
  }

  /** A list of cards with search, filters and pages. A facet's `of` gives an item's values, `counts` how many have each. */
  function list(panel, total, facets, words, card) {
    const [form, status, cards, pager] = ["form", ".status", ".cards", ".pager"].map(name => panel.querySelector(name));
    const [previous, page, pages, next] = [".previous", "input", ".pages", ".next"].map(name => pager.querySelector(name));
    const items = [], folded = [], asked = new URLSearchParams(location.hash.slice(1));
    const unit = panel.id === "kept" ? "pictures" : "items";
    let found = [], at = 0, shown = "";

    for (const { name, label, counts } of facets) {
      if (counts.size < 2) continue;
      const select = element("select", { name }, element("option", { value: "" }, "all"));
      for (const [value, count] of [...counts].sort(([a], [b]) => (a < b ? -1 : 1))) {
        select.append(element("option", { value: `=${value}` }, `${value || "none"} (${number(count)})`));
      }
      form.append(element("label", {}, label, select));
    }
    const clear = element("button", { type: "reset" }, "Clear");
    form.append(clear);

    function restore() {
      if ((asked.get("tab") || "kept") !== panel.id) return;
      for (const field of form.elements) if (field.name && asked.has(field.name)) field.value = asked.get(field.name);
      at = Math.max(0, (parseInt(asked.get("page"), 10) || 1) - 1);
    }

    function remember() {
      const state = new URLSearchParams(panel.id === "kept" ? {} : { tab: panel.id });
      for (const [key, value] of new FormData(form)) if (value) state.set(key, value);
      if (at) state.set("page", at + 1);
      history.replaceState(null, "", `#${state}`);
    }

    function filter(from = 0) {
      const wanted = fold(form.elements.q.value).split(/\s+/).filter(Boolean);
      const chosen = facets.map(f => [f, form.elements[f.name]?.value]).filter(([, value]) => value);
      if (!from) found = [];
      for (let n = from; n < items.length; n++) {
        if (wanted.every(word => folded[n].includes(word)) &&
            chosen.every(([f, value]) => f.of(items[n]).some(own => `=${own}` === value))) found.push(n);
      }
    }

    function show(redraw = false) {
      const count = Math.max(1, Math.ceil(found.length / about.sheet.rows));
      // While rows are still being read, the page asked for may not be there yet.
      const now = Math.min(at, count - 1), start = now * about.sheet.rows, end = Math.min(start + about.sheet.rows, found.length);
      if (items.length === total) at = now;
      const slice = found.slice(start, end);
      if (redraw || slice.join() !== shown) cards.replaceChildren(...slice.map(n => card(items[n], n)));
      shown = slice.join();
      const what = found.length === total ? `${number(total)} ${unit}` : `${number(found.length)} of ${number(total)} ${unit} match`;
      status.textContent = (found.length > end - start ? `${what}; ${number(start + 1)} to ${number(end)} shown.` : `${what}.`) +
        (items.length < total ? ` Reading: ${number(items.length)} of ${number(total)} so far.` : "");
      pager.hidden = count < 2;
      page.value = now + 1;
      page.max = count;
      pages.textContent = number(count);
      previous.disabled = now === 0;
      next.disabled = now === count - 1;
    }

    function turn(to) {
      at = Math.max(0, to);
      show();
      remember();
      cards.scrollIntoView({ block: "start" });
    }

    function anew() {
      at = 0;
      filter();
      show();
      remember();
    }

    form.addEventListener("input", anew);
    form.addEventListener("reset", () => setTimeout(anew));
    form.addEventListener("submit", event => event.preventDefault());
    previous.addEventListener("click", () => turn(at - 1));
    next.addEventListener("click", () => turn(at + 1));
    page.addEventListener("change", () => turn(page.value - 1));
    matchMedia("(max-width: 30rem)").addEventListener("change", () => show(true));
    restore();
    return {
      add(more) {
        const from = items.length;
        items.push(...more);
        folded.push(...more.map(item => fold(words(item).join("\n"))));
        filter(from);
        show();
      },
      remember,
      choose(name, value) {
        form.reset();
        if (form.elements[name]) form.elements[name].value = `=${value}`;
      },
    };
  }

  function load(name) {
    const script = element("script", { src: `browse/${name}.js` });
    script.addEventListener("error", () => {
      const missing = document.querySelector(".missing");
      missing.textContent = `browse/${name}.js cannot be read: keep the folder "browse" beside this page.`;
      missing.hidden = false;
    });
    document.body.append(script);
  }

  const numbered = n => `rows-${String(n).padStart(5, "0")}`;
  const flagged = flags => (flags.length ? ["flagged", ...flags] : [""]);

  function tally(items, of) {
    const counts = new Map();
    for (const [item, count] of items) for (const value of of(item)) counts.set(value, (counts.get(value) || 0) + count);
    return counts;
  }

  // A row: captions, keywords, English, concept, variant, chrF, kind, shape of the picture.
  // A kind: split, source, category, licence, attribution, origin, flags, how many rows.
  function keptCard([captions, keywords, english, concept, variant, chrf, kind, shape], n) {
    const [split, source, category, licence, attribution, origin, flags] = about.kinds[kind];
    const own = { lang: about.language.code, dir: about.language.direction };
    return element("li", { class: "card" },
      picture("kept", n, shape, english[0] || concept),
      element("div", {},
        element("p", { class: "caption", ...own }, captions[0] ?? ""),
        texts("others", captions.slice(1), own),
        texts("keywords", keywords, own),
        ...english.map(text => element("p", { class: "english", lang: "en", dir: "ltr" }, text)),
        texts("flags", [...flags, ...(origin ? [`translated by ${origin}${chrf === null ? "" : `, chrF ${chrf.toFixed(1)}`}`] : [])], {}),
        facts(["split", split], ["source", source], ["category", category], ["variant", variant]),
        facts(["concept", concept]),
        facts(["licence", licence], ["attribution", attribution])));
  }

  function droppedCard([source, item, reason, text, shape], n) {
    return element("li", { class: "card" },
      picture("dropped", n, shape, item),
      element("div", {},
        texts("flags", [reason], {}),
        // It may be in another language: that can be why it was left out.
        text ? element("p", { class: "caption", lang: about.language.code, dir: "auto" }, text) : null,
        facts(["source", source], ["item", item])));
  }

  const tabs = [...document.querySelectorAll("[role=tab]")];

  function open(tab) {
    for (const other of tabs) {
      other.setAttribute("aria-selected", other === tab);
      other.tabIndex = other === tab ? 0 : -1;
      document.getElementById(other.getAttribute("aria-controls")).hidden = other !== tab;
    }
    const left = tab.id === "tab-dropped";
    if (left && !dropped && document.querySelector("#dropped form")) load("dropped");
    else (left ? dropped : kept)?.remember();
  }

  for (const [n, tab] of tabs.entries()) {
    tab.addEventListener("click", () => open(tab));
    tab.addEventListener("keydown", event => {
      const to = { ArrowRight: n + 1, ArrowLeft: n - 1, Home: 0, End: -1 }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      const other = tabs.at(to % tabs.length);
      open(other);
      other.focus();
    });
  }

  return {
    load,
    about(given) {
      about = given;
      const kinds = about.kinds.map(kind => [kind, kind[7]]);
      const facet = (name, label, of) => ({ name, label, of: row => of(about.kinds[row[6]]), counts: tally(kinds, of) });
      kept = list(document.getElementById("kept"), about.rows, [
        facet("split", "Split", kind => [kind[0]]),
        facet("source", "Source", kind => [kind[1]]),
        facet("category", "Category", kind => [kind[2]]),
        facet("origin", "Captions by", kind => [kind[5] || "people"]),
        facet("flag", "Flags", kind => flagged(kind[6])),
      ], ([captions, keywords, english, concept]) => [...captions, ...keywords, ...english, concept], keptCard);
      kept.add([]);
      if (about.scripts) load(numbered(0));
      const tab = new URLSearchParams(location.hash.slice(1)).get("tab");
      if (tab === "dropped") open(tabs[1]);
    },
    rows: (() => {
      let read = 0;
      return more => {
        kept.add(more);
        if (++read < about.scripts) load(numbered(read));
      };
    })(),
    dropped(drops) {
      const each = drops.map(drop => [drop, 1]);
      const facet = (name, label, at) => ({ name, label, of: drop => [drop[at]], counts: tally(each, drop => [drop[at]]) });
      dropped = list(document.getElementById("dropped"), drops.length, [facet("reason", "Reason", 2), facet("source", "Source", 0)],
        ([, item, , text]) => [item, text], droppedCard);
      dropped.add(drops);
      dropped.remember();
      const reasons = new Set(drops.map(([, , reason]) => reason));
      for (const button of document.querySelectorAll(".reason")) {
        button.disabled = !reasons.has(button.dataset.reason);
        button.addEventListener("click", () => {
          dropped.choose("reason", button.dataset.reason);
          document.querySelector("#dropped form").scrollIntoView({ block: "start" });
        });
      }
    },
  };
})();
