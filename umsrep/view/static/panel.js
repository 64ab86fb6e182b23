// The controls and numbers of each task. Text enters the page as text only.

import { css, MASKS, REFERENCE } from "./colours.js";
import { drawScale } from "./draw.js";

export function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function swatch(colour) {
  const made = element("span", { className: "swatch" });
  made.style.background = css(colour);
  return made;
}

const percent = (p) => `${(100 * p).toFixed(1)} %`;

export function facts(found) {
  const size = `${found.width} × ${found.height} pixels`;
  if (found.prepared) {
    const how = { stretch: "stretched", pad: "padded" }[found.prepared];
    return `Prepared image, ${how} to ${size}`;
  }
  if (!found.spacing) return `${size}; pixel spacing unknown`;
  const [rows, columns] = found.spacing.map((mm) => mm.toFixed(3));
  const place = found.spacing_at === "detector" ? " at the detector" : "";
  return `${size} of ${columns} × ${rows} mm${place}`;
}

export function warnings(found) {
  if (!found.compared) {
    return [element("p", { className: "quiet" },
      "Not compared with the training images: the model does not say what " +
      "they look like.")];
  }
  if (!found.warnings.length) {
    return [element("p", { className: "quiet" },
      `Grey values${found.prepared ? "" : " and size"}: nothing unlike the ` +
      "training images found, which does not prove it is like them.")];
  }
  const list = element("ul", {},
    ...found.warnings.map((text) => element("li", {}, text)));
  return [element("div", { className: "warning" },
    element("strong", {}, "Unlike the training images; do not trust the " +
      "results:"), list)];
}

// A label task: probabilities, the decision, and the reference.
export function labelTask(task, result) {
  const rows = task.classes.map((name, index) => {
    const p = result.probabilities[index];
    const row = element("tr",
      { className: index === result.decided ? "decided" : "" },
      element("th", { scope: "row" }, name),
      element("td", { className: "bar" },
        element("meter", { value: p, title: percent(p) })),
      element("td", { className: "number" }, percent(p)));
    return row;
  });
  const made = fieldset(task.name, element("table", {}, ...rows));
  const decided = task.classes[result.decided];
  let text = `Decision: ${decided}`;
  if (task.threshold !== null) {
    const positive = task.classes[1];
    text += ` (${positive} from ${percent(task.threshold)} on)`;
  }
  made.append(element("p", { className: "quiet" }, text));
  if (result.reference) {
    const right = result.reference === decided;
    made.append(element("p", {},
      `Reference: ${result.reference} ` +
      (right ? "✓ agrees" : "✗ differs")));
  }
  return made;
}

// A number task: the number in its unit, and the reference.
export function numberTask(task, result) {
  const text = (value) => `${value.toPrecision(4)} ${task.unit}`.trim();
  const made = fieldset(task.name,
    element("p", {}, `Predicted: ${text(result.value)}`));
  if (result.reference !== null) {
    made.append(element("p", {}, `Reference: ${text(result.reference)}`));
  }
  return made;
}

// A mask task: shown or not, its threshold, its area. `state` is changed.
export function maskTask(task, result, found, state, number, changed) {
  const colour = MASKS[number % MASKS.length];
  state.colour = colour;
  state.threshold = task.threshold;
  const shown = element("input", { type: "checkbox", checked: true });
  const slider = element("input", {
    type: "range", min: 0, max: 100, value: Math.round(100 * task.threshold),
    id: `threshold-${task.name}`,
  });
  const value = element("output", {});
  const area = element("p", { id: `area-${task.name}` });
  const score = element("p", { className: "quiet" });
  const update = () => {
    state.shown = shown.checked;
    const step = Number(slider.value);
    state.threshold = step / 100;
    value.textContent = `${step} %`;
    area.textContent = `Area: ${areaText(result.areas[step], found)}`;
    if (result.dice) {
      score.textContent = `Dice with the reference: ` +
        `${result.dice[step].toFixed(3)}`;
    }
    changed();
  };
  shown.addEventListener("change", update);
  slider.addEventListener("input", update);
  const made = fieldset(task.name,
    element("label", {}, shown, " ", swatch(colour), "Predicted"),
    element("label", { htmlFor: slider.id }, "Threshold of probability",
      value),
    slider, area);
  if (result.reference) {
    const reference = element("input", { type: "checkbox", checked: true });
    state.reference = true;
    reference.addEventListener("change", () => {
      state.reference = reference.checked;
      changed();
    });
    made.append(element("label", {}, reference, " ", swatch(REFERENCE),
      "Reference"), score);
  }
  update();
  return made;
}

function areaText(pixels, found) {
  const share = (100 * pixels) / (found.width * found.height);
  let text = `${pixels.toLocaleString("en")} pixels (${share.toFixed(1)} %)`;
  if (found.spacing) {
    const area = (pixels * found.spacing[0] * found.spacing[1]) / 100;
    text += `, ${area.toFixed(1)} cm²`;
    if (found.spacing_at === "detector") text += " at the detector";
  }
  return text;
}

// One heat map at a time: choices are [{key, text}]; `choose(key)` is called.
export function heatChoice(choices, chosen, choose) {
  const radios = [{ key: "", text: "None" }, ...choices].map((one) => {
    const radio = element("input", {
      type: "radio", name: "heat", value: one.key,
      checked: one.key === chosen,
    });
    radio.addEventListener("change", () => choose(one.key));
    const text = ` ${one.text}`;
    return element("label", { className: "choice" }, radio, text);
  });
  const scale = element("canvas", { className: "scale" });
  scale.setAttribute("aria-hidden", "true");
  drawScale(scale);
  return fieldset("Heat map", ...radios, scale,
    element("p", { className: "ends quiet" }, element("span", {}, "0"),
      element("span", {}, "its own maximum")));
}

function fieldset(title, ...children) {
  return element("fieldset", {}, element("legend", {}, title), ...children);
}
