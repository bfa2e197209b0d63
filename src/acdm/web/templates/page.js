"use strict";
// The local page: sends images one after the other, shows what comes back.
(() => {
  const element = (id) => document.getElementById(id);
  const token = location.hash.slice(1);
  const MOST = Number(document.body.dataset.most), KEPT = 50;  // bytes of a file; images that stay on the page
  const shown = { map: null, images: [] }, told = [];  // images, and what else came with each
  let waiting = [], busy = false, last = null;  // files to be sent; the file that was sent last

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
    const { gallery, label, other, regions, strip } = await answer.json();
    add(gallery, { regions, strip, name: file.name, words: `${file.name}: class ${label}; against ${other}; ${regions.length} regions` });
  }

  function add(gallery, about) {
    shown.map = gallery.map;
    gallery.images.forEach((image) => { image.why = about.name; });
    shown.images.push(...gallery.images);
    told.push(about);
    if (told.length > KEPT) { told.shift(); shown.images.shift(); }
    element("shown").hidden = false;
    explore(shown, told.length - 1);
    tell();
  }

  // What stands below the explorer belongs to the image that is chosen in it.
  function tell() {
    const { regions, strip, words } = told[element("which").selectedIndex];
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
    const gallery = answer.ok ? await answer.json() : { images: [] };
    if (!gallery.images.length || told.length) return;
    shown.map = gallery.map;
    shown.images.push(...gallery.images);
    told.push(...gallery.images.map(({ file, label }) => (
      { regions: [], strip: "", name: file, words: `${file}: class ${label}, one of the run's test images` })));
    element("shown").hidden = false;
    explore(shown);
    tell();
  }

  function save() {
    const { name } = told[element("which").selectedIndex];
    ["original", "heat", "marked", "changed"].forEach((kind) => {
      const link = document.createElement("a");
      link.download = `${name.replace(/\.[^.]*$/, "")}-${kind}.png`;
      link.href = element(kind).toDataURL("image/png");
      link.click();
    });
  }

  element("file").addEventListener("change", () => send(element("file").files));
  element("label").addEventListener("change", () => last && send([last]));
  element("which").addEventListener("input", tell);
  element("save").addEventListener("click", save);
  document.addEventListener("paste", (event) => send(event.clipboardData.files));
  ["dragover", "dragleave", "drop"].forEach((kind) => document.addEventListener(kind, (event) => {
    event.preventDefault();
    element("drop").classList.toggle("over", kind === "dragover");
    if (kind === "drop") send(event.dataTransfer.files);
  }));
  if (token) samples();
  else say("open the address that 'acdm ui' printed, with what follows the #", true);
})();
