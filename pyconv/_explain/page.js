"use strict";
// Shows one output element of `model` and the inputs it reads, and moves it. What every output reads is
// listed in model.reads; nothing here knows about strides, dilation or padding.
const model = JSON.parse(document.getElementById("model").textContent);
const rank = model.outputs.length;
const counts = model.outputs.map((o) => o.length);
const total = counts.reduce((a, b) => a * b, 1);
let here = model.start.reduce((flat, o, axis) => flat * counts[axis] + o, 0);
let timer = null;

const value = (v) => (typeof v === "string" ? { nan: NaN, inf: Infinity, "-inf": -Infinity }[v] : v);
const show = (kind, v) => {
  if (Number.isNaN(v)) return "nan";
  if (!Number.isFinite(v)) return v > 0 ? "inf" : "-inf";
  if (v === 0) return "0";
  const [, digits, type] = /^\.(\d+)([fe])$/.exec(model.formats[kind]);
  const text = type === "f" ? v.toFixed(+digits) : v.toExponential(+digits);
  return Number(text) === 0 ? text.replace("-", "") : text;
};
const split = (flat, extents) => {
  const index = [];
  for (let axis = extents.length - 1; axis >= 0; axis--) {
    index.unshift(flat % extents[axis]);
    flat = Math.floor(flat / extents[axis]);
  }
  return index;
};
const join = (index, extents) => index.reduce((flat, i, axis) => flat * extents[axis] + i, 0);
const product = (lists) => lists.reduce((acc, list) => acc.flatMap((a) => list.map((b) => [...a, b])), [[]]);
const element = (tag, attributes, ...children) => {
  const node = document.createElement(tag);
  for (const [key, v] of Object.entries(attributes || {})) node.setAttribute(key, v);
  node.append(...children);
  return node;
};

const extents = model.positions.map((p) => p.length);
const place = model.positions.map((list) => new Map(list.map((p, i) => [p, i])));
// What output `flat` reads: the flat tap, the flat input cell, and whether a value is there.
const feedsOf = (flat) => {
  const output = split(flat, counts);
  return product(output.map((o, axis) => model.reads[axis][o])).map((reads) => ({
    tap: join(reads.map((r) => r[0]), model.taps),
    cell: join(reads.map((r, axis) => place[axis].get(r[1])), extents),
    real: reads.every((r) => r[2] !== null),
  }));
};
const fedBy = new Map();
for (let flat = 0; flat < total; flat++)
  for (const feed of feedsOf(flat)) {
    if (!fedBy.has(feed.cell)) fedBy.set(feed.cell, []);
    fedBy.get(feed.cell).push(flat);
  }

// --- building ---------------------------------------------------------------------------------------
const cells = { input: [], weight: [], product: [], sum: [] };
const outputs = [];
const isPadding = (index) => index.some((i, axis) => {
  const position = model.positions[axis][i];
  return position < 0 || position >= model.sizes[axis];
});

// A table for the last two axes of `sizes`; `make` gives a cell, `lead` is the index on the axes before.
function grid(sizes, lead, labels, make) {
  const columns = sizes[sizes.length - 1];
  const rows = sizes.length > 1 ? sizes[sizes.length - 2] : 1;
  const table = element("table", {});
  if (labels) {
    const head = element("tr", {}, element("th", {}));
    labels[sizes.length - 1].forEach((label) => head.append(element("th", {}, String(label))));
    table.append(head);
  }
  for (let row = 0; row < rows; row++) {
    const line = element("tr", {});
    if (labels) line.append(element("th", { class: "side" }, sizes.length > 1 ? String(labels[sizes.length - 2][row]) : ""));
    for (let column = 0; column < columns; column++) {
      const index = sizes.length > 1 ? [...lead, row, column] : [column];
      line.append(make(join(index, sizes), index));
    }
    table.append(line);
  }
  return table;
}
const leads = (sizes) => product(sizes.slice(0, -2).map((n) => [...Array(n).keys()]));
function planes(sizes, labels, make) {
  const box = element("div", { class: "planes" });
  for (const lead of leads(sizes)) {
    const plane = element("div", {});
    if (lead.length && labels) plane.append(element("span", { class: "note" }, `depth ${labels[0][lead[0]]}`));
    plane.append(grid(sizes, lead, labels, make));
    box.append(plane);
  }
  return box;
}

function inputCell(number) {
  return (flat, index) => {
    const position = index.map((i, axis) => model.positions[axis][i]);
    const cell = element("td", { class: "in" + (isPadding(index) ? " pad" : "") },
      show("x", value(model.x[number][flat])));
    cell.addEventListener("mouseenter", () => showFed(flat, model.channels[number], position));
    cell.addEventListener("mouseleave", clearFed);
    cell.addEventListener("click", () => { clearFed(); showFed(flat, model.channels[number], position); });
    cells.input[number][flat] = cell;
    return cell;
  };
}
const plainCell = (kind, list) => (flat) => (list[flat] = element("td", { class: kind }));

function buildChannel(number) {
  for (const key of ["input", "weight", "product"]) cells[key][number] = [];
  const section = element("section", {}, element("h2", {}, `input channel ${model.channels[number]}`));
  const sum = element("td", { class: "sum" });
  cells.sum[number] = sum;
  const target = element("table", {}, element("tr", {}, sum));
  const sign = (text) => element("span", { class: "sign" }, text);
  if (rank === 1) {
    const table = grid(extents, [], model.positions, inputCell(number));
    const side = (text) => element("th", { class: "side name" }, text);
    table.rows[1].cells[0].replaceWith(side("input"));
    if (model.labels)
      table.append(element("tr", {}, element("th", {}), ...model.positions[0].map((p) =>
        element("th", { class: "word" }, p >= 0 && p < model.labels.length ? model.labels[p] : ""))));
    for (const key of model.w ? ["weight", "product"] : [])
      table.append(element("tr", {}, side(key === "weight" ? "\u00d7 weight" : "= product"), ...model.positions[0].map((_, i) => {
        const cell = element("td", { class: "empty" }, "\u00a0");
        cells[key][number][i] = cell;
        return cell;
      })));
    section.append(element("div", { class: "row" }, table, sign("\u2192"), target));
    return section;
  }
  const row = element("div", { class: "row" }, planes(extents, model.positions, inputCell(number)));
  if (model.w) row.append(sign("\u00d7"), planes(model.taps, null, plainCell("weight", cells.weight[number])), sign("="));
  else row.append(sign("\u2192"));
  row.append(planes(model.taps, null, plainCell("product", cells.product[number])), sign("\u2192"), target);
  section.append(row);
  return section;
}

// The page may scroll or change under a mouse at rest: that is not pointing.
let pointer = "";
function moved(event) {
  const before = pointer;
  pointer = `${event.screenX},${event.screenY}`;
  return pointer !== before;
}

function buildOutputs() {
  const make = (flat) => {
    const cell = element("td", { class: "out", "data-i": flat }, show("sum", value(model.y[flat])));
    cell.addEventListener("mouseenter", (event) => { if (moved(event)) { stop(); select(flat); } });
    cell.addEventListener("click", () => { stop(); select(flat); });
    return (outputs[flat] = cell);
  };
  return element("section", {}, element("h2", {}, `output channel ${model.channel}`), planes(counts, model.outputs, make));
}

const addition = element("table", { class: "addition" });
const where = element("span", { id: "where", "aria-live": "polite" });
const arithmetic = element("p", { id: "arithmetic" });
const feeds = element("p", { id: "feeds" });
const slider = element("input", { id: "slider", type: "range", min: 0, max: total - 1, step: 1, "aria-label": "output element" });
const play = element("button", { id: "play", type: "button" }, "\u25b6 play");

function build() {
  const names = rank === 1 ? "\u2190 \u2192" : rank === 2 ? "\u2190 \u2192 \u2191 \u2193" : "\u2190 \u2192 \u2191 \u2193 PgUp PgDn";
  const help = element("p", { class: "help" }, "Point at an output to see what it is made of, at an input to see which outputs it feeds; ",
    element("kbd", {}, names), " move the window.");
  const app = document.getElementById("app");
  app.append(help, element("div", { class: "controls" }, play, slider, where),
    element("div", { class: "layout" },
      element("div", { class: "channels" }, ...model.channels.map((_, i) => buildChannel(i))),
      element("div", { class: "result" }, buildOutputs(), element("h2", {}, model.combine === "max" ? "maximum" : "addition"), addition)),
    feeds, arithmetic);
}

// --- showing ----------------------------------------------------------------------------------------
function select(flat) {
  here = flat;
  slider.value = flat;
  const feedList = feedsOf(flat);
  const sums = model.channels.map((_, number) => showChannel(number, feedList));
  outputs.forEach((cell, i) => cell.classList.toggle("here", i === flat));
  const position = split(flat, counts).map((o, axis) => model.outputs[axis][o]);
  const name = `output[${[model.n, model.channel, ...position].join(", ")}]`;
  const result = show("sum", value(model.y[flat]));
  where.textContent = `${name} = ${result}`;
  document.getElementById("title").textContent = `${model.name}: ${name} = ${result}`;
  showAddition(sums.map((s) => s.total), name);
  arithmetic.textContent = sums.map((s) => s.text).join("\n");
}

function showChannel(number, feedList) {
  const x = model.x[number].map(value);
  const winner = model.combine === "max" ? best(feedList, x) : null;
  const parts = feedList.map((feed) => {
    const w = model.w ? value(model.w[number][feed.tap]) : 1;
    return { ...feed, x: x[feed.cell], w, product: model.w ? x[feed.cell] * w : x[feed.cell] };
  });
  const used = new Set(feedList.map((feed) => feed.cell));
  cells.input[number].forEach((cell, i) => {
    cell.classList.toggle("used", used.has(i));
    cell.classList.toggle("winner", winner !== null && winner.cell === i);
  });
  showPlanes(number, used);
  showFactors(number, parts, winner);
  const adding = parts.reduce((sum, part) => sum + part.product, 0);
  const sum = model.combine === "max" ? (winner ? x[winner.cell] : -Infinity) : adding;
  cells.sum[number].textContent = show("part", sum);
  const terms = parts.map((p) => (model.w ? `${factor("x", p.x)}\u00b7${factor("w", p.w)}` : factor("x", p.x)));
  const inner = model.combine === "max" ? `max(${terms.join(", ")})` : terms.join(" + ");
  return { total: sum, text: `channel ${model.channels[number]}: ${inner} = ${show("part", sum)}` };
}

const factor = (kind, v) => (show(kind, v).startsWith("-") ? `(${show(kind, v)})` : show(kind, v));

// torch's rule: the first of equal maxima, the last NaN.
function best(feedList, x) {
  let winner = null;
  for (const feed of feedList)
    if (feed.real && (winner === null || x[feed.cell] > x[winner.cell] || Number.isNaN(x[feed.cell]))) winner = feed;
  return winner;
}

// In 3-D only the input planes that the window touches are shown.
function showPlanes(number, used) {
  if (rank < 3) return;
  const size = extents[1] * extents[2];
  const touched = new Set([...used].map((cell) => Math.floor(cell / size)));
  for (let plane = 0; plane < extents[0]; plane++)
    cells.input[number][plane * size].closest("div").hidden = !touched.has(plane);
}

function showFactors(number, parts, winner) {
  const clear = (cell, kind) => { cell.className = kind; cell.textContent = "\u00a0"; };
  if (rank === 1) {
    for (const key of ["weight", "product"]) cells[key][number].forEach((cell) => clear(cell, "empty"));
    for (const part of model.w ? parts : []) {
      cells.weight[number][part.cell].className = "weight";
      cells.weight[number][part.cell].textContent = show("w", part.w);
      cells.product[number][part.cell].className = "product";
      cells.product[number][part.cell].textContent = show("part", part.product);
    }
    return;
  }
  cells.weight[number].forEach((cell, tap) => {
    cell.className = "weight idle";
    cell.textContent = show("w", value(model.w[number][tap]));
  });
  cells.product[number].forEach((cell) => clear(cell, "empty"));
  for (const part of parts) {
    if (model.w) cells.weight[number][part.tap].className = "weight";
    const won = winner !== null && winner.cell === part.cell;
    cells.product[number][part.tap].className = won ? "product winner" : "product";
    cells.product[number][part.tap].textContent = show("part", part.product);
  }
}

function showAddition(sums, name) {
  const rows = model.channels.map((c, i) => [`channel ${c}`, show("part", sums[i]), "sum"]);
  if (model.rest) rows.push([`${model.rest.count} more, sum`, show("sum", value(model.rest.sums[here])), "sum"]);
  if (model.bias !== null) rows.push(["+ bias", show("sum", value(model.bias)), "plain"]);
  if (model.combine === "mean") rows.push(["\u00f7 divisor", String(model.divisors[here]), "plain"]);
  addition.replaceChildren(...rows.map(([label, text, kind]) =>
    element("tr", {}, element("th", {}, label), element("td", { class: kind }, text))));
  addition.append(element("tr", { class: "total" }, element("th", {}, name),
    element("td", { class: "value", id: "sum" }, show("sum", value(model.y[here])))));
}

function showFed(flat, channel, position) {
  const fed = fedBy.get(flat) || [];
  fed.forEach((i) => outputs[i].classList.add("fed"));
  const kind = isPadding(split(flat, extents)) ? "padding" : "input";
  feeds.textContent = `${kind} [${[model.n, channel, ...position].join(", ")}] feeds ${fed.length} of the outputs shown`;
}
function clearFed() {
  outputs.forEach((cell) => cell.classList.remove("fed"));
  feeds.textContent = "";
}

// --- moving -----------------------------------------------------------------------------------------
function move(axis, step) {
  const index = split(here, counts);
  const next = index[axis] + step;
  if (axis < 0 || next < 0 || next >= counts[axis]) return;
  index[axis] = next;
  select(join(index, counts));
}
function stop() {
  if (timer !== null) clearInterval(timer);
  timer = null;
  play.textContent = "\u25b6 play";
}
play.addEventListener("click", () => {
  if (timer !== null) return stop();
  play.textContent = "\u23f8 pause";
  timer = setInterval(() => select((here + 1) % total), 700);
});
slider.addEventListener("input", () => { stop(); select(Number(slider.value)); });
const steps = { ArrowLeft: [1, -1], ArrowRight: [1, 1], ArrowUp: [2, -1], ArrowDown: [2, 1], PageUp: [3, -1], PageDown: [3, 1] };
document.addEventListener("keydown", (event) => {
  const step = steps[event.key];
  if (!step || step[0] > rank || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  stop();
  move(rank - step[0], step[1]);
});

// One width for all cells, so that nothing jumps and columns line up.
function widest() {
  const texts = [...model.x.flat().map((v) => show("x", value(v))), ...model.y.map((v) => show("sum", value(v)))];
  for (const w of (model.w || []).flat()) texts.push(show("w", value(w)));
  return Math.max(...texts.map((text) => text.length));
}
document.documentElement.style.setProperty("--digits", `${widest()}ch`);
build();
select(here);
