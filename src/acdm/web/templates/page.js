"use strict";
// The local page: sends images one after the other, shows what comes back.
(() => {
  const element = (id) => document.getElementById(id);
  const token = location.hash.slice(1);
  const MOST = Number(document.body.dataset.most), KEPT = 50;  // bytes of a file; images that stay on the page
  // By finding ("" with two classes): images, and what else came with each.
  const findings = Object.fromEntries(Array.from(element("finding").options, ({ value }) => [value, { shown: { map: null, images: [] }, told: [] }]));
  const chosen = () => findings[element("finding").value];
  let waiting = [], busy = false, last = null;  // files to be sent; the file that was sent last
  let looked = "";  // name of the image that is shown

  function say(words, wrong = false) {
    element("said").textContent = words;
    element("said").className = wrong ? "wrong" : "";
  }

  // What is wrong is said; nothing of the image before stays, which would seem to be the answer.
  function fail(words) {
    element("shown").hidden = true;
    say(words, true);
  }

  async function decompose(file) {
    if (file.size > MOST) return fail(`${file.name}: more than ${MOST >> 20} MB: use 'acdm map'`);
    say(`decomposing ${file.name} …${waiting.length ? ` ${waiting.length} more wait` : ""}`);
    const headers = { Token: token, Label: encodeURIComponent(element("label").value) };
    let answer;
    try {
      answer = await fetch("/decompose", { method: "POST", headers, body: file });
    } catch {
      return fail("the page's server does not answer; is 'acdm ui' still running?");
    }
    if (!answer.ok) return fail(`${file.name}: ${await answer.text()}`);
    add(file.name, await answer.json());
  }

  function add(file, { note, together, findings: of }) {
    const counts = Object.fromEntries(Object.entries(of).map(([finding, { regions }]) => [finding, regions.length]));
    const stay = brushing() && chosen().told.length ? element("which").selectedIndex : -1;  // who draws is not led elsewhere
    let gone = 0;
    for (const [finding, { gallery, label, other, name, ...rest }] of Object.entries(of)) {
      const { shown, told } = findings[finding];
      Object.assign(shown, { map: gallery.map, colours: gallery.colours });
      gallery.images.forEach((image) => { image.why = file; });
      shown.images.push(...gallery.images);
      const words = `${file}: class ${label}; against ${other}; ${counts[finding]} region${counts[finding] === 1 ? "" : "s"}${note}`;
      told.push({ ...rest, label, taught: name, name: file, words, together, counts });
      if (told.length <= KEPT) continue;
      if (finding === element("finding").value) gone = 1;
      told.shift();
      shown.images.shift();
    }
    element("shown").hidden = false;
    explore(chosen().shown, stay - gone >= 0 ? stay - gone : chosen().told.length - 1);
    tell();
  }

  // What stands below the explorer belongs to the image that is chosen in it.
  function tell() {
    const { name, regions, strip, words, together, counts } = chosen().told[element("which").selectedIndex];
    looked = name;
    element("together").src = together ? `data:image/png;base64,${together}` : "data:,";
    element("together-figure").hidden = !together;
    document.querySelectorAll("[data-regions]").forEach((place) => { place.textContent = counts ? counts[place.dataset.regions] : ""; });
    element("mask-said").textContent = "";
    [at.x, at.y] = [0, 0];
    element("strip").src = strip ? `data:image/png;base64,${strip}` : "data:,";
    element("details").hidden = !strip;
    element("regions").tBodies[0].replaceChildren(...regions.map(({ box, area, score }) => {
      const row = document.createElement("tr");
      [...box, area, score.toPrecision(3)].forEach((value) => { row.insertCell().textContent = value; });
      return row;
    }));
    say(words);
  }

  async function send(files) {
    waiting.push(...files);
    if (busy) return;
    busy = true;
    while (waiting.length) {
      last = waiting.shift();
      await decompose(last);
    }
    busy = false;
  }

  async function samples() {
    const answer = await fetch("/samples");
    if (!answer.ok || chosen().told.length) return;
    for (const [finding, gallery] of Object.entries(await answer.json())) {
      const { shown, told } = findings[finding];
      Object.assign(shown, gallery);
      told.push(...gallery.images.map(({ file, label }) => (
        { regions: [], strip: "", name: file, words: `${file}: class ${label}, one of the run's test images` })));
    }
    choose();
  }

  // Shows the chosen finding: of the image of that name, where it is there.
  function choose(name = "") {
    const { shown, told } = chosen();
    element("shown").hidden = !told.length;
    if (!told.length) return;
    explore(shown, Math.max(0, told.findLastIndex((about) => about.name === name)));
    tell();
  }

  // What is saved of a file is called by it, and by the finding that is shown.
  function stemOf(name) {
    const finding = element("finding").value;
    return `${name.replace(/\.[^.]*$/, "")}${finding && `-${finding}`}`;
  }

  function download(name, address) {
    const link = document.createElement("a");
    link.download = name;
    link.href = address;
    link.click();
  }

  // Pictures and figures at the image's own size; of the run's samples, which came without them, what the page shows.
  function save() {
    const { shown, told } = chosen();
    const { name, strip, mask, map, regions, label, size } = told[element("which").selectedIndex];
    const stem = stemOf(name);
    if (!strip) return ["original", "heat", "marked", "changed"].forEach((kind) => download(`${stem}-${kind}.png`, element(kind).toDataURL("image/png")));
    Object.entries({ strip, mask, map }).forEach(([kind, picture]) => download(`${stem}-${kind}.png`, `data:image/png;base64,${picture}`));
    const figures = { file: name, class: label, map: shown.map, height: size[0], width: size[1], regions };
    download(`${stem}.json`, `data:application/json,${encodeURIComponent(JSON.stringify(figures, null, 1))}`);
  }

  // The mask as a picture of the image's own size, black and white: as the run cut it, but where a person has drawn.
  async function pictureOfMask({ mask, size }) {
    const { height, width, values, own } = explore.mask(), canvas = document.createElement("canvas");
    [canvas.height, canvas.width] = size ?? [height, width];
    const context = canvas.getContext("2d"), [down, across] = [canvas.height / height, canvas.width / width];
    if (mask) {
      const whole = new Image();
      whole.src = `data:image/png;base64,${mask}`;
      await whole.decode();
      context.drawImage(whole, 0, 0);
    }
    values.forEach((on, p) => {
      if (mask && !own[p]) return;
      const row = Math.floor(p / width), column = p % width;
      const [top, left] = [Math.round(row * down), Math.round(column * across)];
      context.fillStyle = on ? "white" : "black";
      context.fillRect(left, top, Math.round((column + 1) * across) - left, Math.round((row + 1) * down) - top);
    });
    return canvas;
  }

  async function saveMask() {
    const about = chosen().told[element("which").selectedIndex], finding = element("finding").value, say = (words, wrong = false) => {
      element("mask-said").textContent = words;
      element("mask-said").className = wrong ? "wrong" : "";
    };
    say("saving …");
    const picture = await pictureOfMask(about);
    if (!document.body.dataset.keeps) {
      download(`${stemOf(about.name)}.png`, picture.toDataURL("image/png"));
      return say("downloaded");
    }
    const body = await new Promise((give) => { picture.toBlob(give, "image/png"); });
    const headers = { Token: token, Name: encodeURIComponent(about.taught ?? ""), Finding: encodeURIComponent(finding) };
    const answer = await fetch("/mask", { method: "POST", headers, body }).catch(() => null);
    return say(answer ? await answer.text() : "the page's server does not answer", !answer?.ok);
  }

  const brushing = () => document.querySelector("input[name=brush]:checked").value;
  const at = { x: 0, y: 0 };  // of the brush, in pixels of the picture
  // From where the brush was to where the pointer is; a stroke that begins comes from nowhere.
  function stroke(event, begins) {
    const canvas = element("marked"), place = canvas.getBoundingClientRect();
    const x = (event.clientX - place.left) / place.width * canvas.width - 0.5;
    const y = (event.clientY - place.top) / place.height * canvas.height - 0.5;
    const steps = begins ? 1 : Math.max(1, Math.ceil(Math.hypot(x - at.x, y - at.y)));
    const [fromX, fromY] = begins ? [x, y] : [at.x, at.y];
    for (let k = 1; k <= steps; k++) {
      at.x = fromX + (x - fromX) * k / steps;
      at.y = fromY + (y - fromY) * k / steps;
      dab();
    }
  }
  function dab() {
    explore.brush(at.x, at.y, Number(element("radius").value), brushing() === "add");
    element("mask-said").textContent = "";
  }
  function key(event) {
    const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!brushing() || !(move || event.key === " ")) return;
    event.preventDefault();
    if (move) {
      at.x = Math.min(element("marked").width - 1, Math.max(0, at.x + move[0]));
      at.y = Math.min(element("marked").height - 1, Math.max(0, at.y + move[1]));
      element("mask-said").textContent = `row ${Math.round(at.y)}, column ${Math.round(at.x)}`;
    } else dab();
  }

  element("file").addEventListener("change", () => send(element("file").files));
  element("label").addEventListener("change", () => last && send([last]));
  element("which").addEventListener("input", tell);
  element("finding").addEventListener("input", () => choose(looked));
  element("save").addEventListener("click", save);
  element("save-mask").addEventListener("click", saveMask);
  element("forget").addEventListener("click", () => explore.forget());
  element("marked").tabIndex = 0;
  element("marked").addEventListener("keydown", key);
  element("marked").addEventListener("click", (event) => { if (brushing()) event.stopImmediatePropagation(); }, true);
  element("marked").addEventListener("pointerdown", (event) => {
    if (!brushing() || event.button !== 0) return;
    event.target.setPointerCapture(event.pointerId);
    stroke(event, true);
  });
  element("marked").addEventListener("pointermove", (event) => { if (brushing() && event.buttons & 1) stroke(event, false); });
  document.querySelectorAll("input[name=brush]").forEach((choice) => choice.addEventListener("input",
    () => element("marked").classList.toggle("brushing", Boolean(brushing()))));
  document.addEventListener("paste", (event) => send(event.clipboardData.files));
  ["dragover", "dragleave", "drop"].forEach((kind) => document.addEventListener(kind, (event) => {
    event.preventDefault();
    element("drop").classList.toggle("over", kind === "dragover");
    if (kind === "drop") send(event.dataTransfer.files);
  }));
  if (token) samples();
  else say("open the address that 'acdm ui' printed, with what follows the #", true);
})();
