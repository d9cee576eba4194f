// Draws the figures from the data in the page, with BokehJS, and lets a reader move among the images.
// Texts go in as textContent or attributes only: nothing in the data can become markup.
"use strict";
(async () => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const { images, labels, looks, palette, ratio, scree } = data;
  const count = images.label.length;
  const at = (id) => document.getElementById(id);
  const uri = (i) => (images.picture[i] ? "data:image/jpeg;base64," + images.picture[i] : "");
  const name = (i) => images.path[i].split("/").pop();
  const SHOWN_NEIGHBOURS = 8;
  const near = (i) => images.near[i].slice(0, SHOWN_NEIGHBOURS);
  const axes = { x: 0, y: Math.min(1, images.scores.length - 1) };
  const number = new Intl.NumberFormat("en", { maximumSignificantDigits: 4 });
  const percent = new Intl.NumberFormat("en", { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 });
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const hidden = new Set();
  let chosen = -1;
  let ringed = []; // drawn with rings and lines beside the chosen image
  let selection = [];
  let groups = null; // a number per image where colours stand for something else than the class
  let layout = null; // a place per image where the map shows neighbours instead of components
  let engaged = false; // after a click on the map the wheel zooms; before, it scrolls the page

  const score = (j, i) => (j < images.scores.length ? images.scores[j][i] : 0);
  const across = (i) => (layout ? layout[i][0] : score(axes.x, i));
  const up = (i) => (layout ? layout[i][1] : score(axes.y, i));
  const axisLabel = (j) =>
    j < ratio.length ? `component ${j + 1} (${percent.format(ratio[j])} of the variance)` : "(no second component)";

  // ---- the figures ----------------------------------------------------------------------------------------------
  const points = new Bokeh.ColumnDataSource({ data: { x: [], y: [], colour: [], marker: [], alpha: [] } });
  const lines = new Bokeh.ColumnDataSource({ data: { x0: [], y0: [], x1: [], y1: [] } });
  const rings = new Bokeh.ColumnDataSource({ data: { x: [], y: [], size: [] } });

  const figure = (options) =>
    Bokeh.Plotting.figure({
      sizing_mode: "stretch_both", toolbar_location: null, background_fill_color: null, border_fill_color: null,
      outline_line_color: null, min_border_right: 12, ...options,
    });

  const map = figure({
    name: "map", tools: "pan,wheel_zoom,box_select", x_axis_label: axisLabel(axes.x), y_axis_label: axisLabel(axes.y),
    x_range: new Bokeh.Range1d({ start: 0, end: 1 }), y_range: new Bokeh.Range1d({ start: 0, end: 1 }),
  });
  const [panTool, wheelTool, boxTool] = ["PanTool", "WheelZoomTool", "BoxSelectTool"].map((type) =>
    map.toolbar.tools.find((tool) => tool.type === type));
  map.toolbar.active_scroll = wheelTool;
  map.toolbar.active_drag = panTool;
  const field = (column) => ({ field: column });
  const segments = map.segment(field("x0"), field("y0"), field("x1"), field("y1"), { source: lines, line_width: 1.5 });
  const dots = map.scatter(field("x"), field("y"), {
    source: points, size: count > 600 ? 7 : 9, marker: field("marker"), fill_color: field("colour"),
    line_color: null, fill_alpha: field("alpha"), name: "images",
  });
  const circles = map.scatter(field("x"), field("y"), {
    source: rings, size: field("size"), fill_color: null, line_width: 2.5, name: "rings",
  });
  for (const renderer of [segments, dots, circles]) {
    renderer.nonselection_glyph = null;
    renderer.selection_glyph = null;
  }

  const variance = figure({
    name: "scree", tools: "", x_axis_label: "components", y_axis_label: "share of the variance",
    y_range: new Bokeh.Range1d({ start: 0, end: 1.04 }),
  });
  variance.yaxis.formatter = new Bokeh.NumeralTickFormatter({ format: "0%" });
  const bars = variance.vbar({ x: scree.number, top: scree.single, width: 0.85, line_color: null });
  const curve = variance.line(scree.number, scree.cumulated, { line_width: 2.5 });
  const kept = new Bokeh.Span({ location: scree.k, dimension: "height", line_dash: [6, 4], line_width: 1.5 });
  const marks = [[kept, new Bokeh.Label({ x: scree.k, y: 0.03, x_offset: 5, text: `k = ${scree.k}` })]];
  if (scree.target !== null) {
    const target = new Bokeh.Span({ location: scree.target, dimension: "width", line_dash: [2, 3], line_width: 1.5 });
    const text = `target ${number.format(100 * scree.target)}%`;
    marks.push([target, new Bokeh.Label({
      x: scree.number.at(-1) ?? 1, y: scree.target, y_offset: -17, text_align: "right", text,
    })]);
  }
  for (const [span, label] of marks) {
    label.text_font_size = "12px";
    variance.add_layout(span);
    variance.add_layout(label);
  }

  const paint = () => {
    const css = getComputedStyle(document.documentElement);
    const [ink, quiet, line, leaf, bar, bad] = ["--ink", "--quiet", "--line", "--leaf", "--bar", "--bad"].map((n) =>
      css.getPropertyValue(n).trim());
    for (const plot of [map, variance]) {
      for (const axis of [...plot.xaxes, ...plot.yaxes]) {
        axis.setv({
          axis_label_text_color: ink, major_label_text_color: ink, axis_line_color: quiet, major_tick_line_color: quiet,
          minor_tick_line_color: null, axis_label_text_font_style: "normal", axis_label_text_font_size: "13px",
          major_label_text_font_size: "12px",
        });
      }
      for (const grid of [...plot.xgrids, ...plot.ygrids]) grid.grid_line_color = line;
    }
    bars.glyph.fill_color = { value: bar };
    curve.glyph.line_color = { value: leaf };
    circles.glyph.line_color = { value: ink };
    segments.glyph.line_color = { value: quiet };
    for (const [span, label] of marks) {
      span.line_color = bad;
      label.text_color = bad;
    }
  };

  const spread = (values) => {
    const low = Math.min(...values), high = Math.max(...values);
    const margin = 0.05 * (high - low) || 1;
    return [low - margin, high + margin];
  };
  const extent = (axis) => spread(images.label.map((_, i) => (axis === "x" ? across : up)(i)));
  const whole = () => {
    for (const [range, axis] of [[map.x_range, "x"], [map.y_range, "y"]]) {
      const [start, end] = extent(axis);
      // beyond these a map shows nothing: one point of it, or a dot in an empty field
      range.setv({ min_interval: (end - start) / 1000, max_interval: 2 * (end - start) });
      range.setv({ start, end });
    }
  };
  const zoom = (wanted) => {
    const width = map.x_range.end - map.x_range.start;
    const factor = Math.min(Math.max(wanted, map.x_range.min_interval / width), map.x_range.max_interval / width);
    for (const [range, middle] of [[map.x_range, chosen < 0 ? null : across(chosen)],
      [map.y_range, chosen < 0 ? null : up(chosen)]]) {
      const inside = middle !== null && middle > range.start && middle < range.end;
      const centre = inside ? middle : (range.start + range.end) / 2;
      range.setv({ start: centre + (range.start - centre) * factor, end: centre + (range.end - centre) * factor });
    }
  };
  const place = (emphasised = null) => {
    points.data = {
      x: images.label.map((_, i) => across(i)),
      y: images.label.map((_, i) => up(i)),
      colour: images.label.map((label, i) => (groups ? palette[groups[i]][0] : looks[label][0])),
      marker: images.label.map((label) => looks[label][1]),
      alpha: images.label.map((label) => (hidden.has(label) ? 0 : emphasised === null || emphasised === label ? 0.85 : 0.12)),
    };
  };
  const mark = () => {
    const beside = chosen < 0 ? [] : ringed.filter((i) => !hidden.has(images.label[i]));
    const circled = chosen < 0 ? selection : [chosen, ...beside];
    rings.data = {
      x: circled.map(across), y: circled.map(up),
      size: circled.map((i) => (i === chosen ? 20 : 13)),
    };
    lines.data = {
      x0: beside.map(() => across(chosen)), y0: beside.map(() => up(chosen)), x1: beside.map(across), y1: beside.map(up),
    };
  };

  // ---- the chosen image -----------------------------------------------------------------------------------------
  const element = (tag, text, attributes = {}) => {
    const made = document.createElement(tag);
    if (text) made.textContent = text;
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  };
  const photograph = (i, alt) =>
    images.picture[i] ? element("img", "", { src: uri(i), alt, width: 96, height: 96 })
      : element("span", "no picture", { class: "none", role: "img", "aria-label": alt + " (no picture)" });

  const choose = (i, beside = i < 0 ? [] : near(i)) => {
    chosen = i;
    ringed = beside;
    mark();
    if (i < 0) {
      at("chosen").replaceChildren(element("p", "No image is chosen.", { class: "hint" }));
      at("near").replaceChildren();
      at("near-title").hidden = true;
      return;
    }
    const label = labels[images.label[i]];
    const where = `component ${axes.x + 1}: ${number.format(score(axes.x, i))}, component ${axes.y + 1}: ` +
      number.format(score(axes.y, i));
    const title = element("p");
    title.append(element("b", label));
    at("chosen").replaceChildren(photograph(i, `${label}, ${name(i)}`), title, element("p", images.path[i], { class: "hint" }),
      element("p", where, { class: "hint" }), element("p", `image ${i + 1} of ${count}`, { class: "hint" }));
    at("near").replaceChildren(...near(i).map((j, rank) => {
      const same = images.label[j] === images.label[i];
      const other = labels[images.label[j]];
      const button = element("button", "", {
        type: "button", class: same ? "same" : "other", title: `${other}, ${name(j)}`,
        "aria-label": `neighbour ${rank + 1}: ${other}, ${name(j)}${same ? "" : ", another class"}`,
      });
      button.append(photograph(j, ""), element("span", other));
      button.addEventListener("click", () => {
        choose(j);
        at("near").querySelector("button")?.focus({ preventScroll: true });
      });
      const item = element("li");
      item.append(button);
      return item;
    }));
    at("near-title").hidden = images.near[i].length === 0;
    show(i);
  };
  const show = (i) => {
    for (const [range, value] of [[map.x_range, across(i)], [map.y_range, up(i)]]) {
      const width = range.end - range.start;
      if (value < range.start || value > range.end) range.setv({ start: value - width / 2, end: value + width / 2 });
    }
  };
  const step = (by) => {
    if (hidden.size === labels.length) return;
    let i = chosen;
    do i = (i < 0 && by < 0 ? count - 1 : i + by + count) % count;
    while (hidden.has(images.label[i]));
    choose(i);
  };
  const pixels = () => ({
    x: map.inner_width / (map.x_range.end - map.x_range.start), y: map.inner_height / (map.y_range.end - map.y_range.start),
  });
  const move = (dx, dy) => {
    if (chosen < 0) return step(1);
    const scale = pixels();
    let best = -1, least = Infinity;
    for (let i = 0; i < count; i++) {
      if (i === chosen || hidden.has(images.label[i])) continue;
      const x = (across(i) - across(chosen)) * scale.x, y = (up(i) - up(chosen)) * scale.y;
      const along = x * dx + y * dy, aside = Math.abs(x * dy - y * dx);
      if (along > 0 && aside <= along && along + 2 * aside < least) [best, least] = [i, along + 2 * aside];
    }
    if (best >= 0) choose(best);
  };
  const closest = (x, y, reach) => {
    const scale = pixels();
    let best = -1, least = reach * reach;
    for (let i = 0; i < count; i++) {
      if (hidden.has(images.label[i])) continue;
      const d = ((across(i) - x) * scale.x) ** 2 + ((up(i) - y) * scale.y) ** 2;
      if (d <= least) [best, least] = [i, d];
    }
    return best;
  };

  // ---- the pointer and the keyboard -----------------------------------------------------------------------------
  const tip = at("tip");
  const pointer = { x: 0, y: 0 };
  const hover = (i) => {
    tip.hidden = i < 0;
    at("map").style.cursor = i < 0 ? "" : "pointer";
    if (i < 0) return;
    const [picture, label, file] = tip.children;
    picture.hidden = !images.picture[i];
    if (images.picture[i]) picture.src = uri(i);
    label.textContent = labels[images.label[i]];
    file.textContent = name(i);
    const { width, height } = tip.getBoundingClientRect();
    tip.style.left = `${Math.max(4, Math.min(pointer.x + 16, innerWidth - width - 4))}px`;
    tip.style.top = `${pointer.y + height + 20 < innerHeight ? pointer.y + 16 : Math.max(4, pointer.y - height - 12)}px`;
  };
  at("map").addEventListener("pointermove", (event) => Object.assign(pointer, { x: event.clientX, y: event.clientY }), true);
  at("map").addEventListener("pointerleave", () => hover(-1));
  for (const range of [map.x_range, map.y_range]) range.connect(range.change, () => hover(-1));
  const engage = (yes) => { engaged = yes; };
  at("map").addEventListener("pointerdown", () => engage(true), true);
  document.addEventListener("pointerdown", (event) => { if (!at("map").contains(event.target)) engage(false); });
  at("map").addEventListener("wheel", (event) => {
    if (!(engaged || event.ctrlKey || event.metaKey)) event.stopPropagation(); // the page scrolls instead
  }, true);
  map.on_event("mousemove", (event) => hover(closest(event.x, event.y, 14)));
  map.on_event("mouseleave", () => hover(-1));
  map.on_event("tap", (event) => choose(closest(event.x, event.y, 20)));
  at("map").addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const act = {
      ArrowLeft: () => move(-1, 0), ArrowRight: () => move(1, 0), ArrowUp: () => move(0, 1), ArrowDown: () => move(0, -1),
      n: () => step(1), p: () => step(-1), "+": () => zoom(1 / 1.5), "=": () => zoom(1 / 1.5), "-": () => zoom(1.5),
      0: whole, Escape: () => (choose(-1), hover(-1), engage(false)),
      Enter: () => { if (chosen < 0) step(1); at("near").querySelector("button")?.focus(); },
    }[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (act) {
      event.preventDefault();
      act();
    }
  });
  at("near").addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const buttons = [...at("near").querySelectorAll("button")];
    if (by) {
      event.preventDefault();
      buttons[(buttons.indexOf(document.activeElement) + by + buttons.length) % buttons.length]?.focus();
    } else if (event.key === "Escape") at("map").focus();
  });
  at("previous").addEventListener("click", () => step(-1));
  at("next").addEventListener("click", () => step(1));
  at("zoom-in").addEventListener("click", () => zoom(1 / 1.5));
  at("zoom-out").addEventListener("click", () => zoom(1.5));
  at("zoom-reset").addEventListener("click", whole);

  for (const axis of ["x", "y"]) {
    const select = at(`axis-${axis}`);
    images.scores.forEach((_, j) => select.append(element("option", `component ${j + 1}`, { value: j })));
    select.value = axes[axis];
    select.addEventListener("change", () => {
      axes[axis] = Number(select.value);
      map[`${axis}axis`].axis_label = axisLabel(axes[axis]);
      place();
      whole();
      choose(chosen);
    });
  }

  const SHAPES = {
    circle: "M8 3a5 5 0 1 0 .01 0Z", square: "M3.5 3.5h9v9h-9Z", triangle: "M8 2.5 13.5 13h-11Z", diamond: "M8 2l4.5 6L8 14 3.5 8Z",
    inverted_triangle: "M2.5 3h11L8 13.5Z", hex: "M8 2.5l4.8 2.75v5.5L8 13.5l-4.8-2.75v-5.5Z",
    star: "M8 1.5l1.9 4.2 4.6.5-3.4 3.1.9 4.5L8 11.5l-4 2.3.9-4.5L1.5 6.2l4.6-.5Z",
  };
  const svg = (tag, attributes) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  };
  const members = labels.map(() => 0);
  for (const label of images.label) members[label] += 1;
  const buttons = [];
  const redraw = () => {
    buttons.forEach((button, k) => button.setAttribute("aria-pressed", String(!hidden.has(k))));
    place();
    if (chosen >= 0 && hidden.has(images.label[chosen])) choose(-1);
    else mark();
  };
  const showOnly = (classes) => {
    hidden.clear();
    labels.forEach((_, k) => { if (!classes.includes(k)) hidden.add(k); });
    redraw();
  };
  labels.forEach((label, k) => {
    const button = element("button", "", { type: "button", "aria-pressed": "true", title: `${members[k]} shown` });
    const swatch = svg("svg", { viewBox: "0 0 16 16", width: 14, height: 14, "aria-hidden": "true" });
    swatch.append(svg("path", { d: SHAPES[looks[k][1]], fill: looks[k][0] }));
    button.append(swatch, element("span", label));
    button.addEventListener("click", () => {
      if (!hidden.delete(k)) hidden.add(k);
      redraw();
    });
    button.addEventListener("dblclick", () => showOnly([k]));
    buttons.push(button);
    for (const event of ["pointerenter", "focus"]) button.addEventListener(event, () => place(hidden.has(k) ? null : k));
    for (const event of ["pointerleave", "blur"]) button.addEventListener(event, () => place());
    at("legend").append(button);
  });

  const matching = () => {
    const text = at("class-search").value.trim().toLowerCase();
    return labels.map((_, k) => k).filter((k) => labels[k].toLowerCase().includes(text));
  };
  at("class-search").addEventListener("input", () => {
    const found = new Set(matching());
    buttons.forEach((button, k) => { button.hidden = !found.has(k); });
  });
  at("class-search").addEventListener("keydown", (event) => { if (event.key === "Enter") at("only").click(); });
  at("only").addEventListener("click", () => showOnly(matching()));
  at("all").addEventListener("click", () => {
    at("class-search").value = "";
    for (const button of buttons) button.hidden = false;
    showOnly(labels.map((_, k) => k));
  });

  // ---- colours by something else than the class -------------------------------------------------------------------
  const folders = images.path.map((path) => path.split("/").slice(0, -2));
  const depth = Math.max(0, ...folders.map((names) => names.length));
  const columns = [{ text: "class" }];
  for (let level = 0; level < depth; level++) {
    const values = folders.map((names) => names[level] ?? "");
    const names = [...new Set(values)].sort();
    if (names.length > 1 && names.length <= palette.length) {
      columns.push({ text: `folder ${level + 1}`, names, of: values.map((value) => names.indexOf(value)) });
    }
  }
  const clusters = 1 + Math.max(0, ...images.cluster);
  columns.push({ text: "cluster (k-means)", names: [...Array(clusters).keys()].map((k) => `cluster ${k + 1}`), of: images.cluster });
  const taken = (at("confusions")?.dataset.taken ?? "").split(" ").filter(Boolean).map(Number);
  if (taken.length === count) {
    columns.push({ text: "what the classifier says", names: ["right", "another class", "not tested"],
      of: taken.map((k, i) => (k < 0 ? 2 : k === images.label[i] ? 0 : 1)) });
  }
  if (data.rejects.names.length > 1) {
    columns.push({ text: "why images of the class were rejected", names: data.rejects.names, of: images.label.map((k) => data.rejects.of[k]) });
  }
  columns.push({ text: "neighbours of the same class", names: [...palette.keys()].map((k) => `${Math.round((100 * k) / (palette.length - 1))}%`),
    of: images.near.map((_, i) => Math.round((palette.length - 1) * near(i).filter((k) => images.label[k] === images.label[i]).length /
      Math.max(near(i).length, 1))) });
  columns.forEach(({ text }, k) => at("colour-by").append(element("option", text, { value: k })));
  at("colour-by").addEventListener("change", () => {
    const { names, of } = columns[Number(at("colour-by").value)];
    groups = of ?? null;
    at("key").hidden = !of;
    at("key").replaceChildren(...(names ?? []).flatMap((text, k) => {
      const images_of = (of ?? []).filter((group) => group === k).length;
      if (!images_of) return [];
      const item = element("li"), swatch = element("i", "", { "aria-hidden": "true" });
      swatch.style.background = palette[k][0];
      item.append(swatch, `${text} (${images_of})`);
      return [item];
    }));
    place();
  });

  // ---- the map of neighbours --------------------------------------------------------------------------------------
  const seeded = (seed) => () => { // mulberry32: the same map each time
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  const pause = () => new Promise((resume) => setTimeout(resume));
  let neighbours = null;
  const embed = async () => {
    const umap = new UMAP.UMAP({ nNeighbors: images.near[0].length + 1, random: seeded(1) });
    umap.setPrecomputedKNN(images.near.map((ids, i) => [i, ...ids]), images.apart.map((far) => [0, ...far]));
    at("progress").textContent = "placing neighbours …";
    await pause();
    const epochs = umap.initializeFit(images.near), places = umap.getEmbedding();
    const size = Math.max(...images.scores[0].map(Math.abs), Number.MIN_VALUE);
    // from the components, not from chance: far groups keep their places (Kobak and Linderman, 2021)
    places.forEach((row, i) => row.splice(0, 2, (10 * score(0, i)) / size + row[0] / 1e4, (10 * score(1, i)) / size + row[1] / 1e4));
    for (let epoch = 0, shown = performance.now(); epoch < epochs; epoch++) {
      umap.step();
      if (performance.now() - shown < 100) continue;
      at("progress").textContent = `placing neighbours: ${Math.round((100 * epoch) / epochs)}%`;
      await pause();
      shown = performance.now();
    }
    at("progress").textContent = "";
    return places;
  };
  at("layout").disabled = count < 4;
  at("layout").addEventListener("change", async () => {
    const wanted = at("layout").value === "neighbours";
    if (wanted && !neighbours) neighbours = await (embed.running ??= embed());
    layout = at("layout").value === "neighbours" ? neighbours : null;
    for (const axis of ["x", "y"]) {
      at(`axis-${axis}`).disabled = layout !== null;
      map[`${axis}axis`].axis_label = layout ? "" : axisLabel(axes[axis]);
    }
    place();
    whole();
    mark();
    document.documentElement.dataset.layout = layout ? "neighbours" : "components";
  });

  // ---- a selection, and its export --------------------------------------------------------------------------------
  at("select").addEventListener("click", () => {
    const selecting = at("select").getAttribute("aria-pressed") !== "true";
    at("select").setAttribute("aria-pressed", String(selecting));
    (selecting ? boxTool : panTool).active = true;
    (selecting ? panTool : boxTool).active = false;
  });
  const selectWithin = ({ x0, x1, y0, y1 }) => {
    const between = (value, a, b) => value >= Math.min(a, b) && value <= Math.max(a, b);
    selection = images.label.map((_, i) => i).filter((i) => !hidden.has(images.label[i]) &&
      between(across(i), x0, x1) && between(up(i), y0, y1));
    at("save").disabled = selection.length === 0;
    at("save").textContent = selection.length ? `save ${selection.length} selected as CSV` : "save selection as CSV";
    choose(-1);
  };
  map.on_event("selectiongeometry", ({ geometry, final }) => { if (final && geometry.type === "rect") selectWithin(geometry); });
  // quoted, and with an apostrophe before what a spreadsheet would take for a formula
  const cell = (value) => `"${String(value).replace(/^[=+\-@\t\r]/, "'$&").replaceAll('"', '""')}"`;
  const csv = () => {
    const head = ["path", "label", ...images.scores.map((_, j) => `pc${j + 1}`)];
    const rows = selection.map((i) => [cell(images.path[i]), cell(labels[images.label[i]]), ...images.scores.map((s) => s[i])]);
    return [head, ...rows].map((row) => row.join(",")).join("\r\n") + "\r\n";
  };
  at("save").addEventListener("click", () => {
    const link = element("a", "", { download: "selection.csv" });
    link.href = URL.createObjectURL(new Blob([csv()], { type: "text/csv" }));
    link.click();
    URL.revokeObjectURL(link.href);
  });

  // ---- findings ---------------------------------------------------------------------------------------------------
  for (const button of document.querySelectorAll(".findings button")) {
    const [first, ...others] = button.dataset.images.split(" ").map(Number);
    button.querySelector(".pair").append(...[first, ...others].map((i) => photograph(i, labels[images.label[i]])));
    button.addEventListener("click", () => {
      for (const i of others) hidden.delete(images.label[i]);
      lookAt(first, others.length ? others : near(first));
    });
  }

  // ---- pictures of a confusion ------------------------------------------------------------------------------------
  const lookAt = (i, beside) => {
    hidden.delete(images.label[i]);
    redraw();
    choose(i, beside);
    at("map-title").scrollIntoView();
    at("map").focus({ preventScroll: true });
  };
  for (const button of document.querySelectorAll("button.row")) {
    button.addEventListener("click", () => {
      const { is, predicted } = button.dataset;
      const pictures = images.label.map((_, i) => i).filter((i) => labels[images.label[i]] === is && taken[i] >= 0 &&
        (predicted ? labels[taken[i]] === predicted : taken[i] !== images.label[i]));
      const what = `${is} taken for ${predicted || "another class"}`;
      at("confused").hidden = false;
      at("confused-title").textContent = pictures.length ? `${what}: ${pictures.length} of the images shown` : `${what}: none of the images shown`;
      at("confused").querySelector("ul").replaceChildren(...pictures.map((i) => {
        const item = element("li"), picture = element("button", "", { type: "button", title: images.path[i] });
        picture.append(photograph(i, `${is}, ${name(i)}`), element("span", labels[taken[i]]));
        picture.addEventListener("click", () => lookAt(i));
        item.append(picture);
        return item;
      }));
      at("confused-title").focus({ preventScroll: true });
      at("confused").scrollIntoView({ block: "nearest" });
    });
  }

  place();
  whole();
  paint();
  dark.addEventListener("change", paint);
  at("map-bar").hidden = at("legend-bar").hidden = images.scores.length === 0;
  const view = await Bokeh.Plotting.show(map, at("map"));
  const screeView = await Bokeh.Plotting.show(variance, at("scree"));
  view.canvas_view.events_el.style.touchAction = "pan-y"; // swipes scroll the page
  for (const shown of [view, screeView]) shown.canvas_view.el.removeAttribute("tabindex"), shown.canvas_view.events_el.removeAttribute("tabindex");
  window.fruits = { map, variance, view, choose, selectWithin, csv, chosen: () => chosen };
  document.documentElement.dataset.ready = "yes";
})();
