"use strict";
(() => {
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const figures = read("figures"), models = read("what-ifs");
  const root = document.documentElement;

  // ---- numbers in words, as the tool's own tables have them ----

  const grouped = (value, decimals) => value.toLocaleString("en-US", {minimumFractionDigits: decimals, maximumFractionDigits: decimals, roundingMode: "halfEven"});
  const count = (value) => grouped(value, 0);
  const exponent = (value, decimals) => value.toExponential(decimals).replace(/e([+-])(\d)$/, "e$10$2");
  const number = (value) => {
    if (value === 0) return "0";
    if (Math.abs(value) < 1e-4) return exponent(value, 3).replace(/\.?0+e/, "e");
    return Math.abs(value) >= 1000 ? count(value) : String(Number(value.toPrecision(4)));
  };
  const ms = (value) => {
    const size = Math.abs(value);
    return grouped(value, size >= 999.95 ? 0 : size >= 9.995 ? 1 : size >= 0.9995 || !size ? 2 : 3);
  };
  const usd = (value) => {
    const size = Math.abs(value);
    if (size >= 99.995) return count(value);
    if (size >= 0.9995 || !size) return grouped(value, 2);
    if (size < 1e-4) return exponent(value, 2);
    const [whole, decimals] = value.toFixed(2 - Math.floor(Math.log10(size))).split(".");
    return `${whole}.${decimals.replace(/0+$/, "").padEnd(2, "0")}`;
  };
  const usdSigned = (value) => {
    const words = usd(value);
    return words.startsWith("-") || !value ? words : `+${words}`;
  };
  const ratio = (value) => {
    const perCent = 100 * value;
    if (perCent && Math.abs(perCent) < 0.005) return perCent > 0 ? "<0.01 %" : ">-0.01 %";
    return Math.abs(perCent) >= 999.5 || !perCent ? `${count(perCent)} %` : `${Number(perCent.toPrecision(3))} %`;
  };
  const chance = (value) => value < 0.01 ? "< 1 %" : value > 0.99 ? "> 99 %" : `${grouped(100 * value, 0)} %`;
  const writers = {chance, count, number, ms, usd, usd_signed: usdSigned, ratio};
  const inWords = (kind, value) => value === null || value === undefined ? "-" : (writers[kind] || String)(value);

  // ---- colours: the style sheet's, as the theme has them ----

  const probe = document.body.appendChild(document.createElement("span"));
  probe.hidden = true;
  const colour = (name) => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  const series = (place) => colour(`series-${place % 8}`);
  const DASHES = ["solid", [7, 4], [2, 3], [9, 3, 2, 3], [1, 2]];

  // ---- charts ----

  const small = () => root.clientWidth < 480;
  const font = () => ({fontFamily: getComputedStyle(document.body).fontFamily, fontSize: 12, color: colour("soft")});

  /** 1, 2 and 5 of every decade between two ends; the ends of a logarithmic axis are seldom round. */
  function roundSteps(least, most) {
    const found = [];
    for (let decade = Math.floor(Math.log10(least)); decade <= Math.ceil(Math.log10(most)); decade += 1) {
      [1, 2, 5].forEach((digit) => found.push(digit * 10 ** decade));
    }
    return found.filter((value) => value >= least && value <= most);
  }

  function axis(told, extra) {
    const signed = told.kind === "usd_signed" || told.kind === "usd";
    const ends = extra && "min" in extra && !told.logarithmic && !(told.kind === "ratio" && extra.min === 0) ? {showMinLabel: false, showMaxLabel: false} : {};
    const steps = told.logarithmic && extra ? {customValues: roundSteps(extra.min, extra.max)} : {};
    return {
      type: told.logarithmic ? "log" : "value",
      name: told.title, nameLocation: "middle", nameGap: 30, nameTextStyle: font(),
      axisLabel: {...font(), ...steps, hideOverlap: true, ...ends,
        formatter: (value) => signed || told.kind === "ms" ? short(value) : inWords(told.kind, value)},
      axisLine: {lineStyle: {color: colour("line")}}, axisTick: {show: false, ...steps},
      splitLine: {lineStyle: {color: colour("line"), opacity: 0.6}}, ...extra,
    };
  }
  const short = (value) => {
    const size = Math.abs(value);
    return size >= 1e6 ? `${number(value / 1e6)} M` : size >= 1e4 ? `${number(value / 1e3)} k` : number(value);
  };

  const tooltip = () => ({
    renderMode: "richText", confine: true, backgroundColor: colour("panel"), borderColor: colour("line"),
    textStyle: {...font(), color: colour("ink")}, padding: 8,
  });

  function markLines(figure, position = "end") {
    return {
      silent: true, symbol: "none", animation: false,
      label: {...font(), formatter: (mark) => mark.name, position, distance: 4},
      data: figure.marks.map((mark) => ({
        xAxis: mark.at, name: mark.name,
        lineStyle: {color: colour(mark.at === 0 ? "ink" : "accent"), type: mark.at === 0 ? "solid" : "dashed", width: 1.5},
      })),
    };
  }

  function band(curve, place, steps) {
    const forth = [], back = [];
    curve.low.forEach((low, k) => {
      const high = curve.high[k];
      if (low === null || high === null) return;
      if (curve.across) {
        forth.push([low, curve.y[k]]);
        back.push([high, curve.y[k]]);
        return;
      }
      if (steps && k) {
        forth.push([curve.x[k], forth.at(-1)[1]]);
        back.push([curve.x[k], back.at(-1)[1]]);
      }
      forth.push([curve.x[k], low]);
      back.push([curve.x[k], high]);
    });
    const points = [...forth, ...back.reverse()];
    return {
      type: "custom", silent: true, clip: true, data: points.slice(0, 1), z: 1, tooltip: {show: false},
      renderItem: (_, api) => ({
        type: "polygon", shape: {points: points.map((point) => api.coord(point))}, style: {fill: series(place), opacity: 0.18},
      }),
    };
  }

  function curvesOption(figure) {
    const steps = figure.kind === "steps";
    const lines = figure.curves.map((curve, place) => ({
      type: "line", name: curve.name, data: curve.x.map((x, k) => [x, curve.y[k]]), showSymbol: false, step: steps ? "end" : false, z: 2,
      lineStyle: {color: series(place), width: 2.25, type: DASHES[place % DASHES.length]}, itemStyle: {color: series(place)},
      areaStyle: steps ? {color: series(place), opacity: 0.07} : undefined,
      markLine: place === 0 && figure.marks.length ? markLines(figure) : undefined,
    }));
    const all = figure.curves.flatMap((curve) => curve.y), tallest = Math.max(...all), lowest = Math.min(...all);
    const bands = figure.curves.flatMap((curve, place) => curve.low.length ? [band(curve, place, steps)] : []);
    const ends = figure.curves.flatMap((curve) => curve.x);
    const aside = figure.spots.length ? 0.05 * (Math.max(...ends) - Math.min(...ends)) : 0;
    const least = Math.min(...ends) - aside, most = Math.max(...ends) + aside;
    const highest = Math.max(...figure.curves.flatMap((curve) => [...curve.y, ...curve.high.filter((high) => high !== null)]));
    const step = highest > 0.3 ? 10 : 20;
    const room = 0.12 * (tallest - lowest) || 1;
    const around = {min: lowest - room, max: tallest + room};
    const whole = figure.y.kind === "ratio" ? {min: 0, max: steps ? Math.min(1, Math.ceil(highest * step) / step) : 1} : around;
    return {
      xAxis: axis(figure.x, {min: least, max: most}), yAxis: axis(figure.y, {nameGap: 48, ...whole}),
      tooltip: {...tooltip(), trigger: "axis", formatter: (points) => curveTip(figure, points)}, series: [...bands, ...lines, ...spots(figure, least, most)],
    };
  }

  /** Points with their names, on the side that has room; the chosen one is a diamond. */
  function spots(figure, min, max) {
    return figure.spots.length ? [{
      type: "custom", z: 4, clip: false, silent: true, tooltip: {show: false}, data: figure.spots.map((spot) => [spot.x, spot.y]),
      renderItem: (item, api) => {
        const spot = figure.spots[item.dataIndex], [x, y] = api.coord([spot.x, spot.y]), after = spot.x > (min + max) / 2;
        const words = {text: spot.name, x: after ? x - 11 : x + 11, y: y + (item.dataIndex % 2 ? -12 : 12), fill: colour("ink"),
          align: after ? "right" : "left", verticalAlign: "middle", fontSize: 12, fontFamily: font().fontFamily, stroke: colour("panel"), lineWidth: 3};
        return {type: "group", children: [
          pointAt(spot.chosen ? "diamond" : "circle", x, y, spot.chosen ? 8 : 5,
            {fill: series(spot.chosen ? 1 : 0), stroke: colour("panel"), lineWidth: 1.5}),
          {type: "text", style: words},
        ]};
      },
    }] : [];
  }

  function pointAt(shape, x, y, r, style) {
    if (shape === "circle") return {type: "circle", shape: {cx: x, cy: y, r}, style};
    const points = shape === "diamond" ? [[x, y - r], [x + r, y], [x, y + r], [x - r, y]] : [[x - r, y - r], [x + r, y - r], [x + r, y + r], [x - r, y + r]];
    return {type: "polygon", shape: {points}, style};
  }

  function curveTip(figure, points) {
    const told = points.filter((point) => point.seriesType === "line");
    if (!told.length) return "";
    const lines = told.map((point) => `${point.seriesName}: ${inWords(figure.y.kind, point.value[1])}`);
    return [`${inWords(figure.x.kind, told[0].value[0])}${figure.x.kind === "ms" ? " ms" : ""}`, ...lines].join("\n");
  }

  const categories = (labels) => ({
    type: "category", inverse: true, data: labels, axisTick: {show: false}, axisLine: {show: false},
    axisLabel: {...font(), color: colour("ink"), width: small() ? 84 : 150, overflow: "break", lineHeight: 15},
  });

  function stacksOption(figure) {
    const labels = [...new Set(figure.bars.map((bar) => bar.label))], parts = [...new Set(figure.bars.map((bar) => bar.part).filter((part) => part))];
    return {
      xAxis: axis(figure.x), yAxis: categories(labels),
      tooltip: {...tooltip(), trigger: "item", formatter: (bar) => `${bar.name}\n${bar.seriesName}: ${usd(bar.value)} USD`},
      series: parts.map((part, place) => ({
        type: "bar", name: part, stack: "all", barMaxWidth: 34,
        itemStyle: {color: series(place + 1), borderColor: colour("panel"), borderWidth: 1},
        data: lengths(figure, labels, part),
      })),
    };
  }

  /** How long a part is on each line; null where the line has none. */
  function lengths(figure, labels, part) {
    const found = new Map(figure.bars.filter((bar) => bar.part === part).map((bar) => [bar.label, bar.end - bar.start]));
    return labels.map((label) => found.get(label) ?? null);
  }

  /** The same upright, in the order of their labels. */
  function columnsOption(figure) {
    const {series: stacked} = stacksOption(figure), labels = [...new Set(figure.bars.map((bar) => bar.label))];
    return {
      xAxis: {type: "category", data: labels, axisTick: {show: false}, axisLine: {lineStyle: {color: colour("line")}},
        axisLabel: {...font(), hideOverlap: true}},
      yAxis: axis(figure.y, {nameGap: 52}),
      tooltip: {...tooltip(), trigger: "item", formatter: (bar) => `${bar.name}\n${bar.seriesName}: ${usd(bar.value)} USD`},
      series: stacked,
    };
  }

  /** How a judgement is drawn: filled where something is shown, so that it can be told without colours too. */
  const POINTS = {good: ["good", "circle", true], bad: ["bad", "diamond", true], doubt: ["doubt", "circle", false], quiet: ["soft", "circle", false]};
  const pointOf = (tone) => POINTS[tone] || ["series-2", "rect", true];

  /** A point with its interval on each line; an end that nothing supports goes on to the edge. */
  function intervalsOption(figure) {
    const known = figure.bars.flatMap((bar) => [bar.start, bar.end, bar.at]).filter((end) => end !== null);
    const held = [...known, ...figure.marks.map((mark) => mark.at)];
    const room = 0.06 * (Math.max(...held) - Math.min(...held)) || 1, min = Math.min(...held) - room, max = Math.max(...held) + room;
    const told = (end) => end === null ? "-" : inWords(figure.x.kind, end);
    return {
      xAxis: axis(figure.x, {min, max}), yAxis: categories(figure.bars.map(({label}) => small() ? label.replace(": ", ":\n") : label)),
      tooltip: {...tooltip(), trigger: "item", formatter: (item) => {
        const bar = figure.bars[item.dataIndex];
        return `${bar.label}\n${told(bar.at)} [${told(bar.start)}, ${told(bar.end)}]`;
      }},
      series: [{
        type: "custom", z: 2, encode: {x: [0, 1], y: 2}, markLine: markLines(figure, "start"),
        data: figure.bars.map((bar, k) => [bar.start ?? min, bar.end ?? max, k]),
        renderItem: (_, api) => {
          const row = api.value(2), bar = figure.bars[row], [name, symbol, filled] = pointOf(bar.tone), style = {stroke: colour(name), lineWidth: 2};
          const [left, y] = api.coord([api.value(0), row]), [right] = api.coord([api.value(1), row]);
          const whisker = (x) => ({type: "line", shape: {x1: x, y1: y - 5, x2: x, y2: y + 5}, style});
          const point = () => pointAt(symbol, api.coord([bar.at, row])[0], y, symbol === "diamond" ? 6.5 : 5, {...style, fill: colour(filled ? name : "panel")});
          return {type: "group", children: [
            {type: "line", shape: {x1: left, y1: y, x2: right, y2: y}, style},
            ...(bar.start === null ? [] : [whisker(left)]), ...(bar.end === null ? [] : [whisker(right)]), ...(bar.at === null ? [] : [point()]),
          ]};
        },
      }],
    };
  }

  function rangesOption(figure) {
    const likely = figure.marks.length ? figure.marks[0].at : 0, labels = figure.bars.map((bar) => bar.label);
    const half = (place, end) => ({
      type: "custom", z: 2, data: figure.bars.map((bar, k) => [Math.min(likely, bar[end]), Math.max(likely, bar[end]), k]),
      encode: {x: [0, 1], y: 2}, itemStyle: {color: series(place)},
      renderItem: (_, api) => {
        const [left, y] = api.coord([api.value(0), api.value(2)]), right = api.coord([api.value(1), api.value(2)])[0];
        const height = Math.min(26, api.size([0, 1])[1] * 0.6);
        return {type: "rect", shape: {x: left, y: y - height / 2, width: Math.max(0, right - left), height}, style: {fill: series(place)}};
      },
    });
    const [low, high] = [half(2, "start"), half(1, "end")];
    const ends = [0, ...figure.bars.flatMap((bar) => [bar.start, bar.end])];
    const room = 0.04 * (Math.max(...ends) - Math.min(...ends));
    return {
      xAxis: axis(figure.x, {min: Math.min(...ends) - room, max: Math.max(...ends) + room}), yAxis: categories(labels),
      tooltip: {...tooltip(), trigger: "item", formatter: (item) => {
        const bar = figure.bars[item.dataIndex];
        return `${bar.label}\nat low: net ${usdSigned(bar.start)}\nat high: net ${usdSigned(bar.end)}`;
      }},
      series: [{...low, markLine: markLines(figure, "start")}, high],
    };
  }

  const options = {curves: curvesOption, steps: curvesOption, stacks: stacksOption, columns: columnsOption, ranges: rangesOption, intervals: intervalsOption};

  function legendOf(figure) {
    if (figure.kind === "ranges") return [["driver at its low end", 2], ["at its high end", 1]].map(([name, place]) => ({name, place, block: true}));
    if (figure.kind === "stacks" || figure.kind === "columns") {
      return [...new Set(figure.bars.map((bar) => bar.part).filter((part) => part))].map((name, place) => ({name, place: place + 1, block: true}));
    }
    if (figure.kind === "intervals") {
      const judged = new Map(figure.bars.filter((bar) => bar.part).map((bar) => [bar.part, bar.tone]));
      return [...judged].map(([name, tone]) => ({name, tone}));
    }
    return figure.curves.length > 1 ? figure.curves.map((curve, place) => ({name: curve.name, place})) : [];
  }

  const SVG = "http://www.w3.org/2000/svg";
  function swatch({place, block, tone}) {
    if (tone) return signSwatch(pointOf(tone));
    const svg = document.createElementNS(SVG, "svg"), line = document.createElementNS(SVG, block ? "rect" : "line");
    const dash = DASHES[place % DASHES.length];
    const told = block ? {width: 24, height: 10, rx: 2, fill: series(place)}
      : {x1: 0, x2: 24, y1: 5, y2: 5, stroke: series(place), "stroke-width": 3, "stroke-dasharray": Array.isArray(dash) ? dash.join(" ") : "none"};
    Object.entries(told).forEach(([name, value]) => line.setAttribute(name, value));
    svg.setAttribute("viewBox", "0 0 24 10");
    svg.setAttribute("aria-hidden", "true");
    svg.append(line);
    return svg;
  }

  function signSwatch([name, symbol, filled]) {
    const svg = document.createElementNS(SVG, "svg"), shape = document.createElementNS(SVG, symbol === "circle" ? "circle" : "path");
    const told = {...(symbol === "circle" ? {cx: 12, cy: 5, r: 4} : {d: symbol === "diamond" ? "M12 0L17 5L12 10L7 5Z" : "M8 1H16V9H8Z"}),
      fill: filled ? colour(name) : "none", stroke: colour(name), "stroke-width": 1.5};
    Object.entries(told).forEach(([key, value]) => shape.setAttribute(key, value));
    svg.setAttribute("viewBox", "0 0 24 10");
    svg.setAttribute("aria-hidden", "true");
    svg.append(shape);
    return svg;
  }

  const charts = new Map();
  function chartIn(element) {
    if (!charts.has(element)) charts.set(element, echarts.init(element, null, {renderer: "svg"}));
    return charts.get(element);
  }

  function drawFigure(element) {
    const figure = figures[element.dataset.figure], lying = figure.kind === "columns" ? [] : figure.bars;
    const rows = figure.kind === "intervals" ? lying.length : new Set(lying.map((bar) => bar.label)).size;
    if (rows) element.style.height = `${Math.max(150, 90 + rows * (figure.kind === "intervals" ? 34 : 46))}px`;
    const left = rows ? (small() ? 96 : 164) : 72;
    const legend = document.getElementById(`legend-${element.dataset.figure}`);
    legend.replaceChildren(...legendOf(figure).map((entry) => {
      const item = document.createElement("li");
      item.append(swatch(entry), entry.name);
      return item;
    }));
    const chart = chartIn(element);
    chart.resize();
    chart.setOption({animation: false, grid: {left, right: 22, top: 26, bottom: 46, outerBoundsMode: "none"}, ...options[figure.kind](figure)}, true);
  }

  // ---- what if ----

  const floats = (packed, n) => {
    if (typeof packed === "number") return {length: n, at: () => packed};
    const bytes = Uint8Array.from(atob(packed), (char) => char.charCodeAt(0)), view = new DataView(bytes.buffer);
    const held = Float64Array.from({length: n}, (_, k) => view.getFloat32(4 * k, true));
    return {length: n, at: (k) => held[k]};
  };
  const moreThan = (amount, other) => Math.abs(amount - other) > 1e-12 * Math.max(Math.abs(amount), Math.abs(other)) ? amount - other : 0;

  function prepared(model) {
    const named = Object.fromEntries(model.sliders.map((slider) => [slider.name, slider]));
    const start = Object.fromEntries(model.sliders.map((slider) => [slider.name, slider.start]));
    const draws = model.draws && Object.fromEntries(["latency", "quality", "candidate", "baseline"].map((name) => [name, floats(model.draws[name], model.draws.n)]));
    return {...model, named, startAt: start, drawn: draws};
  }

  /** All that the positions stand for: the tool's own numbers at each of them. */
  function standing(model, at, everyMs) {
    const value = (name, otherwise) => model.named[name] ? model.named[name].positions[at[name]] : otherwise;
    const volume = at.volume || 0, saving = at.saved_ms || 0;
    const row = (grid) => grid && (grid.length > 1 ? grid[volume] : grid[0]);
    const gains = row(everyMs ? model.every_ms : model.gains), slower = row(model.slower);
    return {
      requests: value("volume", model.requests), worth: value("worth", 0), price: value("price", 1),
      quality: value("quality", model.quality ? model.quality.candidate : 0),
      candidate: model.costs.candidate[volume], baseline: model.costs.baseline[volume],
      gain: gains ? gains[saving] : gains === null && model.gains ? null : 0, slower: slower ? slower[saving] : false,
    };
  }

  function outcome(model, at, everyMs) {
    const here = standing(model, at, everyMs);
    if (here.candidate === null || here.baseline === null || here.gain === null) return {carried: false};
    const scale = model.requests ? here.requests / model.requests : 1;
    const latency = here.requests * here.worth * model.unit_usd * here.gain + model.fixed_value * scale;
    const quality = model.quality ? here.requests * model.quality.usd * (here.quality - model.quality.baseline) : 0;
    const premium = moreThan(here.price * here.candidate, here.baseline), worth = latency + quality;
    const declared = model.judging.declared || here.worth > 0;
    const net = moreThan(worth, premium);
    const still = Object.keys(at).every((name) => at[name] === model.startAt[name]) && !everyMs;
    const drawn = model.drawn ? netsDrawn(model, here, scale) : null;
    if (drawn && still && !model.draws.whole) Object.assign(drawn, {p: model.start.p_worth_it, ends: [model.start.net_low_usd_month, model.start.net_high_usd_month]});
    const p = drawn ? drawn.p : net >= -1e-9 * Math.max(Math.abs(worth), Math.abs(premium)) ? 1 : 0;
    return {carried: true, still, premium, value: declared ? worth : null, net, declared, slower: here.slower, p, drawn};
  }

  /** Net in every world the tool drew, each moved as its likely numbers are. */
  function netsDrawn(model, here, scale) {
    const from = standing(model, model.startAt, false), n = model.draws.n, nets = new Float64Array(n);
    const more = from.worth ? here.worth / from.worth : 1;
    const added = here.requests * here.worth * model.unit_usd * (from.worth ? here.gain - from.gain : here.gain);
    const better = model.quality ? model.quality.candidate - model.quality.baseline : 0;
    const now = model.quality ? here.quality - model.quality.baseline : 0;
    const flat = model.quality && !better ? here.requests * model.quality.usd * now : 0;
    const costs = from.candidate ? here.candidate / from.candidate : 1, others = from.baseline ? here.baseline / from.baseline : 1;
    let above = 0;
    for (let k = 0; k < n; k += 1) {
      const worth = scale * more * model.drawn.latency.at(k) + added + (better ? scale * model.drawn.quality.at(k) * now / better : flat);
      nets[k] = moreThan(worth, here.price * costs * model.drawn.candidate.at(k) - others * model.drawn.baseline.at(k));
      if (nets[k] >= 0) above += 1;
    }
    return {nets, p: above / n};
  }

  const quantile = (sorted, p) => {
    const place = (sorted.length - 1) * p, below = Math.floor(place), above = Math.min(below + 1, sorted.length - 1);
    return sorted[below] + (sorted[above] - sorted[below]) * (place - below);
  };

  /** The verdict that money gives, as the tool's own rules have it. */
  function judged(model, found) {
    const rules = model.judging;
    if (!found.carried) return "impossible";
    if (found.still || !rules.by_money) return model.start.verdict;
    if (!found.declared && found.premium > 0) return "no_reason_given";
    if (!rules.latency_known || rules.doubt || (!found.declared && found.slower)) return "undecided";
    if (found.declared && found.p <= rules.fail_at) return "not_worth_it";
    return found.p < rules.edge_from || !rules.answered_for ? "undecided" : "worth_it";
  }

  function because(model, found, verdict) {
    if (!found.carried) return "the servers cannot carry that many requests";
    if (found.still) return model.start.reason;
    const rules = model.judging, sure = found.drawn ? `, P(worth it) ${rules.best_case ? "at most " : ""}${chance(found.p)}` : "";
    const net = `net ${usdSigned(found.net)} USD a month${sure}`;
    if (!rules.by_money) return `decided by “${rules.decided_by}”; ${net}`;
    if (verdict === "no_reason_given") return `costs ${usd(found.premium)} USD a month more and nobody says what it is worth`;
    if (verdict === "undecided" && rules.doubt) return rules.doubt;
    if (verdict === "undecided" && found.p >= rules.edge_from && !rules.answered_for) return `${net}: ${rules.best_case ? "only the best case wins" : "nobody measured it"}, probe ${model.candidate}`;
    return net;
  }

  const SIGNS = {good: "✓", bad: "✕", doubt: "?"};
  function sign(tone) {
    const element = document.createElement("span");
    element.className = "sign";
    element.setAttribute("aria-hidden", "true");
    element.textContent = SIGNS[tone] || "";
    return element;
  }

  function panel(element) {
    const model = prepared(models[element.dataset.whatIf]);
    const out = (name) => element.querySelector(`[data-out="${name}"]`);
    const every = element.querySelector("[data-every]");
    const inputs = Object.fromEntries(model.sliders.map(({name}) => [name, element.querySelector(`[data-slider="${name}"] input`)]));
    const places = () => Object.fromEntries(Object.entries(inputs).map(([name, input]) => [name, Number(input.value)]));

    function say(name, kind, value) {
      const place = out(name);
      if (!place) return;
      place.textContent = inWords(kind, value);
      if (value === null || value === undefined) delete place.dataset.value;
      else place.dataset.value = String(value);
    }

    function refresh() {
      const at = places(), everyMs = Boolean(every && every.checked), found = outcome(model, at, everyMs);
      const verdict = judged(model, found), [word, tone] = model.words[verdict];
      out("verdict").replaceChildren(sign(tone), ` ${word}`);
      out("reason").textContent = because(model, found, verdict);
      element.querySelector(".result").className = `result ${tone}`;
      element.dataset.verdict = verdict;
      say("premium_usd_month", "usd_signed", found.premium);
      say("value_usd_month", "usd", found.value);
      const counts = found.carried && (model.judging.weighed || found.declared);
      say("net_usd_month", "usd_signed", counts ? found.net : null);
      say("p_worth_it", "chance", found.drawn && counts ? found.p : null);
      ends(found.drawn && counts ? found : {});
      model.sliders.forEach((slider) => {
        const words = `${inWords(slider.kind, slider.positions[at[slider.name]])} ${slider.unit}`.trim();
        element.querySelector(`[data-said="${slider.name}"]`).textContent = words;
        inputs[slider.name].setAttribute("aria-valuetext", words);
        drawCurve(element.querySelector(`[data-slider="${slider.name}"] .curve`), model, slider, at, everyMs);
      });
    }

    function ends(found) {
      const place = out("net_usd_month_ends");
      if (!found.drawn) {
        place.textContent = "";
        return;
      }
      const sorted = found.drawn.nets.slice().sort();
      const [low, high] = found.drawn.ends || [quantile(sorted, 0.05), quantile(sorted, 0.95)];
      place.textContent = `${usdSigned(low)}..${usdSigned(high)} (90 %)`;
      Object.assign(place.dataset, {low: String(low), high: String(high)});
    }

    let asked = 0;
    const soon = () => {
      if (!asked) asked = requestAnimationFrame(() => { asked = 0; refresh(); });
    };
    Object.values(inputs).forEach((input) => input.addEventListener("input", soon));
    if (every) every.addEventListener("change", refresh);
    const reset = () => {
      model.sliders.forEach((slider) => { inputs[slider.name].value = slider.start; });
      if (every) every.checked = false;
    };
    element.querySelector("[data-reset]").addEventListener("click", () => { reset(); refresh(); });
    element.querySelectorAll("[data-turn]").forEach((button) => button.addEventListener("click", () => {
      reset();
      const slider = model.named[button.dataset.turn];
      inputs[slider.name].value = slider.turn;
      if (every && slider.name === "worth") every.checked = true;
      inputs[slider.name].focus();
      refresh();
    }));
    reset();
    return refresh;
  }

  /** Net along one slider, all others where they are, drawn above its track. */
  function drawCurve(element, model, slider, at, everyMs) {
    if (!element.clientWidth) return;
    const light = {...model, drawn: null};
    const nets = slider.positions.map((_, k) => {
      const found = outcome(light, {...at, [slider.name]: k}, everyMs);
      return found.carried ? found.net : null;
    });
    const side = (sign) => nets.map((net) => net === null ? null : sign * Math.max(0, sign * net));
    const quiet = {type: "line", showSymbol: false, silent: true};
    const area = (data, name) => ({...quiet, data, lineStyle: {width: 0}, areaStyle: {color: colour(name), opacity: 0.3}});
    const line = (data, name, width) => ({...quiet, data, lineStyle: {width, color: colour(name)}});
    const dot = {...quiet, showSymbol: true, showAllSymbol: true, symbol: "circle", symbolSize: 9, itemStyle: {color: colour("accent")},
      data: nets.map((net, k) => k === at[slider.name] ? net : null)};
    const ends = [0, ...nets.filter((net) => net !== null)], room = 0.15 * (Math.max(...ends) - Math.min(...ends)) || 1;
    const chart = chartIn(element);
    chart.resize();
    chart.setOption({
      animation: false, grid: {left: 8, right: 8, top: 6, bottom: 6, outerBoundsMode: "none"},
      xAxis: {type: "category", show: false, boundaryGap: false, data: nets.map((_, k) => k)},
      yAxis: {type: "value", show: false, min: Math.min(...ends) - room, max: Math.max(...ends) + room},
      series: [area(side(1), "good"), area(side(-1), "bad"), line(nets.map(() => 0), "line", 1), line(nets, "soft", 1.5), dot],
    }, true);
  }

  const refreshes = [...document.querySelectorAll("[data-what-if]")].map(panel);
  function drawAll() {
    document.querySelectorAll("[data-figure]").forEach(drawFigure);
    refreshes.forEach((refresh) => refresh());
  }

  // ---- the theme, the width, the printer ----

  const dark = matchMedia("(prefers-color-scheme: dark)"), button = document.getElementById("theme");
  const isDark = () => root.dataset.theme ? root.dataset.theme === "dark" : dark.matches;
  function named() {
    button.textContent = isDark() ? "Light theme" : "Dark theme";
  }
  button.hidden = false;
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    named();
    drawAll();
  });
  dark.addEventListener("change", () => { named(); drawAll(); });

  let width = root.clientWidth;
  new ResizeObserver(() => {
    if (root.clientWidth === width) return;
    width = root.clientWidth;
    drawAll();
  }).observe(root);

  let before = null;
  addEventListener("beforeprint", () => {
    const short = (details) => details.querySelectorAll("tbody tr").length <= 12;  // a picture tells a long one on paper
    before = {theme: root.dataset.theme, closed: [...document.querySelectorAll("details:not([open])")].filter(short)};
    root.dataset.theme = "light";
    before.closed.forEach((details) => { details.open = true; });
    drawAll();
  });
  addEventListener("afterprint", () => {
    if (!before) return;
    if (before.theme) root.dataset.theme = before.theme;
    else delete root.dataset.theme;
    before.closed.forEach((details) => { details.open = false; });
    before = null;
    drawAll();
  });

  named();
  drawAll();
  root.dataset.ready = "true";
})();
