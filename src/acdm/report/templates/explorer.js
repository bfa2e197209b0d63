"use strict";
// The explorer of report/index.html.  GALLERY comes from gallery.js: images as base64 arrays, channel after channel.
(() => {
  const element = (id) => document.getElementById(id);
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const numbers = (text) => Float32Array.from(new Int16Array(bytes(text).buffer), (v) => v / GALLERY.scale);
  const decoded = new Map();

  function entryOf(index) {
    if (!decoded.has(index)) {
      const { image, common, psi1, maps, truth, ...rest } = GALLERY.images[index];
      const scores = Object.fromEntries(Object.entries(maps).map(([name, m]) => [name, { ...m, values: numbers(m.values) }]));
      decoded.set(index, {
        ...rest, image: numbers(image), common: numbers(common), psi1: numbers(psi1), maps: scores,
        truth: truth && bytes(truth),
      });
    }
    return decoded.get(index);
  }

  // Pixels of one number a channel in [-1, 1]: -1 is black, 0 mid-grey, 1 white.
  function paint(canvas, entry, valueAt, colourAt) {
    const { height, width, channels } = entry, pixels = height * width;
    if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; }
    const context = canvas.getContext("2d"), data = context.createImageData(width, height), out = data.data;
    for (let p = 0; p < pixels; p++) {
      for (let c = 0; c < 3; c++) out[4 * p + c] = 127.5 * (valueAt(p + pixels * (channels === 3 ? c : 0)) + 1);
      out[4 * p + 3] = 255;
      if (colourAt) colourAt(out, p);
    }
    context.putImageData(data, 0, 0);
  }

  function onBorder(inside, entry, p) {
    const x = p % entry.width, y = (p - x) / entry.width;
    return inside(p) && (x === 0 || y === 0 || x === entry.width - 1 || y === entry.height - 1 ||
      !inside(p - 1) || !inside(p + 1) || !inside(p - entry.width) || !inside(p + entry.width));
  }

  function draw() {
    const entry = entryOf(element("which").selectedIndex), map = entry.maps[element("map").value];
    const t = Number(element("strength").value), opacity = Number(element("opacity").value);
    const cut = Number(element("threshold").value) * map.threshold;
    element("strength-said").textContent = t.toFixed(2);
    element("threshold-said").textContent = cut.toPrecision(3);
    element("opacity-said").textContent = `${Math.round(100 * opacity)} %`;
    const over = (p) => map.values[p] > 0 && map.values[p] >= cut;
    let marked = 0;
    paint(element("original"), entry, (i) => entry.image[i]);
    paint(element("changed"), entry, (i) => entry.common[i] + t * entry.psi1[i]);
    paint(element("marked"), entry, (i) => entry.image[i], (out, p) => {
      if (over(p)) {
        marked++;
        [255, 140, 0].forEach((v, c) => { out[4 * p + c] = (1 - opacity) * out[4 * p + c] + opacity * v; });
      }
      if (element("truth").checked && entry.truth && onBorder((q) => entry.truth[q] > 0, entry, p)) {
        [0, 90, 181].forEach((v, c) => { out[4 * p + c] = v; });
      }
    });
    element("marked-said").textContent = `${(100 * marked / (entry.height * entry.width)).toFixed(1)} % of the image marked`;
    element("truth-label").hidden = !entry.truth;
  }

  function begin() {
    GALLERY.images.forEach((image) => {
      const option = document.createElement("option");
      option.textContent = `${image.why}: ${image.file}, class ${image.label}`;
      element("which").append(option);
    });
    Object.keys(GALLERY.images[0].maps).forEach((name) => {
      const option = document.createElement("option");
      option.textContent = option.value = name;
      option.selected = name === GALLERY.map;
      element("map").append(option);
    });
    let asked = false;  // at most one drawing a frame
    const ask = () => {
      if (asked) return;
      asked = true;
      requestAnimationFrame(() => { asked = false; draw(); });
    };
    ["which", "map", "strength", "threshold", "opacity", "truth"].forEach((id) => element(id).addEventListener("input", ask));
    element("reset").addEventListener("click", () => {
      element("strength").value = element("threshold").value = 1;
      element("opacity").value = 0.6;
      draw();
    });
    draw();
  }

  if (GALLERY.images.length) begin();
  Plotly.newPlot("curves", CURVES.data, CURVES.layout, { displaylogo: false, responsive: true });
})();
