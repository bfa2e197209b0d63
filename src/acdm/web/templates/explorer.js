"use strict";
// Turns branch 1 of images up and down, and lays maps over them: in the report and in the local page.
// explore(gallery) shows images whose arrays are base64 of 16-bit integers, channel after channel.
const explore = (() => {
  const element = (id) => document.getElementById(id);
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const numbers = (text) => Float32Array.from(new Int16Array(bytes(text).buffer), (v) => v / gallery.scale);
  const decoded = new Map();
  let gallery = null;

  function entryOf(index) {
    if (!decoded.has(index)) {
      const { image, common, psi1, maps, truth, ...rest } = gallery.images[index];
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
    const cut = Number(element("threshold").value) * (map.threshold ?? Infinity);
    element("strength-said").textContent = t.toFixed(2);
    element("threshold-said").textContent = Number.isFinite(cut) ? cut.toPrecision(3) : "claims nothing";
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

  function option(text, value, selected) {
    const made = document.createElement("option");
    made.textContent = text;
    made.value = value;
    made.selected = selected;
    return made;
  }

  let asked = false;  // at most one drawing a frame
  const ask = () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => { asked = false; draw(); });
  };

  function reset() {
    element("strength").value = element("threshold").value = 1;
    element("opacity").value = 0.6;
    draw();
  }

  return (shown) => {
    if (!shown.images.length) return;
    if (gallery === null) {
      ["which", "map", "strength", "threshold", "opacity", "truth"].forEach((id) => element(id).addEventListener("input", ask));
      element("reset").addEventListener("click", reset);
    }
    gallery = shown;
    decoded.clear();
    element("which").replaceChildren(
      ...gallery.images.map((image, i) => option(`${image.why}: ${image.file}, class ${image.label}`, i, i === 0)));
    element("map").replaceChildren(
      ...Object.keys(gallery.images[0].maps).map((name) => option(name, name, name === gallery.map)));
    draw();
  };
})();
