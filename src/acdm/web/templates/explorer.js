"use strict";
// Leads images from their class to the other one, and shows maps beside them: in the report and in the local page.
// explore(gallery, at) shows images, the one at that place first, whose arrays are base64 of bytes, channel after channel.
const explore = (() => {
  const element = (id) => document.getElementById(id);
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const pixels = (text) => Float32Array.from(bytes(text), (v) => v / 127.5 - 1);
  const decoded = new Map(), drawn = new WeakMap();  // entries by place; masks that a person has corrected by image
  let gallery = null;

  function entryOf(index) {
    if (!decoded.has(index)) {
      const { image, own, other, maps, truth, ...rest } = gallery.images[index];
      const scores = Object.fromEntries(Object.entries(maps).map(([name, m]) => [name, { ...m, values: Float32Array.from(bytes(m.values), (v) => (v / 127 - 1) * m.top) }]));
      decoded.set(index, {
        ...rest, image: pixels(image), own: pixels(own), other: pixels(other), maps: scores,
        truth: truth && bytes(truth),
      });
    }
    return decoded.get(index);
  }

  // Pixels of one number a channel in [-1, 1]: -1 is black, 0 mid-grey, 1 white.
  function paint(canvas, entry, valueAt, colourAt) {
    const { height, width, channels } = entry, count = height * width;
    if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; }
    const context = canvas.getContext("2d"), data = context.createImageData(width, height), out = data.data;
    for (let p = 0; p < count; p++) {
      for (let c = 0; c < 3; c++) out[4 * p + c] = 127.5 * (valueAt(p + count * (channels === 3 ? c : 0)) + 1);
      out[4 * p + 3] = 255;
      if (colourAt) colourAt(out, p);
    }
    context.putImageData(data, 0, 0);
  }

  // The map's colours, from one end of its scale to the other: readable without colour, too, for they grow lighter.
  function colour(share, c) {
    const stops = gallery.colours, place = (Math.min(1, Math.max(-1, share)) + 1) / 2 * (stops.length - 1);
    const k = Math.min(stops.length - 2, Math.floor(place));
    return stops[k][c] + (place - k) * (stops[k + 1][c] - stops[k][c]);
  }

  // One scale for all images: a probability's own, else twice the threshold.
  function topOf(name) {
    if (name === "object") return 1;
    const known = gallery.images.map((image) => image.maps[name]?.threshold).find((t) => t > 0);
    return known ? 2 * known : 1;
  }

  const beyond = (score, cut) => score !== 0 && Math.abs(score) >= cut;

  function onBorder(inside, entry, p) {
    const x = p % entry.width, y = (p - x) / entry.width;
    return inside(p) && (x === 0 || y === 0 || x === entry.width - 1 || y === entry.height - 1 ||
      !inside(p - 1) || !inside(p + 1) || !inside(p - entry.width) || !inside(p + entry.width));
  }

  function draw() {
    const entry = entryOf(element("which").selectedIndex), name = element("map").value, map = entry.maps[name], top = topOf(name);
    const s = Number(element("strength").value), opacity = Number(element("opacity").value);
    const cut = Number(element("threshold").value) * (map.threshold ?? Infinity);
    element("strength-said").textContent = s.toFixed(2);
    const signed = name !== "object", stops = gallery.colours.slice(signed ? 0 : (gallery.colours.length - 1) / 2);
    element("scale").style.background = `linear-gradient(to right, ${stops.map((c) => `rgb(${c.join(",")})`).join(",")})`;
    element("bottom").textContent = signed ? `−${top.toPrecision(2)}` : "0";
    element("zero").textContent = signed ? "0" : "";
    element("top").textContent = `${top.toPrecision(2)}${signed ? ", twice the threshold" : ""}`;
    element("heat-said").textContent = `the map: ${name}`;
    element("changed-said").textContent = s === 0 ? "as it is rebuilt" : s === 1 ? "as the other class" : `s = ${s.toFixed(2)}`;
    element("threshold-said").textContent = Number.isFinite(cut) ? cut.toPrecision(3) : "claims nothing";
    element("opacity-said").textContent = `${Math.round(100 * opacity)} %`;
    const mine = drawn.get(gallery.images[element("which").selectedIndex]);
    const over = (p) => mine ? mine.values[p] > 0 : beyond(map.values[p], cut);
    let marked = 0;
    paint(element("original"), entry, (i) => entry.image[i]);
    paint(element("changed"), entry, (i) => (1 - s) * entry.own[i] + s * entry.other[i]);
    paint(element("heat"), entry, () => 0, (out, p) => {
      for (let c = 0; c < 3; c++) out[4 * p + c] = colour(map.values[p] / top, c);
    });
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
    element("strength").value = 0;
    element("threshold").value = 1;
    element("opacity").value = 0.6;
    draw();
  }

  // The value of the map where the pointer is.
  function point(event) {
    const entry = entryOf(element("which").selectedIndex), place = element("heat").getBoundingClientRect();
    const x = Math.min(entry.width - 1, Math.floor((event.clientX - place.left) / place.width * entry.width));
    const y = Math.min(entry.height - 1, Math.floor((event.clientY - place.top) / place.height * entry.height));
    const name = element("map").value, value = entry.maps[name].values[Math.max(0, y) * entry.width + Math.max(0, x)];
    element("heat-said").textContent = `${name} ${value.toPrecision(2)} at row ${y}, column ${x}`;
  }

  // The mask of the image that is shown, 0 or 1 a pixel, its sides, and where it is a person's: there it is not as the run
  // has cut it, but drawn, or of another map or threshold.
  function mask() {
    const index = element("which").selectedIndex, { height, width, maps } = entryOf(index), known = drawn.get(gallery.images[index]);
    if (known) return { height, width, ...known };
    const map = maps[element("map").value], times = Number(element("threshold").value), cut = times * (map.threshold ?? Infinity);
    const values = Uint8Array.from(map.values, (v) => beyond(v, cut) ? 1 : 0);
    const asCut = element("map").value === gallery.map && times === 1;
    return { height, width, values, own: new Uint8Array(values.length).fill(asCut ? 0 : 1) };
  }

  // Adds to the mask, or takes away from it, within a radius of a place in pixels; from then on it is the person's.
  function brush(x, y, radius, adds) {
    const { height, width, values, own } = mask();
    for (let row = Math.max(0, Math.ceil(y - radius)); row <= Math.min(height - 1, y + radius); row++) {
      for (let column = Math.max(0, Math.ceil(x - radius)); column <= Math.min(width - 1, x + radius); column++) {
        if ((row - y) ** 2 + (column - x) ** 2 > radius ** 2) continue;
        values[row * width + column] = adds ? 1 : 0;
        own[row * width + column] = 1;
      }
    }
    drawn.set(gallery.images[element("which").selectedIndex], { values, own });
    ask();
  }

  function forget() {
    drawn.delete(gallery.images[element("which").selectedIndex]);
    draw();
  }

  const show = (shown, at = 0) => {
    if (!shown.images.length) return;
    if (gallery === null) {
      ["which", "map", "strength", "threshold", "opacity", "truth"].forEach((id) => element(id).addEventListener("input", ask));
      element("reset").addEventListener("click", reset);
      element("heat").addEventListener("mousemove", point);
      document.querySelectorAll(".explorer canvas").forEach((canvas) => canvas.addEventListener("click",
        () => canvas.parentElement.classList.toggle("large")));
    }
    gallery = shown;
    decoded.clear();
    element("which").replaceChildren(
      ...gallery.images.map((image, i) => option(`${image.why}: ${image.file}, class ${image.label}`, i, i === at)));
    element("strength").value = 0;
    element("map").replaceChildren(
      ...Object.keys(gallery.images[0].maps).map((name) => option(name, name, name === gallery.map)));
    draw();
  };
  return Object.assign(show, { mask, brush, forget });
})();
