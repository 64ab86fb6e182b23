// The page: what is asked of the server, and what follows from an answer.

import { decode, draw } from "./draw.js";
import {
  element, facts, heatChoice, labelTask, maskTask, numberTask, warnings,
} from "./panel.js";

const $ = (id) => document.getElementById(id);
let model;
let shown = null; // what the canvas shows
let heat = ""; // key of the heat map, kept from image to image
let asked = 0; // an earlier question's late answer is not shown

async function ask(path, options) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error("The server does not answer. Is `umsrep view` running?");
  }
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) {
    throw new Error(body.error ?? `The server failed (${answer.status}).`);
  }
  return body;
}

async function show(path, options) {
  const number = ++asked;
  $("busy").hidden = false;
  $("error").hidden = true;
  try {
    const found = await ask(path, options);
    const pictures = await decodeAll(found);
    if (number === asked) present(found, pictures);
  } catch (error) {
    if (number === asked) fail(error.message);
  } finally {
    if (number === asked) $("busy").hidden = true;
  }
}

function fail(message) {
  // An old result beside a new image's error would mislead.
  shown = null;
  $("canvas").hidden = $("results").hidden = true;
  $("drop").hidden = false;
  $("error").textContent = message;
  $("error").hidden = false;
}

async function decodeAll(found) {
  const pictures = { image: await decode(found.image), heats: [], masks: {} };
  for (const task of model.tasks) {
    const result = found.tasks[task.name];
    if (task.form === "mask") {
      pictures.masks[task.name] = {
        picture: await decode(result.probability),
        reference: result.reference ? await decode(result.reference) : null,
      };
    } else if (task.form === "map") {
      const add = async (key, text, coded) => pictures.heats.push(
        { key, text, picture: await decode(coded) });
      await add(task.name, `${task.name}: predicted`, result.map);
      if (result.reference) {
        await add(`${task.name}*`, `${task.name}: reference`,
          result.reference);
      }
    } else if (task.form === "classes") {
      for (const [name, coded] of Object.entries(result.maps)) {
        pictures.heats.push({
          key: `${task.name}=${name}`,
          text: `Heat map: ${task.name} = ${name}`,
          picture: await decode(coded),
        });
      }
    }
  }
  return pictures;
}

function present(found, pictures) {
  shown = { found, pictures, states: {} };
  $("name").textContent = found.name;
  $("facts").textContent = facts(found);
  $("warnings").replaceChildren(...warnings(found));
  if (!pictures.heats.some((one) => one.key === heat)) heat = "";
  const panels = [];
  for (const task of model.tasks) {
    const result = found.tasks[task.name];
    if (task.form === "classes") panels.push(labelTask(task, result));
    if (task.form === "number") panels.push(numberTask(task, result));
    if (task.form === "mask") {
      const state = (shown.states[task.name] = {});
      const number = Object.keys(shown.states).length - 1;
      panels.push(maskTask(task, result, found, state, number, redraw));
    }
  }
  if (pictures.heats.length) {
    panels.push(heatChoice(pictures.heats, heat, (key) => {
      heat = key;
      redraw();
    }));
  }
  $("tasks").replaceChildren(...panels);
  $("drop").hidden = true;
  $("canvas").hidden = $("results").hidden = false;
  $("live").textContent = `Results of ${found.name} are shown.`;
  redraw();
}

function redraw() {
  const opacity = Number($("opacity").value);
  $("opacity-value").textContent = `${opacity} %`;
  if (!shown) return;
  const layers = { heat: null, masks: [], references: [] };
  if (!$("plain").checked) {
    const chosen = shown.pictures.heats.find((one) => one.key === heat);
    layers.heat = chosen ? chosen.picture : null;
    for (const [task, state] of Object.entries(shown.states)) {
      const { picture, reference } = shown.pictures.masks[task];
      if (state.shown) layers.masks.push({ picture, ...state });
      if (state.reference && reference) layers.references.push(reference);
    }
  }
  draw($("canvas"), shown.pictures.image, layers, opacity / 100);
}

function open(file) {
  if (!file) return;
  $("case-list").selectedIndex = -1;
  if (file.size > model.limit) {
    asked++;
    $("busy").hidden = true;
    fail(`${file.name} is larger than ${model.limit / 2 ** 20} MB. Choose ` +
      "a smaller one, or use `umsrep predict`.");
    return;
  }
  show("/api/image", {
    method: "POST",
    body: file,
    headers: {
      "content-type": "application/octet-stream",
      "x-file-name": encodeURIComponent(file.name),
    },
  });
}

function listCases() {
  const ranking = model.cases.rankings[$("ranking").selectedIndex];
  const options = ranking.cases.map((one, place) => {
    const score = one.score === null ? `${place + 1}.` : one.score.toFixed(3);
    const name = one.image.split("/").pop().replace(/\.png$/, "");
    return element("option", { value: one.id, title: one.image },
      `${score} ${name}`);
  });
  $("case-list").replaceChildren(...options);
  $("case-count").textContent = `${options.length} cases`;
  choose(0);
}

function choose(place) {
  const list = $("case-list");
  if (place < 0 || place >= list.length) return;
  list.selectedIndex = place;
  show(`/api/case/${list.value}`);
}

function listen() {
  $("file").addEventListener("change", (event) => {
    open(event.target.files[0]);
    event.target.value = ""; // the same file may be chosen again
  });
  // Without this a file that misses the stage would replace the page.
  for (const kind of ["dragover", "drop"]) {
    window.addEventListener(kind, (event) => event.preventDefault());
  }
  window.addEventListener("dragover", () => $("stage").classList.add("over"));
  window.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) $("stage").classList.remove("over");
  });
  window.addEventListener("drop", (event) => {
    $("stage").classList.remove("over");
    open(event.dataTransfer.files[0]);
  });
  $("opacity").addEventListener("input", redraw);
  $("plain").addEventListener("change", redraw);
  window.addEventListener("keydown", (event) => {
    const typing = event.target.tagName === "SELECT";
    if (event.key.toLowerCase() !== "h" || typing) return;
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    $("plain").checked = !$("plain").checked;
    redraw();
  });
  $("ranking").addEventListener("change", listCases);
  $("case-list").addEventListener("change",
    () => choose($("case-list").selectedIndex));
  $("previous").addEventListener("click",
    () => choose($("case-list").selectedIndex - 1));
  $("next").addEventListener("click",
    () => choose($("case-list").selectedIndex + 1));
}

async function start() {
  listen();
  redraw();
  try {
    model = await ask("/api/model");
  } catch (error) {
    fail(error.message);
    return;
  }
  $("model").textContent = model.title;
  if (model.cases.rankings.length) {
    $("cases").hidden = false;
    $("cases-title").textContent = model.cases.title;
    $("ranking").replaceChildren(...model.cases.rankings.map(
      (one) => element("option", {}, one.title)));
    listCases();
  }
}

start();
