/* The search of a static site. Loads the shards of the words that are asked for, and nothing else. */
"use strict";

(function () {
  const BLOCK_LENGTH = 128;
  const SEGMENT_LENGTHS = [131072, 32768, 8192, 2048, 512, BLOCK_LENGTH];
  const ARTICLES_PER_SHARD = 128;
  const HITS_EACH = 20;
  const PAIRED = "\\u3040-\\u30ff\\u3400-\\u4dbf\\u4e00-\\u9fff\\uac00-\\ud7af\\uf900-\\ufaff\\u{20000}-\\u{3134f}";
  const RUNS = new RegExp(`[${PAIRED}]+|[^${PAIRED}\\s]+`, "gu");
  const IS_PAIRED = new RegExp(`^[${PAIRED}]`, "u");

  const form = document.getElementById("search");
  const found = document.getElementById("found");
  const list = document.getElementById("hits");
  const more = document.getElementById("more");
  const count = Number(form.dataset.count);
  const waiting = new Map();
  const loaded = new Map();
  let turn = 0;

  /* Every file of the index calls this with its content. */
  window.copydesk = function (key, value) {
    waiting.get(key)?.(value);
  };

  function load(key) {
    if (!loaded.has(key)) {
      loaded.set(key, new Promise((resolve, reject) => {
        const script = document.createElement("script");
        waiting.set(key, resolve);
        script.src = `search/${key}.js`;
        script.onload = () => script.remove();
        script.onerror = () => { loaded.delete(key); reject(new Error(key)); };
        document.head.append(script);
      }));
    }
    return loaded.get(key);
  }

  function segments() {
    const all = [];
    let start = 0;
    for (const length of SEGMENT_LENGTHS) {
      for (; count - start >= length; start += length) all.push({ start, length });
    }
    if (start < count) all.push({ start, length: BLOCK_LENGTH });
    return all;
  }

  /* Each word with whether it may be the beginning of a longer one. */
  function wordsIn(text) {
    const folded = text.normalize("NFKC").toLowerCase().replace(/[^\p{L}\p{N}]+/gu, " ");
    const words = new Map();
    for (const [run] of folded.matchAll(RUNS)) {
      const characters = Array.from(run);
      if (!IS_PAIRED.test(run)) words.set(run, true);
      else if (characters.length === 1) words.set(run, true);
      else for (let at = 0; at < characters.length - 1; at++) words.set(characters[at] + characters[at + 1], false);
    }
    return [...words];
  }

  function shardOf(word, shardCount) {
    let value = 0;
    for (const character of Array.from(word).slice(0, IS_PAIRED.test(word) ? 1 : 2)) {
      value = (Math.imul(value, 31) + character.codePointAt(0)) >>> 0;
    }
    return value % shardCount;
  }

  async function numbersOf([word, isBeginning], segment) {
    const shardCount = Math.ceil(segment.length / ARTICLES_PER_SHARD);
    const places = await load(`words/${segment.start}-${segment.length}/${shardOf(word, shardCount)}`);
    const keys = isBeginning ? Object.keys(places).filter((key) => key.startsWith(word)) : [word];
    const numbers = new Set();
    for (const key of keys) {
      let number = segment.start;
      for (const distance of Object.hasOwn(places, key) ? places[key] : []) numbers.add(number += distance);
    }
    return numbers;
  }

  /* The numbers of the articles that hold all words, the newest first. */
  async function search(words) {
    const parts = await Promise.all(segments().map(async (segment) => {
      const sets = await Promise.all(words.map((word) => numbersOf(word, segment)));
      return [...sets[0]].filter((number) => sets.every((set) => set.has(number)));
    }));
    return parts.flat().sort((one, other) => other - one);
  }

  async function lineOf(number) {
    const block = await load(`articles/${Math.floor(number / BLOCK_LENGTH)}`);
    return block[number % BLOCK_LENGTH];
  }

  function element(name, text, attributes = {}) {
    const made = document.createElement(name);
    made.textContent = text;
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  }

  function itemOf([title, path, day, source, language]) {
    const item = document.createElement("li");
    const heading = document.createElement("h2");
    const link = element("a", "", { href: path });
    link.append(element("bdi", title, language ? { lang: language } : {}));
    heading.append(link);
    item.append(heading, element("p", `${day} · ${source}`, { class: "meta" }));
    return item;
  }

  async function show(numbers, from) {
    const mine = turn;
    const lines = await Promise.all(numbers.slice(from, from + HITS_EACH).map(lineOf));
    if (mine !== turn) return;
    list.append(...lines.filter(Boolean).map(itemOf));
    more.hidden = numbers.length <= from + HITS_EACH;
    more.onclick = () => show(numbers, from + HITS_EACH).catch(fail);
  }

  function fail() {
    found.textContent = form.dataset.failed;
  }

  async function answer(query) {
    const mine = ++turn;
    const words = wordsIn(query);
    list.replaceChildren();
    more.hidden = true;
    found.textContent = words.length ? `${form.dataset.loading} …` : "";
    if (!words.length) return;
    const numbers = await search(words);
    if (mine !== turn) return;
    const { none, one, many } = form.dataset;
    found.textContent = numbers.length === 0 ? none
      : numbers.length === 1 ? one : many.replace("%s", numbers.length.toLocaleString());
    await show(numbers, 0);
  }

  function run() {
    answer(form.elements.q.value).catch(fail);
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const query = form.elements.q.value;
    try {
      history.replaceState(null, "", `?q=${encodeURIComponent(query)}`);
    } catch { /* a page that was opened as a file keeps its address */ }
    run();
  });
  form.elements.q.value = new URLSearchParams(location.search).get("q") ?? "";
  run();
})();
