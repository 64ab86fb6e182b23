// Pictures from the server, and how layers are drawn over the image.

import { HEAT, REFERENCE } from "./colours.js";

// A grey PNG in base64 -> {width, height, values: one byte per pixel}.
export async function decode(text) {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const blob = new Blob([bytes], { type: "image/png" });
  const bitmap = await createImageBitmap(blob, {
    colorSpaceConversion: "none", premultiplyAlpha: "none",
  });
  const { width, height } = bitmap;
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  const rgba = context.getImageData(0, 0, width, height).data;
  const values = new Uint8Array(width * height);
  for (let i = 0; i < values.length; i++) values[i] = rgba[4 * i];
  return { width, height, values };
}

// layers: {heat: picture or null, masks: [{picture, threshold, colour}],
// references: [picture]}; opacity from 0 to 1.
export function draw(canvas, image, layers, opacity) {
  const { width, height, values } = image;
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  const output = context.createImageData(width, height);
  const rgba = output.data;
  for (let i = 0; i < values.length; i++) {
    rgba[4 * i] = rgba[4 * i + 1] = rgba[4 * i + 2] = values[i];
    rgba[4 * i + 3] = 255;
  }
  if (layers.heat) paintHeat(rgba, layers.heat.values, opacity);
  for (const mask of layers.masks) {
    const inside = above(mask.picture.values, mask.threshold);
    // A heat map's colours must stay those of its scale.
    if (!layers.heat) paintInside(rgba, inside, mask.colour, opacity);
    if (opacity > 0) paintEdge(rgba, inside, width, height, mask.colour);
  }
  for (const reference of layers.references) {
    const inside = above(reference.values, 0.5);
    paintEdge(rgba, inside, width, height, REFERENCE);
  }
  context.putImageData(output, 0, 0);
}

// The colour bar of heat maps.
export function drawScale(canvas) {
  canvas.width = 256;
  canvas.height = 1;
  const context = canvas.getContext("2d");
  const output = context.createImageData(256, 1);
  for (let i = 0; i < 256; i++) {
    output.data.set(HEAT.subarray(3 * i, 3 * i + 3), 4 * i);
    output.data[4 * i + 3] = 255;
  }
  context.putImageData(output, 0, 0);
}

function above(values, threshold) {
  const inside = new Uint8Array(values.length);
  for (let i = 0; i < values.length; i++) {
    inside[i] = values[i] > 255 * threshold ? 1 : 0;
  }
  return inside;
}

// What is cold stays visible, as in the toolkit's overlays.
function paintHeat(rgba, values, opacity) {
  for (let i = 0; i < values.length; i++) {
    const share = opacity * Math.min(1, (2 * values[i]) / 255);
    blend(rgba, i, HEAT, 3 * values[i], share);
  }
}

function paintInside(rgba, inside, colour, opacity) {
  for (let i = 0; i < inside.length; i++) {
    if (inside[i]) blend(rgba, i, colour, 0, 0.4 * opacity);
  }
}

// Pixels inside that have a neighbour outside, two pixels wide.
function paintEdge(rgba, inside, width, height, colour) {
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const i = y * width + x;
      if (inside[i] && isEdge(inside, x, y, width, height)) {
        blend(rgba, i, colour, 0, 1);
      }
    }
  }
}

function isEdge(inside, x, y, width, height) {
  for (let step = 1; step <= 2; step++) {
    if (x >= step && !inside[y * width + x - step]) return true;
    if (x + step < width && !inside[y * width + x + step]) return true;
    if (y >= step && !inside[(y - step) * width + x]) return true;
    if (y + step < height && !inside[(y + step) * width + x]) return true;
  }
  return false;
}

function blend(rgba, pixel, colours, at, share) {
  for (let channel = 0; channel < 3; channel++) {
    const i = 4 * pixel + channel;
    rgba[i] = Math.round(
      rgba[i] * (1 - share) + colours[at + channel] * share,
    );
  }
}
