"""The page that `companion` fills: its style, its text and what happens under the mouse."""

STYLE = """
body { font: 14px/1.5 system-ui, sans-serif; color: #1a1a1a; max-width: 1180px; margin: 24px auto;
  padding: 0 16px; }
h1 { font-size: 20px; margin: 0 0 4px; }
.about { max-width: 900px; color: #444; margin: 0 0 14px; }
.top { display: grid; grid-template-columns: minmax(0, 1.55fr) minmax(300px, 1fr); gap: 20px; }
@media (max-width: 800px) { .top { grid-template-columns: minmax(0, 1fr); } }
label { margin-right: 18px; }
input[type=range] { width: 260px; vertical-align: middle; }
.place { color: #666; font-size: 12px; }
.swatch { display: inline-block; width: 9px; height: 9px; border-radius: 5px; margin-right: 5px; }
.tokens { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: 13px;
  white-space: pre-wrap; overflow-wrap: anywhere; }
.tokens span { border-radius: 2px; }
#context { min-height: 7.5em; max-height: 12em; overflow-y: auto; margin: 4px 0 12px; color: #555; }
#context mark { background: #ffe08a; color: #000; outline: 1.5px solid #1a1a1a; }
.bar { display: grid; grid-template-columns: 8em 1fr 3.4em; align-items: center; gap: 6px;
  font-size: 12px; line-height: 1.42; cursor: pointer; }
.bar.chosen { font-weight: 700; }
.track { position: relative; height: 10px; background: linear-gradient(#999, #999) 50% / 1px 100%
  no-repeat #f1f2f4; }
.fill { position: absolute; top: 0; bottom: 0; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
.scale { display: inline-block; width: 150px; height: 10px; vertical-align: middle; margin: 0 6px; }
#text { columns: 480px; }
.sequence { margin: 0 0 9px; break-inside: avoid; }
.sequence b { font: 11px system-ui, sans-serif; color: #666; display: block; }
.sequence span:hover { outline: 1.5px solid #1a1a1a; }
"""

SCRIPT = """
const data = JSON.parse(document.getElementById("data").textContent);
const numbers = text =>
  new Float32Array(Uint8Array.from(atob(text), letter => letter.charCodeAt(0)).buffer);
const [x, y, values] = [data.x, data.y, data.values].map(numbers);
const count = data.texts.length, heads = data.components.length, length = data.length;
const at = name => document.getElementById(name);
const signed = value => (value < 0 ? "\\u2212" : "+") + Math.abs(value).toFixed(2);
const value = (token, head) => values[(step * count + token) * heads + head];
const shown = text => text.replaceAll("\\n", "\\u21b5\\n").replaceAll("\\t", "\\u21e5");
let step = 0, head = data.chosen, token = null, map = [], ring = null;

function shade(number) {
  const [red, green, blue] = data.colours[number < 0 ? 0 : 1];
  const strength = Math.min(Math.abs(number) / data.strongest, 1);
  return `rgba(${red}, ${green}, ${blue}, ${(0.85 * strength).toFixed(3)})`;
}

function span(of, tag = "span") {
  const made = document.createElement(tag);
  made.textContent = shown(data.texts[of]);
  made.dataset.token = of;
  return made;
}

function show(chosen) {
  token = chosen;
  const first = token - token % length, kind = data.classes[data.of_class[token]];
  at("place").replaceChildren();
  const swatch = document.createElement("i");
  swatch.className = "swatch";
  swatch.style.background = kind.colour;
  at("place").append(swatch, `${kind.name} \\u00b7 ${data.sources[first / length]}, sequence `
    + `${first / length + 1}, token ${token - first + 1} of ${length}`);
  const before = Array.from({length: token - first}, (_, place) => span(first + place));
  at("context").replaceChildren(...before, span(token, "mark"));
  at("context").scrollTop = at("context").scrollHeight;
  at("bars").replaceChildren(...data.components.map((name, place) => {
    const number = value(token, place), bar = document.createElement("div");
    const width = 50 * Math.min(Math.abs(number) / data.longest, 1);
    bar.className = place === head ? "bar chosen" : "bar";
    bar.dataset.head = place;
    for (const part of ["name", "track", "number"]) {
      bar.appendChild(document.createElement("span")).className = part;
    }
    bar.children[0].textContent = name;
    bar.children[2].textContent = signed(number);
    const fill = bar.children[1].appendChild(document.createElement("span"));
    fill.className = "fill";
    fill.style.cssText = `left: ${number < 0 ? 50 - width : 50}%; width: ${width}%;
      background: rgb(${data.colours[number < 0 ? 0 : 1]})`;
    return bar;
  }));
  if (ring) {
    const place = step * count + token;
    ring.data = {x: [x[place]], y: [y[place]]};
  }
}

function paint() {
  for (const each of at("text").querySelectorAll("[data-token]")) {
    const number = value(each.dataset.token, head);
    each.style.background = shade(number);
    each.title = `${data.components[head]}: ${signed(number)}`;
  }
}

function choose(wanted) {
  head = wanted;
  at("head").value = head;
  paint();
  if (token !== null) show(token);
}

function move(wanted) {
  step = wanted;
  at("step_number").textContent = data.steps[step];
  for (const dots of map) {
    const places = Array.from(dots.data.token, of => step * count + of);
    dots.data = {...dots.data, x: places.map(place => x[place]), y: places.map(place => y[place])};
  }
  choose(head);
}

// Of the tokens of a class under the mouse the nearest.
function over({data: {token: tokens, x, y}}, {indices}, mouse) {
  if (!indices.length) return;
  const apart = of => (x[of] - mouse.x) ** 2 + (y[of] - mouse.y) ** 2;
  const nearest = indices.reduce((one, other) => apart(other) < apart(one) ? other : one);
  if (tokens[nearest] !== token) show(tokens[nearest]);
}

for (const [place, name] of data.components.entries()) at("head").add(new Option(name, place));
at("head").onchange = () => choose(Number(at("head").value));
at("bars").onclick = event => {
  const bar = event.target.closest("[data-head]");
  if (bar) choose(Number(bar.dataset.head));
};
at("step").max = data.steps.length - 1;
at("step").parentElement.hidden = data.steps.length < 2;
at("step").oninput = () => move(Number(at("step").value));
at("text").append(...data.sources.map((source, sequence) => {
  const line = document.createElement("div");
  line.className = "sequence tokens";
  const title = line.appendChild(document.createElement("b"));
  title.textContent = `${sequence + 1} \\u00b7 ${source}`;
  for (let place = 0; place < length; place++) line.append(span(sequence * length + place));
  return line;
}));
at("text").onmouseover = event => {
  if (event.target.dataset.token) show(Number(event.target.dataset.token));
};
at("scale").style.background = "linear-gradient(to right, "
  + [-1, -0.5, 0, 0.5, 1].map(part => shade(part * data.strongest)).join(", ") + ")";
at("weakest").textContent = signed(-data.strongest);
at("strongest").textContent = signed(data.strongest);

window.companion = {over};
Bokeh.embed.embed_item(JSON.parse(at("map_item").textContent)).then(() => {
  const models = Array.from(Bokeh.documents[0].all_models);
  map = models.filter(model => model.tags.includes("tokens"));
  ring = models.find(model => model.name === "ring");
  move(0);
  show(data.first);
  document.body.dataset.ready = "yes";
});
"""

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data: blob:;
 font-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline' 'unsafe-eval'">
<link rel="icon" href="data:,">
<title><!--title--></title>
<style><!--style--></style>
</head>
<body>
<h1><!--title--></h1>
<p class="about"><!--about--></p>
<div class="top">
  <div>
    <label>step <input type="range" id="step" min="0" value="0"> <b id="step_number"></b></label>
    <div id="map"></div>
  </div>
  <div>
    <div class="place" id="place"></div>
    <div class="tokens" id="context"></div>
    <div id="bars"></div>
  </div>
</div>
<p><label>text coloured by <select id="head"></select></label>
  <span id="weakest"></span><span class="scale" id="scale"></span><span id="strongest"></span>
  <span class="place">standard deviations over tokens</span></p>
<div id="text"></div>
<script type="application/json" id="data"><!--data--></script>
<script type="application/json" id="map_item"><!--item--></script>
<script><!--library--></script>
<script><!--script--></script>
</body>
</html>
"""
