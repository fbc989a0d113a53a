// Small SVG charts: horizontal bars with intervals, and scatter or line charts on logarithmic axes.
"use strict";

const SVG = "http://www.w3.org/2000/svg";

function element(name, attributes, ...children) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes || {})) node.setAttribute(key, value);
  for (const child of children) node.append(child);
  return node;
}

function text(x, y, content, attributes) {
  return element("text", { x, y, ...attributes }, String(content));
}

function titled(node, title) {
  node.append(element("title", {}, title));
  return node;
}

function logScale(low, high, from, to) {
  const a = Math.log(low), b = Math.log(high);
  return value => from + (Math.log(value) - a) / (b - a || 1) * (to - from);
}

// Powers of `base` inside [low, high], thinned to at most `most`.
function logTicks(low, high, base, most) {
  const first = Math.ceil(Math.log(low) / Math.log(base) - 1e-9);
  const last = Math.floor(Math.log(high) / Math.log(base) + 1e-9);
  const step = Math.max(1, Math.ceil((last - first + 1) / most));
  const ticks = [];
  for (let power = first; power <= last; power += step) ticks.push(base ** power);
  return ticks;
}

// 1, 2 and 5 times powers of ten inside [low, high]; only the powers where there would be more than `most`.
function niceTicks(low, high, most) {
  const ticks = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++)
    for (const step of [1, 2, 5]) ticks.push(step * 10 ** power);
  const inside = ticks.filter(tick => tick >= low * 0.999 && tick <= high * 1.001);
  return inside.length <= most ? inside : logTicks(low, high, 10, most);
}

function short(value) {
  if (value === 0) return "0";
  for (const [scale, unit] of [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]])
    if (value >= scale) return `${+(value / scale).toPrecision(3)}${unit}`;
  return `${+value.toPrecision(3)}`;
}

function duration(seconds) {
  for (const [scale, unit] of [[1, "s"], [1e-3, "ms"], [1e-6, "µs"]])
    if (seconds >= scale) return `${+(seconds / scale).toPrecision(3)} ${unit}`;
  return `${+(seconds * 1e9).toPrecision(3)} ns`;
}

// items: {label, value, low?, high?, title}. Bars start at 1; left of it means slower.
function ratioBars(items) {
  const width = 1180, left = 430, right = 90, line = 17, top = 24;
  const values = items.flatMap(item => [item.value, item.low || item.value, item.high || item.value]);
  const low = Math.min(0.8, ...values) * 0.95, high = Math.max(2, ...values) * 1.05;
  const x = logScale(low, high, left, width - right);
  const height = top + items.length * line + 8;
  const svg = element("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img" });
  for (const tick of logTicks(low, high, 2, 10)) {
    svg.append(element("line", { x1: x(tick), x2: x(tick), y1: top - 6, y2: height - 6, class: tick === 1 ? "axis" : "grid-line" }));
    svg.append(text(x(tick), top - 10, `${short(tick)}x`, { "text-anchor": "middle", class: "faint" }));
  }
  items.forEach((item, index) => {
    const y = top + index * line, end = x(item.value), start = x(1);
    const row = element("g", {});
    row.append(text(left - 8, y + 11, clip(item.label, 70), { "text-anchor": "end" }));
    row.append(element("rect", {
      x: Math.min(start, end), y: y + 2, width: Math.max(1, Math.abs(end - start)), height: line - 6,
      class: item.value < 1 ? "slow" : "ours",
    }));
    if (item.low) row.append(element("line", { x1: x(item.low), x2: x(item.high), y1: y + 7.5, y2: y + 7.5, class: "interval" }));
    row.append(text(Math.max(end, start, item.high ? x(item.high) : 0) + 6, y + 11, item.value.toFixed(2)));
    svg.append(titled(row, item.title || item.label));
  });
  return svg;
}

// items: {label, parts: [{value, className, text}]}: plain bars from zero, those of one item under each other.
function plainBars(items, names) {
  const width = 1180, left = 330, right = 110, line = 13, gap = 9, top = 26;
  const parts = items.flatMap(item => item.parts);
  // The square root shows both 0.1 MB and 6 GB; the text has the figure.
  const most = Math.sqrt(Math.max(...parts.map(part => part.value)));
  const x = value => left + Math.sqrt(Math.max(0, value)) / (most || 1) * (width - left - right);
  const height = top + items.reduce((sum, item) => sum + item.parts.length * line + gap, 0);
  const svg = element("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img" });
  names.forEach((one, index) => svg.append(element("circle", { cx: left + 6 + 130 * index, cy: 9, r: 4, class: one.className }),
    text(left + 16 + 130 * index, 13, one.name)));
  let y = top;
  for (const item of items) {
    svg.append(text(left - 8, y + item.parts.length * line / 2 + 4, item.label, { "text-anchor": "end" }));
    for (const part of item.parts) {
      const bar = element("g", {}, element("rect", { x: left, y: y + 1, width: Math.max(1, x(part.value) - left), height: line - 3, class: part.className }),
        text(x(part.value) + 6, y + 10, part.text));
      svg.append(titled(bar, part.title));
      y += line;
    }
    y += gap;
  }
  return svg;
}

// series: {name, className, line?, points: [{x, y, title}]}; roof: optional points of a guiding line.
function scatter(series, { xLabel, yLabel, xFormat = short, yFormat = short, roof = null, xTicks = null, size = [600, 400] }) {
  const [width, height] = size, left = 62, right = 14, top = 26, bottom = 42;
  const points = series.flatMap(one => one.points).concat(roof || []);
  if (!points.some(point => point.x > 0 && point.y > 0)) return empty("nothing to show");
  const range = key => {
    const values = points.map(point => point[key]).filter(value => value > 0);
    return [Math.min(...values) / 1.3, Math.max(...values) * 1.3];
  };
  const [xLow, xHigh] = range("x"), [yLow, yHigh] = range("y");
  const x = logScale(xLow, xHigh, left, width - right), y = logScale(yLow, yHigh, height - bottom, top);
  const svg = element("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img" });
  for (const tick of (xTicks || niceTicks(xLow, xHigh, 9))) {
    svg.append(element("line", { x1: x(tick), x2: x(tick), y1: top, y2: height - bottom, class: "grid-line" }));
    svg.append(text(x(tick), height - bottom + 15, xFormat(tick), { "text-anchor": "middle", class: "faint" }));
  }
  for (const tick of niceTicks(yLow, yHigh, 9)) {
    svg.append(element("line", { x1: left, x2: width - right, y1: y(tick), y2: y(tick), class: "grid-line" }));
    svg.append(text(left - 6, y(tick) + 4, yFormat(tick), { "text-anchor": "end", class: "faint" }));
  }
  svg.append(text((left + width - right) / 2, height - 6, xLabel, { "text-anchor": "middle", class: "faint" }));
  svg.append(text(6, 12, yLabel, { class: "faint" }));
  if (roof) svg.append(element("polyline", { points: roof.map(p => `${x(p.x)},${y(p.y)}`).join(" "), class: "roof" }));
  series.forEach((one, index) => {
    const shown = one.points.filter(point => point.x > 0 && point.y > 0);
    if (one.line) svg.append(element("polyline", { points: shown.map(p => `${x(p.x)},${y(p.y)}`).join(" "), class: one.className }));
    for (const point of shown)
      svg.append(titled(element("circle", { cx: x(point.x), cy: y(point.y), r: 4, class: one.className }), point.title));
    const at = width - right - 130 * (series.length - index);
    svg.append(element("circle", { cx: at, cy: 9, r: 4, class: one.className }), text(at + 8, 13, one.name));
  });
  return svg;
}

function empty(message) {
  const node = document.createElement("p");
  node.className = "empty";
  node.textContent = message;
  return node;
}

function clip(content, length) {
  return content.length > length ? `${content.slice(0, length - 1)}…` : content;
}

// columns: {name, of: row -> value, show?: value -> text, text?: bool, mark?: row -> class}.
function sortableTable(rows, columns, state) {
  const table = document.createElement("table");
  const head = table.createTHead().insertRow(), body = table.createTBody();
  const fill = () => {
    const column = columns[state.column];
    const sorted = column === undefined ? rows : [...rows].sort((a, b) => order(column.of(a), column.of(b)) * state.direction);
    body.replaceChildren();
    for (const row of sorted) {
      const line = body.insertRow();
      for (const one of columns) {
        const cell = line.insertCell(), value = one.of(row);
        cell.textContent = value === null || value === undefined ? "" : one.show ? one.show(value) : value;
        cell.className = [one.text ? "text" : "", one.mark ? one.mark(row) : ""].join(" ").trim();
      }
    }
  };
  columns.forEach((column, index) => {
    const cell = document.createElement("th");
    cell.textContent = column.name;
    cell.scope = "col";
    cell.tabIndex = 0;
    if (column.text) cell.className = "text";
    const sort = () => {
      state.direction = state.column === index ? -state.direction : 1;
      state.column = index;
      fill();
    };
    cell.addEventListener("click", sort);
    cell.addEventListener("keydown", event => { if (event.key === "Enter") sort(); });
    head.append(cell);
  });
  fill();
  return table;
}

function order(a, b) {
  if (a === null || a === undefined) return 1;
  if (b === null || b === undefined) return -1;
  return a < b ? -1 : a > b ? 1 : 0;
}
