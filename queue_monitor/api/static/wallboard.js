// The wallboard: draws what the server sends, lets the waits tick in between, and says so when it can no longer know.
// Numbers are written by the same rules as in texts/format.py; a test holds the two together.

const STALE_MS = 10_000;
const RECONNECT_MS = 15_000;
const TURN_MS = 10_000;
const TICK_MS = 200;
const ENDED = ["period_lost", "period_refused"];
const NONE = "–";
const SPACE = "\u00a0";

const page = JSON.parse(document.getElementById("page").textContent);
const texts = page.texts;
const wall = matchMedia("(min-width: 900px) and (min-height: 480px) and (min-aspect-ratio: 4/3)");
const at = (id) => document.getElementById(id);

// ---- words and numbers

export function say(key, values = {}) {
  return (texts[key] ?? "").replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

/** A share with one decimal, never rounded across the target nor up to 100 %. */
export function percent(ratio, target = null) {
  if (ratio === null || ratio === undefined) return NONE;
  let tenths = Math.floor(ratio * 1000 + 0.5);
  if (target !== null && ratio >= target) tenths = Math.max(tenths, Math.ceil(target * 1000 - 1e-6));
  for (const bound of [target, 1]) {
    if (bound !== null && ratio < bound) tenths = Math.min(tenths, Math.ceil(bound * 1000 - 1e-6) - 1);
  }
  return say("percent", { number: `${Math.floor(tenths / 10)}${texts.decimal}${tenths % 10}` });
}

export function plainPercent(ratio) {
  return say("percent", { number: (ratio * 100).toFixed(4).replace(/\.?0+$/, "").replace(".", texts.decimal) });
}

export function count(number) {
  if (number === null || number === undefined) return NONE;
  return String(number).replace(/\B(?=(\d{3})+$)/g, texts.thousands);
}

const clocks = new Map();
function timeOfDay(moment, zone) {
  if (!clocks.has(zone)) {
    const days = { year: "numeric", month: "numeric", day: "numeric" };
    const parts = { timeZone: zone, ...days, hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
    clocks.set(zone, new Intl.DateTimeFormat("sv-SE", parts));
  }
  const found = {};
  for (const { type, value } of clocks.get(zone).formatToParts(moment)) found[type] = value;
  return found;
}

export function clock(moment, zone, seconds = false) {
  if (moment === null || moment === undefined) return NONE;
  const { hour, minute, second } = timeOfDay(new Date(moment), zone);
  const parts = [String(Number(hour)), minute];
  if (seconds) parts.push(second);
  return parts.join(texts.clock_separator);
}

function date(moment, zone) {
  const { year, month, day } = timeOfDay(new Date(moment), zone);
  const weekday = say(`weekday.${(new Date(Date.UTC(year, month - 1, day)).getUTCDay() + 6) % 7}`);
  return say("date", { weekday, day: Number(day), month: say(`month.${Number(month)}`) });
}

/** A time of day, and of another day than today the day too. */
function clockAndDay(moment, zone, seconds = false) {
  if (moment === null || moment === undefined) return NONE;
  const [then, today] = [date(moment, zone), date(serverNow(), zone)];
  const time = clock(moment, zone, seconds);
  return then === today ? time : say("moment.other_day", { date: then, clock: time });
}

export function wait(seconds) {
  if (seconds === null || seconds === undefined) return NONE;
  const whole = Math.max(0, Math.floor(seconds));
  const two = (number) => String(number).padStart(2, "0");
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

/** A chosen length of time that does not break at the line's end: `5 min`. */
export function span(seconds) {
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  const rest = seconds % 60;
  const parts = [];
  if (hours) parts.push(say("hours_short", { hours }));
  if (minutes) parts.push(say("minutes_short", { minutes }));
  if ((rest && !hours) || !parts.length) parts.push(say("seconds_short", { seconds: rest }));
  return parts.join(" ").replaceAll(" ", SPACE);
}

// ---- small tools for the page

function put(id, text) {
  const element = at(id);
  if (element.textContent !== text) element.textContent = text;
}

/** Elements by name, attributes and children; a name with a colon-free SVG tag is made in SVG's namespace. */
const SVG = "http://www.w3.org/2000/svg";
function svg(name, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}
function html(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}
function sign(name) {
  return svg("svg", { "aria-hidden": "true", focusable: "false" }, svg("use", { href: `#sign-${name}` }));
}

/** A number with its unit written smaller: `87,4` and ` %`. */
function putNumber(id, text, unit = "") {
  const element = at(id);
  const wanted = text + unit;
  if (element.textContent === wanted) return;
  element.replaceChildren(text, ...(unit ? [html("small", {}, unit)] : []));
}
function putPercent(id, text) {
  const unit = text.match(/[\s\u00a0]?%$/)?.[0] ?? "";
  putNumber(id, unit ? text.slice(0, -unit.length) : text, unit);
}
function putParts(id, parts) {
  const element = at(id);
  const wanted = parts.map(([text, mark, tone]) => `${text}|${mark ?? ""}|${tone ?? ""}`).join("\n");
  if (element.dataset.parts === wanted) return;
  element.dataset.parts = wanted;
  element.style.setProperty("--letters", parts.reduce((sum, [text]) => sum + text.length, 0));
  element.replaceChildren(...parts.map(([text, mark, tone]) =>
    html("span", tone ? { class: tone } : {}, ...(mark ? [sign(mark)] : []), text)));
}
function tone(element, names, chosen) {
  for (const name of names) element.classList.toggle(name, name === chosen);
}

const rem = () => parseFloat(getComputedStyle(document.documentElement).fontSize);

// ---- what is known, and since when

let board = page.board;
let heardAt = performance.now();
let heardOnce = false;
let stale = false;
let turn = 0;
let turnedAt = performance.now();

/** Real milliseconds since the last word, no further than we vouch for. */
const age = () => Math.min(performance.now() - heardAt, STALE_MS);
const serverNow = () => Date.parse(board.at) + (performance.now() - heardAt) * board.rate;
/** How long the longest has waited by now; of a queue that nobody can see, what was last known. */
function waited(queue) {
  if (queue.oldest_wait_ms === null) return null;
  return queue.oldest_wait_ms + (queue.trusted && queue.unheard < queue.waiting ? age() * board.rate : 0);
}

function urgency(milliseconds) {
  if (milliseconds === null) return "";
  if (milliseconds > board.target.limit_seconds * 1000) return "red";
  return milliseconds >= board.target.amber_seconds * 1000 ? "amber" : "";
}

/** Whether no switch has named any of the queues that this wall is to show. */
const nothingSeen = () => board.unseen.length > 0 && !board.queues.length;
/** The words for a day without calls: of one that nobody watched it is not known. */
const noCalls = (key) => say(board.total.day?.coverage_ratio === 0 ? "unmeasured" : key);

// ---- the tiles

function drawTiles() {
  const { total, target } = board;
  const limit = span(target.limit_seconds);
  const trusted = total.trusted && !stale;
  const nobodyKnows = total.reason === "no_source" || nothingSeen();
  for (const tile of document.querySelectorAll(".tile")) tile.classList.toggle("grey", !trusted);

  putNumber("waiting", nobodyKnows ? NONE : count(total.waiting));
  at("waiting").classList.toggle("long", total.waiting > 99);
  const waitingWords = nothingSeen() ? [NONE] : !trusted ? [say("last_known")] : total.waiting === 0 ? [say("nobody_waits")]
    : total.waiting_late ? [say("over_limit", { count: count(total.waiting_late), limit }), "out_of_reach", "bad"]
      : total.unheard ? [say("may_have_left", { count: count(total.unheard) })]
        : total.oldest_wait_ms === null ? [NONE] : [say("all_within", { limit }), "ok"];
  putParts("waiting-under", [waitingWords]);
  putParts("talking", [[`${say("talking")} ${count(total.talking)}`]]);

  const { day } = total;
  put("share-title", say("in_time_today", { limit }));
  const words = percent(day?.headline ?? null, target.ratio);
  putPercent("share", words);
  at("share").classList.toggle("long", words.replace(/\D/g, "").length > 3);
  const met = trusted ? (day?.meets_target ?? null) : null;
  tone(at("share"), ["good", "watch"], met === null ? "" : met ? "good" : "watch");
  const bounds = [];
  if (day?.floor != null && day?.ceiling != null) {
    bounds.push([`${say("floor", { floor: percent(day.floor, target.ratio) })} · ${say("ceiling", { ceiling: percent(day.ceiling, target.ratio) })}`]);
  }
  bounds.push([say("target", { target: plainPercent(target.ratio) }), met === null ? null : met ? "ok" : "at_risk", met === null ? "" : met ? "good" : "watch"]);
  putParts("bounds", bounds);
  putParts("definitions", definitions(day));
  at("tile-share").classList.toggle("wordy", ["D4", "D5"].includes(target.definition));
  drawShare(day);
  drawStaff(total.staff);
}

/** The words of the headline's own definition first, with the shares by D3 and D1 beside it. */
function definitions(period) {
  const { definition, limit_seconds: limit } = board.target;
  const others = ["D3", "D1", "D2"].filter((name) => name !== definition).slice(0, 2);
  const share = (name) => percent(period?.service_level[name] ?? null, board.target.ratio);
  return [
    [say(`definition.${definition}`, { limit: span(limit) })],
    ...others.map((name) => [`${say(`definition.${name}`, { limit: span(limit) })} ${share(name)}`]),
  ];
}

function drawShare(day) {
  const goal = board.target.ratio;
  const shown = [day?.headline, day?.floor].filter((ratio) => ratio != null);
  const low = Math.min(0.5, ...shown) < 0.5 ? 0 : 0.5;
  const place = (ratio) => `${(Math.max(0, Math.min(1, (ratio - low) / (1 - low))) * 100).toFixed(2)}%`;
  const parts = [svg("rect", { class: "track", x: 0, y: "35%", width: "100%", height: "30%", rx: 3 })];
  if (day?.floor != null && day?.ceiling != null) {
    const width = (day.ceiling - Math.max(low, day.floor)) / (1 - low) * 100;
    parts.push(svg("rect", { class: "band", x: place(day.floor), y: "15%", width: `${Math.max(0.4, width).toFixed(2)}%`, height: "70%", rx: 3 }));
  }
  parts.push(svg("rect", { class: "goal", x: place(goal), y: "-15%", width: 3, height: "130%" }));
  if (day?.headline != null) parts.push(svg("circle", { class: "mark", cx: place(day.headline), cy: "50%", r: "0.5em" }));
  at("scale").replaceChildren(...parts);
}

/** How many are there; of people who were only seen, at least so many. */
function allOf(staff) {
  return staff.known ? count(staff.staffed) : `${say("at_least")} ${count(staff.staffed)}`;
}

function drawStaff(staff) {
  if (staff.basis === "unknown") {
    putNumber("staff", NONE);
    putParts("staff-under", [[say("staff_unknown")]]);
    at("staff-scale").replaceChildren();
    return;
  }
  at("staff").classList.toggle("long", !staff.known);
  putNumber("staff", count(staff.available), ` / ${allOf(staff)} ${say("staffed").toLowerCase()}`);
  const parts = ["busy", "ringing", "wrapup", "paused", "unreachable"]
    .filter((state) => staff[state])
    .map((state) => [`${say(state)} ${count(staff[state])}`]);
  putParts("staff-under", staff.staffed ? parts : [[say(staff.known ? "nobody_staffed" : "nobody_seen")]]);
  const people = [["free", staff.available], ["busy", staff.ringing + staff.busy + staff.wrapup], ["paused", staff.staffed - staff.available - staff.ringing - staff.busy - staff.wrapup]];
  const boxes = people.flatMap(([kind, number]) => Array(Math.max(0, number)).fill(kind));
  const wide = 100 / Math.max(boxes.length, 8);
  at("staff-scale").replaceChildren(...boxes.map((kind, n) =>
    svg("rect", { class: kind, x: `${(n * wide + 0.4).toFixed(2)}%`, y: "8%", width: `${(wide - 1.4).toFixed(2)}%`, height: "84%", rx: 3 })));
}

function tickWaits() {
  const { total, target } = board;
  const milliseconds = waited(total);
  const limit = span(target.limit_seconds);
  const text = wait(milliseconds === null ? null : milliseconds / 1000);
  putNumber("oldest", text);
  tone(at("oldest"), ["long", "longer"], text.length > 5 ? "longer" : text.length > 4 ? "long" : "");
  const trusted = total.trusted && !stale;
  const urgent = urgency(milliseconds);
  tone(at("tile-oldest"), ["amber", "red"], trusted ? urgent : "");
  const known = trusted && !(total.unheard && total.unheard === total.waiting);
  putParts("oldest-under", [nothingSeen() ? [NONE] : !known ? [say("last_known")] : urgent === "red" ? [say("past_limit", { limit }), "out_of_reach"]
    : urgent === "amber" ? [say("near_limit", { limit }), "at_risk"]
      : milliseconds === null ? [total.waiting ? NONE : say("nobody_waits")] : [say("within_limit", { limit }), "ok"]]);
  const longest = board.queues.length > 1 ? board.queues.filter((queue) => queue.oldest_wait_ms !== null)
    .reduce((most, queue) => (most === null || queue.oldest_wait_ms > most.oldest_wait_ms ? queue : most), null) : null;
  putParts("oldest-queue", longest ? [[shortened(longest.name, wall.matches ? 30 : 60)]] : []);
}

// ---- how the day stands

// While a day lasts its missed target is an estimate; once it has ended it is a fact.
const statusWords = (status, reason) => say(`status.${ENDED.includes(reason) ? reason : status}`);

function drawStanding() {
  const { total, target, month } = board;
  const verdict = at("verdict");
  const status = stale ? "no_data" : total.status;
  verdict.className = `verdict ${status}${total.trusted && !stale ? "" : " grey"}`;
  at("verdict-sign").setAttribute("href", `#sign-${status}`);
  put("verdict-word", statusWords(status, total.reason));
  put("verdict-reason", stale
    ? say("last_known_status", { status: statusWords(total.status, total.reason) })
    : board.why[page.language]);
  put("verdict-fact", stale ? "" : board.fact[page.language]);

  const { day } = total;
  const facts = [
    [say("entered"), count(day?.entered)],
    [say("abandoned"), count(day?.abandoned)],
    [say("refused"), count(day?.refused), day?.refused ? percent(day.refused_ratio, target.refused_limit_ratio) : ""],
  ];
  if (total.expected_wait_seconds !== null) facts.push([say("expected_wait"), roughly(total.expected_wait_seconds)]);
  facts.push([say("month"), percent(month?.headline ?? null, target.ratio)]);
  const list = at("facts");
  list.classList.toggle("grey", stale || !total.trusted);
  const wanted = JSON.stringify(facts);
  if (list.dataset.shown === wanted) return;
  list.dataset.shown = wanted;
  // Numbers of a crisis are longer than there is room for in their usual size; what stands beside is half as large.
  list.style.setProperty("--letters", facts.reduce((sum, [, number, beside = ""]) => sum + number.length + beside.length / 2, 0));
  list.replaceChildren(...facts.map(([name, number, beside]) => {
    const note = beside ? [html("small", {}, beside)] : [];
    return html("div", {}, html("dt", {}, name), html("dd", {}, number, ...note));
  }));
}

/** The worst that stands, and how many more; on the other side what would help, where that is switched on. */
function drawStrips() {
  const { alerts, advice, zone, total } = board;
  const [worst, ...more] = alerts;
  const told = advice?.[page.language] ?? "";
  at("strips").hidden = !worst && !told;
  put("advice", told);
  for (const strip of at("strips").children) strip.classList.toggle("grey", stale || !total.trusted);
  const since = worst ? clockAndDay(worst.since, zone) : "";
  const wanted = JSON.stringify([alerts, since]);
  const strip = at("strip");
  if (strip.dataset.shown === wanted) return;
  strip.dataset.shown = wanted;
  if (!worst) {
    strip.replaceChildren();
    return;
  }
  const mark = worst.lost ? "out_of_reach" : "at_risk";
  const shape = sign(mark);
  if (!worst.lower && (worst.lost || worst.level === "alarm")) shape.classList.add(mark);
  const beside = [worst.acknowledged && say("brief.acknowledged"), more.length && say("brief.more", { count: count(more.length) })];
  strip.replaceChildren(
    shape,
    html("small", {}, since),
    html("span", { class: "message" }, worst.words[page.language]),
    html("small", { class: "of" }, worst.label[page.language]),
    ...beside.filter(Boolean).map((words) => html("small", {}, words)),
  );
}

// An estimate is said in whole minutes: more would claim more than is known.
function roughly(seconds) {
  if (seconds < 15) return say("expected_at_once");
  return seconds < 60 ? say("expected_under_minute") : say("expected_minutes", { minutes: count(Math.round(seconds / 60)) });
}

// ---- today's curve

function legend(kind) {
  const box = svg("svg", { viewBox: "0 0 16 16", "aria-hidden": "true", focusable: "false" });
  if (kind === "yesterday" || kind === "typical") {
    box.append(svg("path", { class: kind, d: "M0 8h16" }));
  } else if (kind === "share") {
    box.append(svg("path", { class: "share-line", d: "M0 8h16" }), svg("circle", { class: "dot-over", cx: 8, cy: 8, r: 4 }));
  } else {
    box.append(svg("rect", { class: kind, x: 1, y: 1, width: 14, height: 14, rx: 2 }));
    if (kind === "late") box.append(svg("path", { class: "hatch", d: "M1 10 10 1M5 15 15 5" }));
    if (kind === "lost") box.append(svg("path", { class: "hatch", d: "M1 8h14" }));
  }
  return box;
}

function drawCurve() {
  const { curve, zone, target } = board;
  const minutes = Math.round((curve?.step_seconds ?? 900) / 60);
  put("curve-title", say("curve", { minutes }));
  at("curve").classList.toggle("grey", stale || !board.total.trusted);
  const place = at("drawing");
  const bars = curve?.bars ?? [];
  const nothing = bars.length ? [] : [html("p", { class: "nothing" }, noCalls("curve_empty"))];
  if (!curve) {
    place.replaceChildren(...nothing);
    at("curve-key").replaceChildren();
    return;
  }
  const kinds = [["in-time", "curve_in_time"], ["late", "curve_late"], ["lost", "curve_lost"], ["still", "curve_waiting"], ["share", "curve_share"]];
  const before = ["yesterday", "typical"].filter((kind) => curve[kind].length);
  const weekday = say(`weekday.${curve.weekday}`);
  kinds.push(...before.map((kind) => [kind, `curve_${kind}`]));
  at("curve-key").replaceChildren(...kinds.map(([kind, key]) => html("li", {}, legend(kind), say(key, { weekday }))));

  const { width, height } = place.getBoundingClientRect();
  if (!width || !height) return;
  const em = rem() * (wall.matches ? 1.125 : 1);
  const goal = plainPercent(target.ratio);
  const left = em * Math.max(3.4, 0.76 * goal.replace(SPACE, "").length + 0.5);
  const right = width - em * 0.5;
  const bottom = height - em * 1.6;
  const shareTop = em * 0.8;
  const shareBottom = Math.max(shareTop + em * 2.5, height * 0.34);
  const barsTop = shareBottom + em * 1.6;
  const from = Date.parse(curve.from);
  const until = Date.parse(curve.to);
  const x = (time) => left + (time - from) / (until - from) * (right - left);
  const sum = (bar) => bar.in_time + bar.late + bar.lost + bar.waiting;
  const most = nice(Math.max(0, ...bars.map(sum), ...before.flatMap((kind) => curve[kind])));
  const y = (calls) => bottom - calls / most * (bottom - barsTop);
  const low = Math.min(0.7, ...bars.filter((bar) => bar.headline !== null).map((bar) => Math.floor(bar.headline * 10) / 10));
  const share = (ratio) => shareBottom - (ratio - low) / (1 - low) * (shareBottom - shareTop);
  const drawn = svg("svg", { role: "img", "aria-label": summary(bars) });

  const hour = 3_600_000;
  const every = (until - from) / hour * em * 4 > right - left ? 2 : 1;
  for (let time = Math.ceil(from / hour) * hour, n = 0; time <= until; time += hour, n += 1) {
    drawn.append(svg("path", { class: "axis", d: `M${x(time)} ${bottom}v${em * 0.3}` }));
    if (n % every) continue;
    const anchor = x(time) > right - em ? "end" : "middle";
    drawn.append(svg("text", { x: x(time), y: height - em * 0.2, "text-anchor": anchor }, clock(time, zone).replace(/[.:]00$/, "")));
  }
  for (const calls of [0, most / 2, most]) {
    drawn.append(svg("path", { class: "axis", d: `M${left} ${y(calls)}H${right}` }));
    drawn.append(svg("text", { x: left - em * 0.5, y: y(calls) + em * 0.35, "text-anchor": "end" }, String(calls)));
  }
  drawn.append(svg("path", { class: "axis", d: `M${left} ${shareBottom}H${right}M${left} ${shareTop}H${right}` }));
  drawn.append(svg("path", { class: "goal-line", d: `M${left} ${share(target.ratio)}H${right}` }));
  drawn.append(svg("text", { class: "target-text", x: left - em * 0.5, y: share(target.ratio) + em * 0.35, "text-anchor": "end" }, goal));
  if (Math.abs(shareBottom - share(target.ratio)) > em * 1.2) {
    drawn.append(svg("text", { x: left - em * 0.5, y: shareBottom + em * 0.35, "text-anchor": "end" }, plainPercent(low)));
  }

  const step = curve.step_seconds * 1000;
  const gap = Math.max(1.5, (x(from + step) - x(from)) * 0.12);
  for (const bar of bars) {
    const start = Date.parse(bar.at);
    const wide = x(start + step) - x(start) - gap;
    let stacked = 0;
    for (const [kind, calls] of [["in-time", bar.in_time], ["late", bar.late], ["lost", bar.lost], ["still", bar.waiting]]) {
      if (!calls) continue;
      const box = { x: x(start) + gap / 2, y: y(stacked + calls), width: wide, height: Math.max(1, y(stacked) - y(stacked + calls) - 1) };
      drawn.append(svg("rect", { class: kind, ...box }));
      if (kind === "late") drawn.append(hatch(box, em * 0.45));
      if (kind === "lost") drawn.append(svg("path", { class: "hatch", d: `M${box.x} ${box.y + box.height / 2}h${wide}` }));
      stacked += calls;
    }
  }
  for (const kind of before) {
    const d = curve[kind].map((calls, n) => `${n ? "L" : "M"}${x(from + (n + 0.5) * step)} ${y(calls)}`).join("");
    drawn.append(svg("path", { class: `under-${kind}`, d }), svg("path", { class: kind, d }));
  }
  const middle = (bar) => x(Date.parse(bar.at) + step / 2);
  const known = bars.filter((bar) => bar.headline !== null);
  const follows = (bar, n) => n > 0 && Date.parse(bar.at) - Date.parse(known[n - 1].at) === step;
  drawn.append(svg("path", { class: "share-line", d: known.map((bar, n) => `${follows(bar, n) ? "L" : "M"}${middle(bar)} ${share(bar.headline)}`).join("") }));
  for (const bar of known) {
    const under = bar.headline < target.ratio;
    drawn.append(under
      ? svg("path", { class: "dot-under", d: diamond(middle(bar), share(bar.headline), em * 0.42) })
      : svg("circle", { class: "dot-over", cx: middle(bar), cy: share(bar.headline), r: em * 0.3 }));
  }
  place.replaceChildren(drawn, ...nothing);
}

function nice(calls) {
  for (const top of [4, 6, 8, 10, 12, 16, 20, 24, 30, 40, 50, 60, 80, 100, 120, 150, 200, 300, 400, 500, 600, 800, 1000]) {
    if (calls <= top) return top;
  }
  return Math.ceil(calls / 1000) * 1000;
}
function diamond(x, y, size) {
  return `M${x} ${y - size}L${x + size} ${y}L${x} ${y + size}L${x - size} ${y}Z`;
}
/** Slanted strokes inside a box, so that late calls are told apart without colour. */
function hatch({ x, y, width, height }, step) {
  let d = "";
  for (let offset = step; offset < width + height; offset += step * 1.6) {
    const x1 = Math.max(0, offset - height);
    const x2 = Math.min(width, offset);
    d += `M${x + x1} ${y + Math.min(height, offset)}L${x + x2} ${y + Math.max(0, offset - width)}`;
  }
  return svg("path", { class: "hatch", d });
}
function summary(bars) {
  const sum = (field) => bars.reduce((total, bar) => total + bar[field], 0);
  const [in_time, late, lost] = [sum("in_time"), sum("late"), sum("lost")];
  return say("curve_summary", { entered: in_time + late + lost + sum("waiting"), in_time, late, lost });
}

// ---- the queues

/** How many rows there is room for; on a phone, or where the page scrolls, all of them. */
function room(columns) {
  if (!wall.matches) return Infinity;
  const rows = at("rows");
  const height = Number(getComputedStyle(rows).getPropertyValue("--row")) * rem();
  return Math.max(1, Math.floor((rows.clientHeight + 1) / height)) * columns;
}

/** Places for queues, as many as it takes to show every late one: the curve gives way first, then what is beside. */
function makeRoom(all, late) {
  const lower = at("lower");
  lower.classList.remove("crowded");
  document.body.removeAttribute("data-packed");
  let slots = room(1);
  if (all <= slots || late < slots) return slots;
  lower.classList.add("crowded");
  slots = room(2);
  if (late <= slots) return slots;
  document.body.setAttribute("data-packed", "");
  return room(3);
}

/** Queues where somebody waits past the limit first, the longest wait before the others; the rest keep their places. */
function byTrouble(queues) {
  const late = (queue) => (urgency(waited(queue)) === "red" ? waited(queue) : -1);
  return [...queues].sort((a, b) => late(b) - late(a));
}

/** Every queue in columns at once: as few columns as hold them, and rows as high as there is room for. */
function drawList() {
  const queues = byTrouble(board.queues);
  at("lower").classList.add("crowded");
  at("queues").hidden = !queues.length;
  const rows = at("rows");
  if (wall.matches) {
    const height = rows.clientHeight / rem();
    let columns = 1;
    while (columns < 4 && height / Math.ceil(queues.length / columns) < 2.6) columns += 1;
    const lines = Math.max(1, Math.ceil(queues.length / columns));
    const row = Math.min(4, height / lines);
    rows.style.setProperty("--columns", columns);
    rows.style.setProperty("--row", row.toFixed(3));
    document.body.dataset.columns = columns;
  }
  const columns = Number(document.body.dataset.columns ?? 1);
  const shown = ["queue_waiting", "queue_oldest", ...(columns < 3 ? ["queue_share", "queue_staff"] : [])];
  put("page-of", wall.matches ? shown.map((key) => say(key)).join(" · ") : "");
  fillRows(queues);
}

/** Which queues are on screen: all if they fit; else those past the limit always, and the rest a page at a time. */
function drawQueues() {
  if (page.layout === "list") {
    drawList();
    return;
  }
  const { queues } = board;
  const lower = at("lower");
  const several = queues.length > 1;
  lower.classList.toggle("several", several);
  at("queues").hidden = !several;
  if (!several) {
    makeRoom(0, 0);
    return;
  }
  const late = queues.filter((queue) => urgency(waited(queue)) === "red").sort((a, b) => waited(b) - waited(a));
  const slots = makeRoom(queues.length, late.length);
  let shown = queues;
  let pages = 1;
  let now = 0;
  if (queues.length > slots) {
    const pinned = late.length < slots ? late : [];
    const rest = queues.filter((queue) => !pinned.includes(queue));
    if (!pinned.length && late.length) rest.sort((a, b) => (waited(b) ?? -1) - (waited(a) ?? -1));
    const size = slots - pinned.length;
    pages = Math.ceil(rest.length / size);
    now = turn % pages;
    shown = [...pinned, ...rest.slice(now * size, now * size + size)];
  }
  put("page-of", pages > 1 ? say("queue_page", { page: now + 1, pages }) : "");
  fillRows(shown);
}

function fillRows(shown) {
  const rows = at("rows");
  while (rows.children.length > shown.length) rows.lastElementChild.remove();
  while (rows.children.length < shown.length) rows.append(emptyRow());
  const { columns, packed } = document.body.dataset;
  const letters = !wall.matches ? 60 : columns > 2 || packed !== undefined ? 32 : 48;
  shown.forEach((queue, n) => fillRow(rows.children[n], queue, letters));
}

function emptyRow() {
  const cell = (key, ...classes) => html("span", {}, html("span", { class: "words" }, key ? `${say(key)} ` : ""), html("span", { class: classes.join(" ") }));
  const name = html("span", { class: "name" }, sign("no_data"), html("span", {}), html("span", { class: "words" }));
  return html("li", {}, html("div", { class: "row" }, name, cell("queue_waiting"), cell("queue_oldest", "pill"), cell("queue_share"), cell("queue_staff")));
}

function fillRow(item, queue, letters) {
  const milliseconds = waited(queue);
  const trusted = queue.trusted && !stale;
  const status = queue.open || queue.waiting ? queue.status : "closed";
  const row = item.firstElementChild;
  row.className = `row ${status} ${trusted ? urgency(milliseconds) : "grey"}`;
  const [name, ...cells] = row.children;
  name.querySelector("use").setAttribute("href", `#sign-${status}`);
  write(name.children[1], shortened(queue.name, letters));
  name.title = queue.name;
  write(name.children[2], status === "closed" ? say("queue_closed") : statusWords(status, queue.reason));
  const staff = queue.staff.basis !== "unknown" ? [count(queue.staff.available), ` / ${queue.staff.known ? "" : "≥"}${count(queue.staff.staffed)}`] : [NONE, ""];
  write(cells[0].lastElementChild, count(queue.waiting));
  fillWait(cells[1].lastElementChild, milliseconds, trusted ? urgency(milliseconds) : "");
  write(cells[2].lastElementChild, percent(queue.day?.headline ?? null, board.target.ratio));
  const last = cells[3].lastElementChild;
  if (last.textContent !== staff.join("")) last.replaceChildren(staff[0], html("small", {}, staff[1]));
}
/** A name without its middle where it has no room: names of queues mostly differ at their ends. */
export function shortened(name, letters) {
  if (name.length <= letters) return name;
  const head = Math.floor((letters - 1) * 0.4);
  const cut = name.length - (letters - 1 - head);
  const tail = name.slice(cut);
  const word = name[cut - 1] === " " ? 0 : tail.search(/[ -]/) + 1;
  const isWhole = name[cut - 1] === " " || (word > 0 && word < tail.length / 2);
  const start = name.slice(0, head).replace(/[\s,;:/–-]+$/, "");
  return isWhole ? `${start}… ${tail.slice(word).trimStart()}` : `${start}…${tail.trimStart()}`;
}

/** A wait; one that is long has a sign and words besides its colour. */
function fillWait(pill, milliseconds, urgent) {
  const text = wait(milliseconds === null ? null : milliseconds / 1000);
  if (pill.dataset.urgent !== urgent) {
    pill.dataset.urgent = urgent;
    const key = { amber: "near_limit", red: "past_limit" }[urgent];
    const words = key ? `${say(key, { limit: span(board.target.limit_seconds) })} ` : "";
    const marks = key ? [sign(urgent === "red" ? "out_of_reach" : "at_risk"), html("span", { class: "words" }, words)] : [];
    pill.replaceChildren(...marks, html("span", {}));
  }
  write(pill.lastElementChild, text);
  pill.classList.toggle("long", text.length > 5);
}
function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// ---- whether it can be trusted

function alarms() {
  const { sources, zone, total } = board;
  const found = [];
  if (stale) found.push(["no_contact", say("stale", { clock: clockAndDay(board.at, zone, true) }), say("stale_detail"), ""]);
  const down = sources.filter((source) => !source.up && (source.silent || !source.is_log));
  for (const source of down) {
    const named = board.several_switches ? "_named" : "";
    const key = source.silent ? "silent" : source.since ? "no_contact" : "no_contact_ever";
    found.push(["no_contact", say(key + named, { clock: clockAndDay(source.since, zone), switch: source.switch }), say("no_contact_detail"), ""]);
  }
  if (total.reason === "no_source" || !sources.length) found.push(["no_contact", say("no_source"), say("no_contact_detail"), ""]);
  if (!down.length && total.reason === "source_silent") {
    const last = sources.map((source) => source.last_event_at).filter(Boolean).sort().at(-1);
    found.push(["no_contact", say("silent", { clock: clockAndDay(last, zone) }), say("no_contact_detail"), ""]);
  }
  if (board.unseen.length) {
    const [several, more] = [board.unseen.length > 1, board.unseen.length - 3];
    const queues = board.unseen.slice(0, 3).join(", ") + (more > 0 ? ` ${say("brief.more", { count: count(more) })}` : "");
    found.push(["no_data", say(several ? "unseen_many" : "unseen_one", { queues }), say("unseen_detail"), "milder"]);
  }
  if (!board.journal_up) found.push(["at_risk", say("journal_down"), "", "milder"]);
  return found;
}

function drawAlarms() {
  const found = alarms();
  const place = at("alarm");
  const wanted = JSON.stringify(found);
  if (place.dataset.shown === wanted) return false;
  place.dataset.shown = wanted;
  place.replaceChildren(...found.map(([mark, words, detail, kind]) =>
    html("div", { class: `alarm ${kind}` }, sign(mark), html("div", {}, html("strong", {}, words), ...(detail ? [html("span", {}, detail)] : [])))));
  return true;
}

/** The lead's own words, until their end. */
function drawBanner() {
  const { banner } = board;
  const shown = banner !== null && serverNow() < Date.parse(banner.until);
  at("banner").hidden = !shown;
  put("banner", shown ? banner.words : "");
}

function drawFoot() {
  const { zone, target, total, rate } = board;
  const contact = board.sources.length && board.sources.every((source) => source.up) ? say("source_up") : "";
  const updated = heardOnce || stale ? say("updated", { clock: clockAndDay(board.at, zone, true) }) : say("connecting");
  put("fresh", [updated, ...(contact && !stale ? [contact] : [])].join(" · "));
  const measured = [];
  if (total.day?.coverage_ratio != null) measured.push(`${say("coverage")} ${percent(total.day.coverage_ratio)}`);
  if (total.day?.precision_seconds >= 0.5) measured.push(say("precision", { seconds: Math.round(total.day.precision_seconds) }));
  if (rate === 0) measured.push(say("standing_still"));
  else if (rate !== 1) measured.push(say("simulated", { rate: count(Math.round(rate)) }));
  put("measured", measured.join(" · "));
  const note = say("definition_note", {
    target: plainPercent(target.ratio),
    limit: span(target.limit_seconds),
    definition: target.definition,
    words: say(`definition_long.${target.definition}`, { limit: span(target.limit_seconds), short: span(target.short_abandon_seconds) }),
  });
  put("definition", target.since ? `${note}, ${say("definition_since", { date: target.since })}` : note);
}

// ---- night

function drawNight() {
  const { total, target, hours } = board;
  const { day } = total;
  const limit = span(target.limit_seconds);
  put("opening", stale ? "" : hours.opening[page.language]);
  put("night-crisis", board.alerts.find((alert) => alert.crisis)?.words[page.language] ?? "");
  const none = !day?.entered && !day?.refused;
  const met = day?.meets_target ?? null;
  putParts("result-share", [met === null ? [percent(day?.headline ?? null)] : [percent(day.headline, target.ratio), met ? "ok" : "at_risk"]]);
  tone(at("result-share"), ["good", "watch"], met === null ? "" : met ? "good" : "watch");
  putParts("result-words", none ? [[noCalls("result_none")]] : [
    [say("in_time_period", { limit })],
    [say(`definition.${target.definition}`, { limit })],
    [say("target", { target: plainPercent(target.ratio) })],
  ]);
  putParts("result-counts", none ? [] : [
    [`${say("entered")} ${count(day.entered)}`],
    [`${say("abandoned")} ${count(day.abandoned)}`],
    [`${say("refused")} ${count(day.refused)}${day.refused ? ` (${percent(day.refused_ratio, target.refused_limit_ratio)})` : ""}`],
  ]);
  put("result-reason", total.reason === "period_refused" ? board.why[page.language] : "");
  at("result").classList.toggle("grey", stale || !total.trusted);
}

// ---- all of it

function draw() {
  const { hours, night } = board;
  document.body.dataset.view = night ? "night" : "day";
  at("day").hidden = night;
  at("night").hidden = !night;
  put("organisation", page.title || board.organisation);
  put("hours", stale ? "" : openness());
  put("note", hours.note);
  document.body.toggleAttribute("data-dead", board.sources.some((source) => !source.up) || !board.sources.length);
  document.body.toggleAttribute("data-stale", stale);
  drawAlarms();
  drawBanner();
  drawFoot();
  if (night) {
    drawNight();
  } else {
    drawTiles();
    drawStanding();
    drawStrips();
    drawQueues();
    drawCurve();
  }
  tick();
}

function openness() {
  const { open, closes_at: closes, open_queues: queues } = board.hours;
  if (open) return closes ? say("open_until", { clock: clock(closes, board.zone) }) : "";
  if (board.night) return "";
  if (!queues.length) return say("closed");
  const more = queues.length > 2 ? ` ${say("brief.more", { count: count(queues.length - 2) })}` : "";
  return say("open_in", { queues: queues.slice(0, 2).join(", ") + more });
}

function tick() {
  const now = performance.now();
  const quiet = now - heardAt > STALE_MS;
  if (quiet !== stale) {
    stale = quiet;
    draw();
    return;
  }
  put("date", date(serverNow(), board.zone));
  const words = clock(serverNow(), board.zone);
  put("clock", words);
  put("night-clock", words);
  drawBanner();
  if (!board.night) {
    tickWaits();
    if (now - turnedAt > TURN_MS) {
      turnedAt = now;
      turn += 1;
      const rows = at("rows");
      rows.classList.remove("turning");
      void rows.offsetWidth;
      if (at("page-of").textContent) rows.classList.add("turning");
    }
    drawQueues();
  }
}

const drawnBy = ({ version, page: files }) => `${version} ${files}`;

// ---- a short tone when an alarm begins, where the wall is set so

const alarmsOf = ({ alerts }) => alerts.filter((alert) => alert.level === "alarm");
const soundedFor = new Set(alarmsOf(board).map((alert) => alert.episode));
let ears = null;
function sound(fresh) {
  const begun = alarmsOf(fresh).filter((alert) => !soundedFor.has(alert.episode));
  for (const alert of begun) soundedFor.add(alert.episode);
  if (!page.sound || !begun.length) return;
  ears ??= new AudioContext();
  const tone = ears.createOscillator();
  const loudness = ears.createGain();
  const now = ears.currentTime;
  tone.frequency.setValueAtTime(660, now);
  tone.frequency.setValueAtTime(880, now + 0.25);
  loudness.gain.setValueAtTime(0.3, now);
  loudness.gain.exponentialRampToValueAtTime(0.001, now + 0.8);
  tone.connect(loudness).connect(ears.destination);
  tone.start(now);
  tone.stop(now + 0.8);
  document.documentElement.dataset.sounded = String(Number(document.documentElement.dataset.sounded ?? 0) + 1);
}

function hear(fresh) {
  const made = drawnBy(fresh);
  if (made !== drawnBy(page.board) && sessionStorage.getItem("reloaded-for") !== made) {
    sessionStorage.setItem("reloaded-for", made);
    location.reload();
    return;
  }
  sound(fresh);
  board = fresh;
  heardAt = performance.now();
  heardOnce = true;
  stale = false;
  draw();
}

// EventSource reconnects by itself, but not from everything: an error page or a proxy's silence ends it for good.
// Each board waits a little differently, so that a roomful of them does not come back all at once.
let stream = null;
let triedAt = 0;
let patience = RECONNECT_MS;
function listen() {
  stream?.close();
  triedAt = performance.now();
  patience = RECONNECT_MS * (1 + Math.random() / 10);
  stream = new EventSource(`${page.top}api/v1/stream${page.wall ? `?board=${encodeURIComponent(page.wall)}` : ""}`);
  stream.onmessage = (event) => hear(JSON.parse(event.data));
}
function watch() {
  const now = performance.now();
  if (now - heardAt > patience && now - triedAt > patience) listen();
}

let drawnSize = "";
new ResizeObserver(() => {
  const { width, height } = at("drawing").getBoundingClientRect();
  const size = `${Math.round(width)}x${Math.round(height)}`;
  if (size === drawnSize || board.night) return;
  drawnSize = size;
  drawCurve();
}).observe(at("drawing"));
addEventListener("resize", draw);
addEventListener("online", listen);

draw();
listen();
setInterval(tick, TICK_MS);
setInterval(watch, 1000);
document.documentElement.dataset.ready = "";
