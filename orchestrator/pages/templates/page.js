"use strict";
/* Sorting, filtering, highlighting of a trial, tooltips, light and dark. Without it the page shows everything.
   Text from data is only ever set as textContent. */
(() => {
  const MOST = 20; // rows of a table before "Show all"
  const root = document.documentElement;
  const all = (selector, within = document) => Array.from(within.querySelectorAll(selector));
  const make = (name, text, classes) => {
    const made = document.createElement(name);
    if (text) made.textContent = text;
    if (classes) made.className = classes;
    if (name === "button") made.type = "button";
    return made;
  };
  root.classList.add("js");

  /* ---- light and dark: the choice is kept for this browser, where it lets a file keep anything ---- */
  const KEY = "fold-orchestrator-theme";
  const THEMES = { "": "as the system", light: "light", dark: "dark" };
  const stored = () => { try { return localStorage.getItem(KEY) || ""; } catch { return ""; } };
  const store = (theme) => { try { localStorage.setItem(KEY, theme); } catch { /* a sandbox: it holds for now */ } };
  const themeButton = make("button", "", "tool theme");
  const showTheme = (theme) => {
    if (theme in THEMES && theme) root.dataset.theme = theme; else delete root.dataset.theme;
    themeButton.textContent = `Colours: ${THEMES[theme] || THEMES[""]}`;
  };
  themeButton.addEventListener("click", () => {
    const names = Object.keys(THEMES);
    const next = names[(names.indexOf(root.dataset.theme || "") + 1) % names.length];
    store(next);
    showTheme(next);
  });
  showTheme(stored());
  document.querySelector(".contents").append(themeButton);

  /* ---- tables ---- */
  const collator = new Intl.Collator("en", { numeric: true });
  const valueOf = (row, column, isNumber) => {
    const cell = row.cells[column];
    const text = cell.textContent.trim();
    if (!isNumber) return text;
    const value = Number("v" in cell.dataset ? cell.dataset.v : text);
    return text === "" || Number.isNaN(value) ? null : value;
  };
  const compare = (one, two, sign) => {
    const lacks = (value) => value === null || value === "";
    if (lacks(one) || lacks(two)) return lacks(one) - lacks(two); // what is not known stands last, either way
    return sign * (typeof one === "number" ? one - two : collator.compare(one, two));
  };
  const setUp = (box) => {
    const table = box.querySelector("table");
    const body = table.tBodies[0];
    const rows = Array.from(body.rows);
    let order = rows, wanted = "", expanded = false;
    const scroller = box.querySelector(".scroll");
    const bar = make("div", "", "bar-of-table");
    const input = make("input");
    const said = make("span");
    const more = make("button");
    const show = () => {
      const found = wanted ? order.filter((row) => row.textContent.toLowerCase().includes(wanted)) : order;
      const shown = new Set(expanded ? found : found.slice(0, MOST));
      for (const row of rows) row.hidden = !shown.has(row);
      said.textContent = wanted ? `${found.length} of ${rows.length} rows` : `${rows.length} rows`;
      more.hidden = found.length <= MOST;
      scroller.classList.toggle("first", shown.size <= MOST);
      more.textContent = expanded ? `Show the first ${MOST}` : `Show all ${found.length}`;
    };
    const sortBy = (head, column) => {
      const sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
      const isNumber = head.classList.contains("number");
      const keyed = rows.map((row, index) => [valueOf(row, column, isNumber), index, row]);
      keyed.sort((one, two) => compare(one[0], two[0], sign) || one[1] - two[1]);
      order = keyed.map((key) => key[2]);
      body.append(...order);
      show();
    };
    if (rows.length > 1) {
      Array.from(table.tHead.rows[0].cells).forEach((head, column) => {
        const button = make("button", head.textContent);
        button.addEventListener("click", () => sortBy(head, column));
        head.replaceChildren(button);
      });
    }
    if (rows.length > 8) {
      input.type = "search";
      input.placeholder = "Filter";
      input.setAttribute("aria-label", `Filter ${table.caption.textContent}`);
      input.addEventListener("input", () => { wanted = input.value.trim().toLowerCase(); show(); });
      said.setAttribute("aria-live", "polite");
      more.addEventListener("click", () => { expanded = !expanded; show(); });
      bar.append(input, said, more);
      box.prepend(bar);
      show();
    }
    for (const row of rows) {
      if (!("trial" in row.dataset)) continue;
      const button = make("button", row.cells[0].textContent);
      button.setAttribute("aria-pressed", String(row.classList.contains("on")));
      row.cells[0].replaceChildren(button);
    }
    box.reveal = (row) => {
      if (!row.hidden) return;
      expanded = true; wanted = ""; input.value = "";
      show();
    };
  };
  /* A table in a fold is set up when it is first opened: a large report has many. */
  for (const box of all(".table")) {
    const fold = box.closest("details");
    if (fold) fold.addEventListener("toggle", () => setUp(box), { once: true }); else setUp(box);
  }

  /* ---- one trial in every figure and table ---- */
  let chosen = null;
  const picked = make("div", "", "picked");
  const pickedText = make("span");
  const clear = make("button", "Clear");
  picked.setAttribute("role", "status");
  picked.hidden = true;
  picked.append(pickedText, clear);
  document.body.append(picked);
  const mark = (trial, on) => {
    for (const item of all(`[data-trial="${CSS.escape(trial)}"]`)) {
      item.classList.toggle("on", on);
      const button = item.matches("tr") && item.querySelector("td button");
      if (button) button.setAttribute("aria-pressed", String(on));
      if (on && item.matches(".plot g")) item.parentNode.append(item); // above the others
    }
  };
  const choose = (trial) => {
    if (chosen !== null) mark(chosen, false);
    chosen = trial;
    if (trial !== null) mark(trial, true);
    root.classList.toggle("picking", trial !== null);
    picked.hidden = trial === null;
    pickedText.textContent = trial === null ? "" : `Trial ${trial} is highlighted.`;
  };
  const keep = () => {
    const hash = chosen === null ? "" : `#trial=${encodeURIComponent(chosen)}`;
    history.replaceState(null, "", location.pathname + location.search + hash);
  };
  const pick = (trial) => { choose(trial === chosen ? null : trial); keep(); };
  const fromHash = () => {
    const found = /^#trial=(.+)$/.exec(location.hash);
    if (!found) return;
    let trial;
    try { trial = decodeURIComponent(found[1]); } catch { return; }
    choose(trial);
    const first = document.querySelector(`main > section [data-trial="${CSS.escape(trial)}"]`);
    if (!first) return;
    const box = first.closest(".table");
    if (box && box.reveal && first.matches("tr")) box.reveal(first);
    first.scrollIntoView({ block: "center" });
  };
  clear.addEventListener("click", () => pick(chosen));
  addEventListener("hashchange", fromHash);
  addEventListener("keydown", (event) => {
    if (event.key === "Escape" && chosen !== null) pick(chosen);
  });

  /* A line is thin: the nearest thing within a few pixels counts. */
  const NEAR = [[0, 0], [3, 0], [-3, 0], [0, 3], [0, -3], [5, 5], [-5, 5], [5, -5], [-5, -5]];
  const thingAt = (event) => {
    const here = event.target.closest("[data-trial], .plot g, .plot .dot");
    if (here && here.matches("[data-trial]")) return here;
    if (!event.target.closest(".plot")) return here;
    for (const [x, y] of NEAR) {
      const found = document.elementFromPoint(event.clientX + x, event.clientY + y);
      const thing = found && found.closest(".plot [data-trial], .plot g.muted");
      if (thing) return thing;
    }
    return null;
  };
  document.addEventListener("click", (event) => {
    if (event.target.closest("a, input, summary, th, .bar-of-table, .picked")) return;
    if (String(getSelection())) return; // somebody copies a number
    const thing = thingAt(event);
    if (thing && "trial" in thing.dataset) pick(thing.dataset.trial);
  });

  /* ---- tooltips: what a thing's title says, at once ---- */
  const tip = make("div", "", "tip");
  tip.hidden = true;
  document.body.append(tip);
  const said = (thing) => {
    const title = Array.from(thing.children).find((child) => child.localName === "title");
    if (title) { thing.dataset.tip = title.textContent; title.remove(); } // else the browser shows it too
    return thing.dataset.tip || "";
  };
  document.addEventListener("pointermove", (event) => {
    const plot = event.target instanceof Element && event.target.closest(".plot");
    const thing = plot ? thingAt(event) : null;
    const text = thing ? said(thing) : "";
    tip.hidden = !text;
    if (!text) return;
    tip.textContent = text;
    const x = Math.min(event.clientX + 12, innerWidth - tip.offsetWidth - 8);
    const below = event.clientY + 16;
    tip.style.left = `${Math.max(8, x)}px`;
    tip.style.top = `${below + tip.offsetHeight > innerHeight ? event.clientY - tip.offsetHeight - 12 : below}px`;
  });

  /* ---- commands to copy ---- */
  for (const box of all(".code")) {
    const button = make("button", "Copy");
    button.addEventListener("click", async () => {
      const code = box.querySelector("code");
      try {
        await navigator.clipboard.writeText(code.textContent);
        button.textContent = "Copied";
      } catch { // a browser that asks for a server first: the text is selected instead
        getSelection().selectAllChildren(code);
        button.textContent = "Selected";
      }
    });
    box.append(button);
  }

  /* On paper everything is unfolded. */
  addEventListener("beforeprint", () => { for (const fold of all("details:not([open])")) { fold.open = true; fold.dataset.printed = ""; } });
  addEventListener("afterprint", () => { for (const fold of all("details[data-printed]")) { fold.open = false; delete fold.dataset.printed; } });

  fromHash();
  performance.mark("interactive");
})();
