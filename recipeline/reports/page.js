"use strict";
(() => {
  const SORTED_FROM = 5, FILTERED_FROM = 12;
  const root = document.documentElement, card = document.getElementById("card"), said = document.getElementById("said");
  // A page at home lies in the folder of its run, and its relative links lead to the cards beside it. Elsewhere (MLflow's artifact
  // view, a notebook, a download) they lead nowhere.
  const isHome = !!root.dataset.run && location.pathname.includes(root.dataset.run);
  const isFramed = window.parent !== window;
  const byRun = new Map();
  for (const link of document.querySelectorAll("nav a[data-run]")) byRun.set(link.dataset.run, link);
  const texts = new Map();
  const shown = new Map([[root.dataset.run, { nodes: [...card.childNodes], title: document.title }]]);

  // MLflow's own address, with its prefix: the page was made there, as a blob.
  const base = () => {
    if (location.protocol !== "blob:") return `${root.dataset.ui || ""}/`;
    return document.referrer.startsWith(`${location.origin}/`) ? document.referrer.split("#")[0] : `${location.origin}/`;
  };

  const runOf = link => link.dataset.run || (/([0-9a-f]{32})\/artifacts\/card\.html$/.exec(link.getAttribute("href")) || [])[1] || "";

  const readPacked = async () => {
    const packed = document.getElementById("packed");
    if (!packed || !window.DecompressionStream) return;
    const bytes = Uint8Array.from(atob(packed.textContent.trim()), one => one.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    for (const [run, text] of Object.entries(await new Response(stream).json())) texts.set(run, text);
  };

  const show = run => {
    if (!shown.has(run)) {
      const page = new DOMParser().parseFromString(texts.get(run), "text/html"); // runs no script of it
      shown.set(run, { nodes: [...page.body.childNodes], title: (page.querySelector("h1") || page.body).textContent });
    }
    const { nodes, title } = shown.get(run);
    card.replaceChildren(...nodes);
    document.title = title;
    for (const link of byRun.values()) link.removeAttribute("aria-current");
    byRun.get(run)?.setAttribute("aria-current", "page");
    enhance();
    window.scrollTo(0, 0);
  };

  const tellAddress = link => {
    const field = document.createElement("input");
    field.readOnly = true;
    field.value = link.href;
    field.setAttribute("aria-label", "Address");
    said.replaceChildren("This frame opens no other page. Click with Ctrl (on a Mac ⌘), or copy the address: ", field);
    said.hidden = false;
    field.focus();
    field.select();
  };

  document.addEventListener("click", event => {
    const link = event.target.closest?.("a");
    if (!link) return;
    said.hidden = true;
    const run = runOf(link);
    const isPlain = event.button === 0 && !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey);
    if (isHome || !isPlain) return;
    if (shown.has(run) || texts.has(run)) {
      event.preventDefault();
      show(run);
    } else if (isFramed && link.dataset.address) {
      event.preventDefault();
      tellAddress(link);
    }
  });

  // Tables: sorted by a click on a heading (up, down, as it was), filtered by words.
  const valueOf = cell => {
    if (!cell || cell.textContent === "–") return null;
    return cell.dataset.value === undefined ? cell.textContent : Number(cell.dataset.value);
  };

  const compare = (a, b) => {
    if (typeof a === "number" && typeof b === "number") return a - b;
    return String(a).localeCompare(String(b), undefined, { numeric: true });
  };

  const sortBy = (table, place, heading, rows) => {
    const order = { ascending: "descending", descending: "none", none: "ascending" }[heading.getAttribute("aria-sort") || "none"];
    for (const other of table.tHead.rows[0].cells) other.setAttribute("aria-sort", "none");
    heading.setAttribute("aria-sort", order);
    const sign = order === "descending" ? -1 : 1;
    const sorted = [...rows];
    if (order !== "none")
      sorted.sort((one, other) => {
        const [a, b] = [valueOf(one.cells[place]), valueOf(other.cells[place])];
        if (a === null || b === null) return (a === null) - (b === null); // what is missing stays below
        return sign * compare(a, b);
      });
    table.tBodies[0].append(...sorted);
  };

  const addFilter = (table, rows) => {
    const label = document.createElement("label"), field = document.createElement("input"), count = document.createElement("output");
    label.className = "filter";
    field.type = "search";
    label.append("Filter ", field, count);
    const apply = () => {
      const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
      for (const row of rows) row.hidden = !words.every(word => row.textContent.toLowerCase().includes(word));
      const left = rows.filter(row => !row.hidden).length;
      count.textContent = left === rows.length ? `${rows.length} rows` : `${left} of ${rows.length} rows`;
      markWide(table.closest(".wide"));
    };
    field.addEventListener("input", apply);
    table.closest(".wide").before(label);
    apply();
  };

  // Whatever is wider than its box says so: a scroll bar is not visible on a phone.
  const markWide = box => {
    if (!box) return;
    const hidden = box.scrollWidth - box.clientWidth;
    box.parentElement.classList.toggle("more", hidden > 1 && box.scrollLeft < hidden - 1);
  };

  const watcher = new ResizeObserver(entries => entries.forEach(entry => markWide(entry.target)));

  const enhance = () => {
    for (const link of document.querySelectorAll("a")) {
      const inNav = byRun.get(runOf(link));
      if (inNav && !link.dataset.address) link.dataset.address = inNav.dataset.address;
      if (!isHome && link.dataset.address) link.href = base() + link.dataset.address;
    }
    for (const box of card.querySelectorAll(".wide:not([data-ready])")) {
      box.dataset.ready = "";
      box.addEventListener("scroll", () => markWide(box), { passive: true });
      watcher.observe(box);
      const table = box.querySelector("table"), rows = table?.tHead && table.tBodies[0] ? [...table.tBodies[0].rows] : [];
      if (rows.length >= SORTED_FROM)
        [...table.tHead.rows[0].cells].forEach((heading, place) => {
          const button = document.createElement("button");
          button.type = "button";
          button.append(...heading.childNodes);
          heading.append(button);
          button.addEventListener("click", () => sortBy(table, place, heading, rows));
        });
      if (rows.length >= FILTERED_FROM) addFilter(table, rows);
    }
  };

  enhance();
  readPacked();
})();
