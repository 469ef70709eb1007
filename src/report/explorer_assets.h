// Style sheet and script of the attention explorer.
#pragma once

#include <string_view>

namespace nala::report {

inline constexpr std::string_view kExplorerStyle = R"css(
.controls{display:flex;flex-wrap:wrap;gap:10px 22px;align-items:center;margin-bottom:14px}
.controls select,.controls input{font:inherit;color:inherit;background:var(--card);border:1px solid var(--edge);border-radius:6px;padding:3px 8px}
.panels{display:grid;grid-template-columns:repeat(3,minmax(0,1fr));gap:14px}
@media (max-width:760px){.panels{grid-template-columns:minmax(0,1fr)}}
.panels figure{background:var(--card);border:1px solid var(--edge);border-radius:10px;overflow:hidden}
.panels canvas{display:block;width:100%;height:auto;image-rendering:pixelated}
#picture{cursor:crosshair;touch-action:none}
.panels figcaption{padding:8px 12px 10px;font-size:.88rem;min-height:5.2em}
.panels b{display:block}
.panels output{color:var(--soft);font-variant-numeric:tabular-nums;white-space:pre-line}
)css";

/// Everything after `data` is parsed from the page's own JSON. Only sets text, never markup.
inline constexpr std::string_view kExplorerScript = R"js(
'use strict';
const data = JSON.parse(document.getElementById('data').textContent);
const element = id => document.getElementById(id);
const bytesOf = text => Uint8Array.from(atob(text), c => c.charCodeAt(0));
const floats = text => new Float32Array(bytesOf(text).buffer);

// Every half-precision number, by its bits.
const halfTable = new Float32Array(65536);
for (let bits = 0; bits < 65536; ++bits) {
  const sign = bits & 0x8000 ? -1 : 1, exponent = bits >> 10 & 31, fraction = bits & 1023;
  halfTable[bits] = exponent === 0 ? sign * fraction * 2 ** -24
    : exponent === 31 ? (fraction ? NaN : sign * Infinity)
    : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
const halves = (text, scale) => Float32Array.from(new Uint16Array(bytesOf(text).buffer), bits => halfTable[bits] * scale);

// Differences of two halves, blocks of d channels, as the halves: what is above 0, and what is below.
function parted(values, d) {
  const out = new Float32Array(2 * values.length);
  values.forEach((x, i) => { out[2 * i - i % d + (x < 0 ? d : 0)] = Math.abs(x); });
  return out;
}

// Rows of `parts` blocks of d channels, each turned by the token's row and column.
function rotated(layer, values, parts) {
  const d = layer.channels, half = d / 2, out = new Float32Array(values.length);
  const table = layer.rotation;
  for (let n = 0, at = 0; n < layer.height * layer.width; ++n) {
    const row = Math.floor(n / layer.width) * half, column = n % layer.width * half;
    for (let part = 0; part < parts; ++part) {
      for (let c = 0; c < d; c += 2, at += 2) {
        const byRow = c < half, i = byRow ? row + c : column + c - half;
        const cos = (byRow ? table.rowCos : table.columnCos)[i];
        const sin = (byRow ? table.rowSin : table.columnSin)[i];
        out[at] = values[at] * cos - values[at + 1] * sin;
        out[at + 1] = values[at + 1] * cos + values[at] * sin;
      }
    }
  }
  return out;
}

// What the rows of one head are made from; kept for the last one asked for.
let prepared = {};
function prepare(layerIndex, headIndex, turn) {
  const name = [layerIndex, headIndex, turn].join();
  if (prepared.name === name) return prepared;
  const layer = data.layers[layerIndex], head = layer.heads[headIndex];
  if (layer.rowCos && !layer.rotation) {
    layer.rotation = {rowCos: floats(layer.rowCos), rowSin: floats(layer.rowSin),
      columnCos: floats(layer.columnCos), columnSin: floats(layer.columnSin)};
  }
  const rotate = (values, parts) => turn && layer.rotation ? rotated(layer, values, parts) : values;
  const features = (text, scale) => layer.bySign ? parted(halves(text, scale), layer.channels) : halves(text, scale);
  const phiQ = features(head.phiQ, head.queryScale), phiK = features(head.phiK, head.keyScale);
  const width = layer.halves * layer.channels, count = layer.height * layer.width;
  const mean = new Float64Array(width);
  for (let i = 0; i < phiK.length; ++i) mean[i % width] += phiK[i] / count;
  prepared = {name, layer, count, width, phiQ, mean,
    turnedQ: rotate(phiQ, layer.halves), turnedK: rotate(phiK, layer.halves),
    q: rotate(halves(head.q, 1), 1), k: rotate(halves(head.k, 1), 1)};
  return prepared;
}

function products(queries, keys, width, token, count) {
  const out = new Float64Array(count), start = token * width;
  for (let m = 0, at = 0; m < count; ++m) {
    let sum = 0;
    for (let i = 0; i < width; ++i, ++at) sum += queries[start + i] * keys[at];
    out[m] = sum;
  }
  return out;
}

// The row of a token: phi(q).phi(k) over the normaliser.
function linearRow(p, token) {
  let normaliser = p.layer.eps;
  for (let i = 0; i < p.width; ++i) normaliser += p.phiQ[token * p.width + i] * p.mean[i];
  return products(p.turnedQ, p.turnedK, p.width, token, p.count).map(x => x / (normaliser * p.count));
}

function softmaxRow(p, token) {
  const d = p.layer.channels;
  const scores = products(p.q, p.k, d, token, p.count).map(x => x / Math.sqrt(d));
  const top = scores.reduce((a, b) => Math.max(a, b), -Infinity);
  const powers = scores.map(x => Math.exp(x - top));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map(x => x / sum);
}

function entropy(row) {
  let sum = 0, products = 0;
  for (const x of row) if (x > 0) { sum += x; products += x * Math.log(x); }
  return Math.log(sum) - products / sum;
}

// Black, red, yellow, white for what is above 0; black, blue, cyan for what is below.
function colour(share) {
  const x = Math.min(1, Math.abs(share)), level = (from) => Math.max(0, Math.min(255, (x - from) * 3 * 255));
  return share >= 0 ? [level(0), level(1 / 3), level(2 / 3)] : [level(2 / 3), level(1 / 3), level(0)];
}

const picture = new Image();
const state = {layer: 0, head: 0, token: 0, rotated: true};
const sides = {width: 448, height: Math.max(1, Math.round(448 * data.height / data.width))};
for (const id of ['picture', 'own', 'other']) Object.assign(element(id), sides);

function drawMap(id, row, layer) {
  const canvas = element(id), context = canvas.getContext('2d');
  context.globalCompositeOperation = 'source-over';
  context.filter = 'grayscale(1) brightness(.5)';
  context.drawImage(picture, 0, 0, canvas.width, canvas.height);
  context.filter = 'none';
  const top = row.reduce((a, b) => Math.max(a, Math.abs(b)), 1e-30);
  const small = document.createElement('canvas');
  small.width = layer.width;
  small.height = layer.height;
  const pixels = new ImageData(layer.width, layer.height);
  row.forEach((x, m) => pixels.data.set([...colour(x / top), 255], 4 * m));
  small.getContext('2d').putImageData(pixels, 0, 0);
  context.imageSmoothingEnabled = false;
  context.globalCompositeOperation = 'screen';
  context.drawImage(small, 0, 0, canvas.width, canvas.height);
  context.globalCompositeOperation = 'source-over';
  markToken(context, layer);
}

function markToken(context, layer) {
  const w = sides.width / layer.width, h = sides.height / layer.height;
  const x = state.token % layer.width * w, y = Math.floor(state.token / layer.width) * h;
  context.lineWidth = 2;
  context.strokeStyle = '#000';
  context.strokeRect(x - 2, y - 2, w + 4, h + 4);
  context.strokeStyle = '#fff';
  context.strokeRect(x, y, w, h);
}

const percent = x => (100 * x).toPrecision(3) + ' %';
function describe(row, layer) {
  let best = 0;
  row.forEach((x, m) => { if (x > row[best]) best = m; });
  return 'strongest: row ' + Math.floor(best / layer.width) + ', column ' + best % layer.width + ', ' +
    percent(row[best]) + '\nentropy ' + entropy(row).toFixed(3) + ' of at most ' + Math.log(row.length).toFixed(3);
}

function show() {
  const p = prepare(state.layer, state.head, state.rotated), layer = p.layer;
  const rows = {own: layer.softmax ? softmaxRow(p, state.token) : linearRow(p, state.token),
    other: layer.softmax ? linearRow(p, state.token) : softmaxRow(p, state.token)};
  const context = element('picture').getContext('2d');
  context.drawImage(picture, 0, 0, sides.width, sides.height);
  markToken(context, layer);
  element('picture-text').textContent = 'token ' + state.token + ': row ' + Math.floor(state.token / layer.width) +
    ', column ' + state.token % layer.width + ' of ' + layer.height + ' × ' + layer.width;
  element('own-name').textContent = 'this layer: ' + (layer.softmax ? 'softmax' : layer.linear);
  element('other-name').textContent = (layer.softmax ? layer.linear : 'softmax') + ' of the same q, k';
  for (const id of ['own', 'other']) {
    drawMap(id, rows[id], layer);
    element(id + '-text').textContent = describe(rows[id], layer);
  }
  return rows;
}

function choose(change) {
  Object.assign(state, change);
  const layer = data.layers[state.layer];
  state.head = Math.min(state.head, layer.heads.length - 1);
  state.token = Math.min(state.token, layer.height * layer.width - 1);
  const heads = element('head');
  if (heads.options.length !== layer.heads.length) {
    heads.replaceChildren(...layer.heads.map((_, i) => new Option(i, i)));
  }
  element('layer').value = state.layer;
  heads.value = state.head;
  element('rotated').checked = state.rotated && Boolean(layer.rowCos);
  element('rotated').disabled = !layer.rowCos;
  show();
}

// The token below a place of the picture, 0 ... 1 in both directions.
function tokenAt(x, y, layer) {
  const column = Math.min(layer.width - 1, Math.max(0, Math.floor(x * layer.width)));
  const row = Math.min(layer.height - 1, Math.max(0, Math.floor(y * layer.height)));
  return row * layer.width + column;
}

data.layers.forEach((layer, i) => element('layer').append(
  new Option(layer.name + ' · ' + (layer.softmax ? 'softmax' : layer.linear) + ' · ' + layer.height + ' × ' + layer.width, i)));
element('layer').addEventListener('change', event => {
  const old = data.layers[state.layer], now = data.layers[+event.target.value];
  const x = (state.token % old.width + .5) / old.width, y = (Math.floor(state.token / old.width) + .5) / old.height;
  choose({layer: +event.target.value, token: tokenAt(x, y, now)});
});
element('head').addEventListener('change', event => choose({head: +event.target.value}));
element('rotated').addEventListener('change', event => choose({rotated: event.target.checked}));
const follow = event => {
  const box = element('picture').getBoundingClientRect();
  const token = tokenAt((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height, data.layers[state.layer]);
  if (token !== state.token) choose({token});
};
element('picture').addEventListener('pointermove', follow);
element('picture').addEventListener('pointerdown', follow);

const wanted = new URLSearchParams(location.hash.slice(1));
const within = (name, count, otherwise) => {
  const value = Number(wanted.get(name) ?? NaN);
  return Number.isInteger(value) && value >= 0 && value < count ? value : otherwise;
};
picture.addEventListener('load', () => {
  const index = within('layer', data.layers.length, 0), layer = data.layers[index];
  choose({layer: index, head: within('head', layer.heads.length, 0), rotated: wanted.get('rotated') !== '0',
    token: within('token', layer.height * layer.width, tokenAt(.5, .5, layer))});
  document.body.dataset.ready = 'yes';
});
picture.src = 'data:image/jpeg;base64,' + data.picture;
)js";

}  // namespace nala::report
