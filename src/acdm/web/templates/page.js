"use strict";
// The local page: sends an image, shows what comes back.
(() => {
  const element = (id) => document.getElementById(id);
  const token = location.hash.slice(1);
  const MOST = Number(document.body.dataset.most);  // bytes
  let asked = null, last = null;  // the file that was sent last, and the one that is shown

  function say(words, wrong = false) {
    element("said").textContent = words;
    element("said").className = wrong ? "wrong" : "";
  }

  async function decompose(file) {
    if (!file) return;
    if (file.size > MOST) {
      say(`${file.name}: more than ${MOST >> 20} MB: use 'acdm map'`, true);
      return;
    }
    asked = file;
    say(`decomposing ${file.name} …`);
    const headers = { Token: token, Label: encodeURIComponent(element("label").value) };
    let answer;
    try {
      answer = await fetch("/decompose", { method: "POST", headers, body: file });
    } catch {
      say("the page's server does not answer; is 'acdm ui' still running?", true);
      return;
    }
    if (!answer.ok) {
      say(`${file.name}: ${await answer.text()}`, true);
      return;
    }
    last = file;
    const { gallery, label, other, regions, strip } = await answer.json();
    element("shown").hidden = false;
    explore(gallery);
    element("strip").src = `data:image/png;base64,${strip}`;
    element("regions").tBodies[0].replaceChildren(...regions.map(({ box, area, score }) => {
      const row = document.createElement("tr");
      [...box, area, score.toPrecision(3)].forEach((value) => { row.insertCell().textContent = value; });
      return row;
    }));
    say(`${file.name}: class ${label}; against ${other}; ${regions.length} regions`);
  }

  function save() {
    ["original", "changed", "marked"].forEach((name) => {
      const link = document.createElement("a");
      link.download = `${last.name.replace(/\.[^.]*$/, "")}-${name}.png`;
      link.href = element(name).toDataURL("image/png");
      link.click();
    });
  }

  element("file").addEventListener("change", () => decompose(element("file").files[0]));
  element("label").addEventListener("change", () => decompose(asked));
  element("save").addEventListener("click", save);
  ["dragover", "dragleave", "drop"].forEach((kind) => element("drop").addEventListener(kind, (event) => {
    event.preventDefault();
    element("drop").classList.toggle("over", kind === "dragover");
    if (kind === "drop") decompose(event.dataTransfer.files[0]);
  }));
  if (!token) say("open the address that 'acdm ui' printed, with what follows the #", true);
})();
