// The page: reads the embedded run, keeps the filters' state, and draws every section from the filtered rows.

const run = JSON.parse(document.getElementById("run").textContent);
const NOISE_FLOOR = 0.03;
const SMALL_FLOPS = 1e6;
const FUNCTION = "pyconv-function";
const SWEEP = "scaling: ";
const filters = ["subject", "rival", "layout", "threads", "dtype", "kind", "search"];
const tableState = { column: undefined, direction: 1 };
const $ = id => document.getElementById(id);

function fastest(result, rival, layout) {
  const timed = result.entries.filter(entry => entry.rival === rival && entry.seconds !== null
    && (layout === "best" || entry.layout === layout));
  return timed.sort((a, b) => a.seconds - b.seconds)[0] || null;
}

function unique(values) {
  return [...new Set(values)];
}

function fillSelect(id, values, all) {
  const select = $(id);
  for (const value of all ? ["", ...values] : values) select.append(new Option(value === "" ? "all" : value, value));
}

function prepareFilters() {
  const comparisons = run.results.flatMap(result => result.comparisons);
  fillSelect("subject", unique(comparisons.map(item => item.subject)));
  fillSelect("rival", unique(comparisons.map(item => item.rival)));
  fillSelect("layout", unique(["best", ...comparisons.map(item => item.layout)]));
  fillSelect("threads", unique(run.results.map(result => String(result.threads))));
  fillSelect("dtype", unique(run.results.map(result => result.dtype)), true);
  fillSelect("kind", unique(run.results.map(result => result.kind)).sort(), true);
  for (const id of filters) $(id).addEventListener("input", draw);
  $("filters").addEventListener("submit", event => event.preventDefault());
}

// The rows the filters leave: each with the comparison's ratio (or null) and both sides' entries.
function chosenRows() {
  const [subject, rival, layout, threads, dtype, kind, search] = filters.map(id => $(id).value);
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  return run.results.filter(result => {
    const label = `${result.problem} ${result.network} ${result.name} ${result.kind}`.toLowerCase();
    return String(result.threads) === threads && (!dtype || result.dtype === dtype)
      && (!kind || result.kind === kind) && words.every(word => label.includes(word));
  }).map(result => {
    // A pooling has no layer: there the function takes the layer's place.
    const ours = result.op === "conv" || fastest(result, subject, layout) ? subject : FUNCTION;
    const item = result.comparisons.find(one => one.subject === ours && one.rival === rival && one.layout === layout);
    return { result, ratio: item ? item.ratio : null, ours: fastest(result, ours, layout), theirs: fastest(result, rival, layout) };
  });
}

function geometricMean(values) {
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
}

function name(result) {
  return `${result.network} ${result.name}`.trim() || result.problem;
}

function put(id, ...nodes) {
  $(id).replaceChildren(...nodes);
}

function drawFacts() {
  const ceilings = run.ceilings;
  const facts = [
    ["measured", run.started.replace("T", " ") + (run.complete ? "" : " (interrupted: incomplete)")],
    ["machine", `${run.machine.processor}, ${run.machine.cpus} CPUs, ${run.machine.caches}`],
    ["command", run.command],
    ["versions", Object.entries(run.versions).map(pair => pair.join(" ")).join(", ")],
    ["limits of a thread", ceilings && `FMA peak (${ceilings.isa}) `
      + Object.entries(ceilings.fma_gflops).map(([dtype, value]) => `${dtype} ${value.toFixed(0)} GFLOP/s`).join(", ")
      + `; read bandwidth ${ceilings.bandwidth_gbs.toFixed(0)} GB/s`],
    ["A/A control", run.control],
    ["CPU time / wall time", run.share && `${run.share.toFixed(2)} in single-threaded blocks${run.share > 0.95 ? "" : "; other processes were running"}`],
    ["meanwhile", run.onlookers],
    ["absent", Object.entries(run.absent).map(([rival, reason]) => `${rival} (${reason})`).join(", ")],
  ];
  for (const [term, text] of facts.filter(fact => fact[1]))
    $("facts").append(Object.assign(document.createElement("dt"), { textContent: term }),
      Object.assign(document.createElement("dd"), { textContent: text }));
  if (run.faults.length) {
    const list = document.createElement("ul");
    for (const fault of run.faults) list.append(Object.assign(document.createElement("li"), { textContent: fault }));
    put("faults", Object.assign(document.createElement("b"), { textContent: "Not to be believed" }), list);
    $("faults").hidden = false;
  }
}

function drawScores() {
  const columns = [
    { name: "set", of: row => row.title, text: true },
    { name: "threads", of: row => row.threads },
    { name: "rows", of: row => row.rows },
    { name: "geometric mean", of: row => row.mean, show: v => v.toFixed(2), mark: row => row.mean >= row.asked_mean ? "good" : "slow" },
    { name: "asked", of: row => row.asked_mean },
    { name: "worst row", of: row => row.worst, show: v => v.toFixed(2), mark: row => row.worst >= row.asked_worst ? "good" : "slow" },
    { name: "asked", of: row => row.asked_worst },
    { name: "which", of: row => row.problem, text: true },
  ];
  put("scores", run.scores.length ? sortableTable(run.scores, columns, { column: undefined, direction: 1 }) : empty("no set is covered by this suite"));
}

function drawTiles(rows) {
  const ratios = rows.filter(row => row.ratio).map(row => row.ratio.value);
  const tiles = ratios.length ? [
    [geometricMean(ratios).toFixed(2) + "x", "geometric mean"],
    [Math.min(...ratios).toFixed(2) + "x", "worst row"],
    [Math.max(...ratios).toFixed(2) + "x", "best row"],
    [`${ratios.filter(value => value >= 1).length} of ${ratios.length}`, "rows not slower"],
  ] : [["0", "rows to compare"]];
  put("tiles", ...tiles.map(([value, label]) => {
    const tile = document.createElement("div");
    tile.className = "tile";
    tile.append(Object.assign(document.createElement("b"), { textContent: value }),
      Object.assign(document.createElement("span"), { textContent: label }));
    return tile;
  }));
}

function drawBars(rows) {
  const items = rows.filter(row => row.ratio).map(row => ({
    label: `${name(row.result)}  ${row.result.kind}`,
    value: row.ratio.value, low: row.ratio.low, high: row.ratio.high,
    title: `${row.result.problem}\n${row.ours.contestant || row.ours.rival} ${row.ours.layout} ${row.ours.algorithm}: ${duration(row.ours.seconds)}\n`
      + `${row.theirs.rival} ${row.theirs.layout}: ${duration(row.theirs.seconds)}\n`
      + `${row.ratio.value.toFixed(3)} [${row.ratio.low.toFixed(3)}, ${row.ratio.high.toFixed(3)}]`,
  })).sort((a, b) => b.value - a.value);
  put("bars", items.length ? ratioBars(items) : empty("no row has this comparison"));
}

function drawNetworks(rows) {
  const groups = new Map();
  for (const row of rows.filter(one => one.ratio && one.result.network)) {
    if (row.result.network.startsWith(SWEEP)) continue;
    const sums = groups.get(row.result.network) || { ours: 0, theirs: 0, layers: 0, errors: [] };
    sums.ours += row.result.count * row.ours.seconds;
    sums.theirs += row.result.count * row.theirs.seconds;
    sums.layers += row.result.count;
    sums.errors.push(row.result.count * row.theirs.seconds * Math.log(row.ratio.high / row.ratio.low) / 2);
    groups.set(row.result.network, sums);
  }
  // The layers' relative errors, weighted by their share of the time, as independent ones.
  const items = [...groups].filter(([, sums]) => sums.errors.length > 1).map(([network, sums]) => {
    const value = sums.theirs / sums.ours, error = Math.exp(Math.hypot(...sums.errors) / sums.theirs);
    return {
      label: `${network} (${sums.layers} measured layers)`, value, low: value / error, high: value * error,
      title: `${network}: ${duration(sums.ours)} against ${duration(sums.theirs)}`,
    };
  }).sort((a, b) => b.value - a.value);
  put("networks", items.length ? ratioBars(items) : empty("no network has two layers in these rows"));
}

function bothSides(rows, point) {
  const sides = [["ours", $("subject").value], ["theirs", $("rival").value]];
  return sides.map(([side, label]) => ({
    name: label, className: side, points: rows.filter(row => row[side]).map(row => point(row, row[side], label)),
  }));
}

function drawRoofline(rows) {
  const dtype = $("dtype").value || "float32", threads = Number($("threads").value);
  const conv = rows.filter(row => row.result.op === "conv" && row.result.dtype === dtype);
  const series = bothSides(conv, (row, entry, label) => ({
    x: row.result.flops / row.result.bytes_moved, y: row.result.flops / entry.seconds / 1e9,
    title: `${name(row.result)}\n${row.result.problem}\n${label} ${entry.layout} ${entry.algorithm}: ${(row.result.flops / entry.seconds / 1e9).toFixed(1)} GFLOP/s`,
  }));
  let roof = null;
  if (run.ceilings && run.ceilings.fma_gflops[dtype] && conv.length) {
    const peak = run.ceilings.fma_gflops[dtype] * threads, bandwidth = run.ceilings.bandwidth_gbs;
    const intensities = conv.map(row => row.result.flops / row.result.bytes_moved), ridge = peak / bandwidth;
    const start = Math.min(ridge / 2, ...intensities);
    roof = [{ x: start, y: start * bandwidth }, { x: ridge, y: peak }, { x: Math.max(ridge * 2, ...intensities), y: peak }];
  }
  put("roofline", scatter(series, { xLabel: `operations per byte of input, weights and output (${dtype})`, yLabel: "GFLOP/s; line: measured limits", roof }));
}

function drawSizes(rows) {
  const series = bothSides(rows, (row, entry, label) => ({
    x: row.result.flops, y: entry.seconds, title: `${name(row.result)}\n${row.result.problem}\n${label}: ${duration(entry.seconds)}`,
  }));
  put("sizes", scatter(series, { xLabel: "operations", yLabel: "time of a call", yFormat: duration }));
}

function drawScaling(rows) {
  const sweeps = unique(rows.map(row => row.result.network).filter(network => network.startsWith(SWEEP)));
  $("scaling-section").hidden = !sweeps.length;
  put("scaling", ...sweeps.map(sweep => {
    const series = bothSides(rows.filter(row => row.result.network === sweep), (row, entry, label) => ({
      x: Number(row.result.name), y: entry.seconds, title: `${row.result.problem}\n${label}: ${duration(entry.seconds)}`,
    }));
    for (const one of series) one.line = true;
    const xTicks = unique(series.flatMap(one => one.points.map(point => point.x)));
    return scatter(series, { xLabel: sweep.replace(SWEEP, ""), yLabel: "time of a call", yFormat: duration, xTicks, size: [400, 280] });
  }), ...drawSpeedups());
}

// How many times faster a call is with n threads than with one, against its size: one line for each side.
function drawSpeedups() {
  const counts = unique(run.results.map(result => result.threads)).sort((a, b) => a - b);
  const [subject, rival, layout] = ["subject", "rival", "layout"].map(id => $(id).value);
  const sweeps = run.results.filter(result => result.network.startsWith(SWEEP));
  const alone = new Map(sweeps.filter(result => result.threads === 1).map(result => [result.problem, result]));
  return counts.filter(count => count > 1).map(count => {
    const many = sweeps.filter(result => result.threads === count && alone.has(result.problem));
    const series = [["ours", subject], ["theirs", rival]].map(([className, who]) => ({
      name: who, className, points: many.map(result => {
        const one = fastest(alone.get(result.problem), who, layout), all = fastest(result, who, layout);
        return one && all && { x: one.seconds, y: one.seconds / all.seconds, title: `${result.problem}\n${who}: ${(one.seconds / all.seconds).toFixed(2)}` };
      }).filter(Boolean),
    }));
    return scatter(series, { xLabel: `time with one thread (speed-up with ${count})`, yLabel: "speed-up", xFormat: duration, size: [400, 280] });
  });
}

function plainTable(rows, columns) {
  return rows.length ? sortableTable(rows, columns, { column: undefined, direction: 1 }) : empty("none in these rows");
}

function drawSmall(rows) {
  const small = rows.filter(row => row.ours && row.result.flops < SMALL_FLOPS);
  put("overhead", plainTable(small, [
    { name: "problem", of: row => row.result.problem, text: true },
    { name: $("subject").value, of: row => row.ours.seconds, show: duration },
    { name: $("rival").value, of: row => row.theirs && row.theirs.seconds, show: duration },
    { name: "ratio", of: row => row.ratio && row.ratio.value, show: v => v.toFixed(2) },
  ]));
  const timed = rows.filter(row => row.ours).slice(0, 400);
  const series = bothSides(timed, (row, entry, label) => ({
    x: entry.seconds, y: entry.first_call_s, title: `${row.result.problem}\n${label}: first ${duration(entry.first_call_s)}, steady ${duration(entry.seconds)}`,
  }));
  put("first", scatter(series, { xLabel: "steady state", yLabel: "first call of a prepared layer", xFormat: duration, yFormat: duration }));
}

// "who: what" in megabytes: the contestants' bars under each other.
function drawMemory() {
  const items = new Map();
  for (const row of run.measurements.filter(one => one.unit === "MB" && one.value >= 0)) {
    const [who, what] = row.name.split(/: (.*)/);
    const part = { value: row.value, className: who === "pyconv" ? "ours" : "theirs", text: row.value < 1000 ? `${short(row.value)} MB` : `${short(row.value / 1000)} GB`, title: `${row.name}\n${row.detail}` };
    items.set(what, [...items.get(what) || [], part]);
  }
  $("memory-section").hidden = !items.size;
  if (items.size) put("memory", plainBars([...items].map(([label, parts]) => ({ label, parts })),
    [{ name: "pyconv", className: "ours" }, { name: "torch", className: "theirs" }]));
}

function drawGiven() {
  const names = ["contestant", "layout", "weights", "threads", "precision", "note"];
  put("given", plainTable(run.given, names.map((name, index) => ({ name, of: row => row[index], text: true }))));
}

function drawOther() {
  $("other-section").hidden = !run.measurements.length;
  put("other", plainTable(run.measurements, [
    { name: "what", of: row => row.name, text: true },
    { name: "figure", of: row => row.value, show: v => v < 0 ? "not measured" : short(v) },
    { name: "unit", of: row => row.unit, text: true },
    { name: "limit", of: row => row.at_most !== null ? `at most ${short(row.at_most)}` : row.at_least !== null ? `at least ${short(row.at_least)}` : "", text: true },
    { name: "how", of: row => row.detail, text: true },
  ]));
}

function drawTable(rows) {
  const peak = row => run.ceilings && row.result.op === "conv" && run.ceilings.fma_gflops[row.result.dtype] * row.result.threads;
  const gflops = row => row.ours && row.result.flops / row.ours.seconds / 1e9;
  const statuses = row => row.result.entries.filter(entry => entry.status !== "ok")
    .map(entry => `${entry.rival}/${entry.layout} ${entry.status}: ${entry.detail}`).join("; ");
  put("table", sortableTable(rows, [
    { name: "problem", of: row => row.result.problem, text: true },
    { name: "layer", of: row => name(row.result), text: true },
    { name: "kind", of: row => row.result.kind, text: true },
    { name: "algorithm", of: row => row.ours && row.ours.algorithm, text: true },
    { name: "layout", of: row => row.ours && row.ours.layout, text: true },
    { name: "weights", of: row => row.ours && row.ours.given && row.ours.given.weights, text: true },
    { name: "time", of: row => row.ours && row.ours.seconds, show: duration },
    { name: "cold", of: row => row.ours && row.ours.cold_s, show: duration },
    { name: "first call", of: row => row.ours && row.ours.first_call_s, show: duration },
    { name: "placements", of: row => row.ours && row.ours.placement_spread, show: v => `x${v.toFixed(2)}` },
    { name: "GFLOP/s", of: gflops, show: v => v.toFixed(1) },
    { name: "of peak", of: row => peak(row) && gflops(row) ? gflops(row) / peak(row) : null, show: v => `${(100 * v).toFixed(0)} %` },
    { name: "error", of: row => row.ours && row.ours.error, show: v => v.toFixed(1) },
    { name: "rival", of: row => row.theirs && row.theirs.seconds, show: duration },
    { name: "ratio", of: row => row.ratio && row.ratio.value, show: v => v.toFixed(2), mark: row => row.ratio ? row.ratio.value < 1 ? "slow" : "good" : "" },
    { name: "A/A", of: row => row.result.control && row.result.control.value, show: v => v.toFixed(3) },
    { name: "not timed", of: statuses, text: true },
  ], tableState));
}

function ratiosOf(document_) {
  const found = new Map();
  for (const result of document_.results) for (const item of result.comparisons)
    found.set([result.problem, result.threads, item.subject, item.rival, item.layout].join(" | "), item.ratio);
  return found;
}

function drawChanges(before) {
  if (!before) return put("changes", empty("choose the JSON file of an earlier run"));
  const old = ratiosOf(before);
  const rows = [...ratiosOf(run)].filter(([key]) => old.has(key)).map(([key, now]) => {
    const was = old.get(key), factor = now.value / was.value;
    const clear = (now.high < was.low || now.low > was.high) && Math.abs(factor - 1) > NOISE_FLOOR;
    return { key, was: was.value, now: now.value, factor, clear };
  }).sort((a, b) => b.clear - a.clear || a.factor - b.factor);
  if (!rows.length) return put("changes", empty("the two runs have no comparison in common"));
  const summary = document.createElement("p");
  summary.textContent = `${rows.length} comparisons in common, geometric mean of the change ${geometricMean(rows.map(row => row.factor)).toFixed(3)}, `
    + `typical size ${(100 * (geometricMean(rows.map(row => Math.max(row.factor, 1 / row.factor))) - 1)).toFixed(1)} %; `
    + `${rows.filter(row => row.clear && row.factor < 1).length} slower and ${rows.filter(row => row.clear && row.factor > 1).length} faster beyond the noise floor of ${100 * NOISE_FLOOR} %`;
  const verdict = row => row.clear ? row.factor < 1 ? "slower" : "faster" : "noise";
  return put("changes", summary, plainTable(rows, [
    { name: "comparison", of: row => row.key, text: true },
    { name: "before", of: row => row.was, show: v => v.toFixed(2) },
    { name: "after", of: row => row.now, show: v => v.toFixed(2) },
    { name: "change", of: row => row.factor, show: v => v.toFixed(3), mark: row => row.clear ? row.factor < 1 ? "slow" : "good" : "" },
    { name: "verdict", of: verdict, text: true },
  ]));
}

function draw() {
  const rows = chosenRows();
  drawTiles(rows);
  drawBars(rows);
  drawNetworks(rows);
  drawRoofline(rows);
  drawSizes(rows);
  drawScaling(rows);
  drawSmall(rows);
  drawTable(rows);
}

$("other-run").addEventListener("change", async event => {
  const file = event.target.files[0];
  if (file) drawChanges(JSON.parse(await file.text()));
});
prepareFilters();
drawFacts();
drawScores();
drawOther();
drawMemory();
drawGiven();
drawChanges(JSON.parse($("before").textContent));
draw();
