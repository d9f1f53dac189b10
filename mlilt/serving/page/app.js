// The search page: types, drops and chooses, and shows what the API finds.

const WAIT_MS = 120;
const TOP = 30;
const at = (id) => document.getElementById(id);
const query = at("query");
const results = at("results");

let texts = {};
let language = "en";
let indexes = [];
let asked = null; // {text}, {file} or {like: {index, image_id}}
let running = null;
let timer = 0;
let opened = null; // the button whose picture the dialog shows
let from = null; // the one that it was opened by, which the browser gives back its focus

// Languages of the page.

async function speak(code) {
  const answer = await fetch(`api/interface/${code}`);
  texts = await answer.json();
  language = code;
  document.documentElement.lang = code;
  document.documentElement.dir = texts.direction;
  document.title = texts.title;
  for (const element of document.querySelectorAll("[data-text]")) {
    if (element.id !== "status" || !asked) element.textContent = texts[element.dataset.text];
  }
  query.placeholder = texts.placeholder;
  const nothing = at("right").querySelector("option[value='']");
  if (nothing) nothing.textContent = texts.nothing;
}

function say(key, values = {}) {
  return texts[key].replace(/\{(\w+)\}/g, (_, name) => {
    const value = values[name];
    return typeof value === "number" ? new Intl.NumberFormat(language).format(value) : value;
  });
}

function tell(text, error = false) {
  at("status").textContent = text;
  at("status").classList.toggle("error", error);
}

// Searching.

function chosen() {
  const right = at("right").value;
  return right && right !== at("left").value ? [at("left").value, right] : [at("left").value];
}

async function answer(index, signal) {
  const where = new URLSearchParams({ index, top: TOP });
  let response;
  if (asked.text !== undefined) {
    where.set("q", asked.text);
    response = await fetch(`api/search?${where}`, { signal });
  } else if (asked.file) {
    response = await fetch(`api/search/picture?${where}`, {
      method: "POST", body: asked.file, headers: { "Content-Type": "application/octet-stream" }, signal,
    });
  } else {
    where.set("image_id", asked.like.image_id);
    where.set("of", asked.like.index);
    response = await fetch(`api/similar?${where}`, { signal });
  }
  if (response.ok) return response.json();
  const known = { 413: "too_large", 415: "unreadable", 410: "missing" }[response.status];
  const { detail } = await response.json().catch(() => ({}));
  const why = typeof detail === "string" ? detail : response.statusText || String(response.status);
  throw Object.assign(new Error(why), { said: known ? texts[known] : say("failed", { why }) });
}

async function search() {
  running?.abort();
  results.ariaBusy = String(Boolean(asked));
  if (!asked) {
    running = null;
    results.replaceChildren();
    at("asked").hidden = true;
    tell(texts.start);
    return;
  }
  const mine = new AbortController();
  running = mine;
  const shown = chosen();
  const began = performance.now();
  try {
    const found = await Promise.all(shown.map((index) => answer(index, mine.signal)));
    if (running !== mine) return;
    const ms = Math.max(1, Math.round(performance.now() - began));
    const total = indexes.find((each) => each.name === shown[0]).pictures;
    tell(say("found", { count: found[0].hits.length, total, ms }));
    show(shown, found);
    results.ariaBusy = "false";
  } catch (error) {
    if (error.name === "AbortError" || running !== mine) return;
    results.replaceChildren();
    results.ariaBusy = "false";
    tell(error.said ?? texts.unreachable, true);
  }
}

function ask(what) {
  asked = what;
  // Whoever is quicker than the page is answered once it knows its languages and indexes.
  if (!indexes.length) return undefined;
  clearTimeout(timer);
  const picture = at("asked-picture");
  if (picture.src.startsWith("blob:")) URL.revokeObjectURL(picture.src);
  at("asked").hidden = !what || what.text !== undefined;
  if (what?.file) picture.src = URL.createObjectURL(what.file);
  if (what?.like) picture.src = source(what.like.index, what.like.image_id, 256);
  const state = what?.text === undefined ? "" : `#q=${encodeURIComponent(what.text)}`;
  history.replaceState(null, "", state || location.pathname);
  return search();
}

// Results.

const source = (index, id, side) => `api/pictures/${encodeURIComponent(index)}/${id}?side=${side}`;
const named = (hit) => hit.caption || hit.names[0].split("/").at(-1);

function make(kind, properties = {}, ...children) {
  const element = Object.assign(document.createElement(kind), properties);
  element.append(...children);
  return element;
}

// What is seen is short; what is read aloud, and shown by a pointer, says what it is.
function told(seen, said) {
  return make("span", { title: said },
    make("span", { textContent: seen, ariaHidden: "true" }), make("span", { className: "hidden", textContent: `, ${said}` }));
}

function show(names, found) {
  results.classList.toggle("two", names.length > 1);
  results.replaceChildren(...names.map((index, place) => {
    const other = found[1 - place];
    const ranks = new Map((names.length > 1 ? other.hits : []).map((hit) => [hit.image_id, hit.rank]));
    const list = make("ol", { className: "hits" }, ...found[place].hits.map((hit) => {
      const rank = ranks.get(hit.image_id);
      const score = new Intl.NumberFormat(language, { minimumFractionDigits: 3, maximumFractionDigits: 3 });
      const button = make("button", { type: "button", className: "hit" },
        make("img", { src: source(index, hit.image_id, 256), alt: "", loading: "lazy", width: 256, height: 256 }),
        make("span", { className: "caption", textContent: named(hit), dir: "auto" }),
        make("span", { className: "figures" },
          told(score.format(hit.score), `${texts.score} ${score.format(hit.score)}`),
          rank ? told(`⇄ ${rank}`, say("rank_there", { rank })) : ""));
      button.hit = { ...hit, index };
      return make("li", {}, button);
    }));
    const heading = indexes.length > 1 ? [make("h2", { textContent: index })] : [];
    return make("section", {}, ...heading, list);
  }));
}

function open(button) {
  opened = button;
  const { hit } = button;
  const picture = at("dialog-picture");
  picture.src = source(hit.index, hit.image_id, 1024);
  picture.alt = hit.caption;
  at("dialog-caption").textContent = named(hit);
  const facts = [["score", hit.score.toFixed(3)], ["file", hit.names.join(", ")], ["credit", hit.credit]];
  at("dialog-facts").replaceChildren(...facts.filter(([, value]) => value).flatMap(([key, value]) => [
    make("dt", { textContent: texts[key] }), make("dd", { textContent: value, dir: "auto" }),
  ]));
  at("previous").ariaDisabled = String(!beside(button, -1));
  at("next").ariaDisabled = String(!beside(button, 1));
  if (at("dialog").open) return;
  from = button;
  at("dialog").showModal();
}

function beside(button, step) {
  const all = [...button.closest("ol").querySelectorAll(".hit")];
  return all[all.indexOf(button) + step];
}

function move(button, key) {
  const forward = document.documentElement.dir === "rtl" ? "ArrowLeft" : "ArrowRight";
  const backward = forward === "ArrowLeft" ? "ArrowRight" : "ArrowLeft";
  if (key === forward) return beside(button, 1);
  if (key === backward) return beside(button, -1);
  // The nearest in the next line, wherever lines end.
  const mine = button.getBoundingClientRect();
  const step = key === "ArrowDown" ? 1 : -1;
  let next = beside(button, step);
  while (next) {
    const its = next.getBoundingClientRect();
    if (its.top !== mine.top && Math.abs(its.left - mine.left) < 2) return next;
    next = beside(next, step);
  }
  return undefined;
}

// Events.

query.addEventListener("input", (event) => {
  if (event.isComposing) return;
  clearTimeout(timer);
  timer = setTimeout(() => ask(query.value.trim() ? { text: query.value.trim() } : null), WAIT_MS);
});
query.addEventListener("compositionend", () => query.dispatchEvent(new Event("input")));
at("form").addEventListener("submit", (event) => {
  event.preventDefault();
  ask(query.value.trim() ? { text: query.value.trim() } : null);
});
at("picture").addEventListener("change", ({ target }) => {
  if (target.files.length) given(target.files[0]);
  target.value = "";
});
at("choose").addEventListener("click", () => at("picture").click());
for (const id of ["left", "right"]) at(id).addEventListener("change", search);
at("language").addEventListener("change", async ({ target }) => {
  await speak(target.value);
  try { localStorage.setItem("language", target.value); } catch { /* not kept, then */ }
  search();
});

function given(file) {
  query.value = "";
  ask({ file });
}

let inside = 0;
const holdsFile = (event) => [...event.dataTransfer.types].includes("Files");
addEventListener("dragenter", (event) => { if (holdsFile(event)) { inside += 1; at("drop").hidden = false; } });
addEventListener("dragleave", (event) => { if (holdsFile(event) && --inside <= 0) { inside = 0; at("drop").hidden = true; } });
addEventListener("dragover", (event) => { if (holdsFile(event)) event.preventDefault(); });
addEventListener("drop", (event) => {
  inside = 0;
  at("drop").hidden = true;
  if (!event.dataTransfer.files.length) return;
  event.preventDefault();
  given(event.dataTransfer.files[0]);
});
addEventListener("paste", (event) => {
  const [file] = event.clipboardData.files;
  if (file) { event.preventDefault(); given(file); }
});

results.addEventListener("click", (event) => {
  const button = event.target.closest(".hit");
  if (button) open(button);
});
addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  const arrow = event.key.startsWith("Arrow");
  if (at("dialog").open) {
    const rtl = document.documentElement.dir === "rtl";
    const step = { ArrowRight: rtl ? -1 : 1, ArrowLeft: rtl ? 1 : -1 }[event.key];
    const next = step && beside(opened, step);
    if (next) open(next);
    return;
  }
  const button = document.activeElement?.closest?.(".hit");
  if (event.key === "/" && document.activeElement !== query) {
    event.preventDefault();
    query.focus();
    query.select();
  } else if (event.key === "ArrowDown" && document.activeElement === query) {
    event.preventDefault();
    results.querySelector(".hit")?.focus();
  } else if (button && arrow) {
    event.preventDefault();
    (move(button, event.key) ?? (event.key === "ArrowUp" ? query : button)).focus();
  } else if (button && event.key === "Escape") {
    query.focus();
  }
});
at("close").addEventListener("click", () => at("dialog").close());
at("dialog").addEventListener("close", () => {
  // It is told a little later: by then quick hands may have gone on.
  if (![from, document.body].includes(document.activeElement)) return;
  (opened?.isConnected ? opened : query).focus();
});
at("dialog").addEventListener("click", (event) => { if (event.target === at("dialog")) at("dialog").close(); });
for (const [id, step] of [["previous", -1], ["next", 1]]) {
  at(id).addEventListener("click", () => { const next = beside(opened, step); if (next) open(next); });
}
at("similar").addEventListener("click", () => {
  const { hit } = opened;
  opened = null; // its button goes away with the results
  at("dialog").close();
  query.value = "";
  ask({ like: { index: hit.index, image_id: hit.image_id } });
});
addEventListener("hashchange", begin);

function begin() {
  const text = new URLSearchParams(location.hash.slice(1)).get("q");
  if (text && text !== asked?.text) {
    query.value = text;
    ask({ text });
  }
}

// What there is.

const [spoken, there] = await Promise.all(
  ["api/interface", "api/indexes"].map((path) => fetch(path).then((response) => response.json())),
).catch((error) => {
  tell("The server cannot be reached.", true);
  throw error;
});
at("language").append(...spoken.map(({ code, name }) => new Option(name, code)));
const codes = spoken.map(({ code }) => code);
let kept = null;
try { kept = localStorage.getItem("language"); } catch { /* none, then */ }
const wanted = [kept, ...navigator.languages.map((tag) => tag.split("-")[0]), "en"];
indexes = there;
at("left").append(...indexes.map(({ name }) => new Option(name, name)));
at("right").append(new Option("", ""), ...indexes.map(({ name }) => new Option(name, name)));
if (indexes.length > 1) {
  at("indexes").hidden = false;
  at("right").value = indexes[1].name;
}
const first = wanted.find((code) => codes.includes(code));
at("language").value = first;
await speak(first);
if (asked) ask(asked);
else if (query.value.trim()) ask({ text: query.value.trim() });
else begin();
document.body.dataset.ready = "true";
