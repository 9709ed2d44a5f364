// Waveform, spectrogram and the stream of probabilities, each on a canvas as fine as the screen.

import { among, colour } from "./emotions.js";

// From quiet to loud; the quiet end is the colour of the card.
const LIGHT = ["#f3efe7", "#d9d3ea", "#a493cf", "#66489f", "#2b1456"];
const DARK = ["#15161b", "#2d1d52", "#86306f", "#e0703f", "#ffe8ac"];

function surface(canvas) {
  const { width, height } = canvas.getBoundingClientRect();
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  return { context, width, height };
}

// Each column is a bar from its lowest to its highest sample, in the colour of the segment it lies in.
export function drawWave(canvas, picture, segments) {
  const { context, width, height } = surface(canvas);
  const middle = height / 2;
  const loudest = Math.max(1, ...picture.high, ...picture.low.map((value) => -value));
  const reach = (middle - 1) / loudest;
  // Bars of two and a half pixels, each as tall as the tallest column in it.
  const bars = Math.min(picture.columns, Math.floor(width / 3));
  const step = width / bars;
  let position = 0;
  for (let bar = 0; bar < bars; bar += 1) {
    const first = Math.floor((bar * picture.columns) / bars);
    const end = Math.max(first + 1, Math.floor(((bar + 1) * picture.columns) / bars));
    const high = Math.max(...picture.high.slice(first, end));
    const low = Math.min(...picture.low.slice(first, end));
    const moment = ((bar + 0.5) / bars) * picture.seconds;
    while (position < segments.length - 1 && segments[position].end_seconds <= moment) position += 1;
    context.fillStyle = colour(segments[position].answer);
    const top = middle - high * reach;
    const tall = Math.max(1.5, (high - low) * reach);
    context.beginPath();
    context.roundRect(bar * step, top, Math.max(1, step - 1), tall, 1);
    context.fill();
  }
}

export function drawSpectrogram(canvas, picture, dark) {
  const { context, width, height } = surface(canvas);
  const shades = gradient(dark ? DARK : LIGHT);
  const levels = Uint8Array.from(atob(picture.levels), (letter) => letter.charCodeAt(0));
  const image = new ImageData(picture.columns, picture.bands);
  for (let column = 0; column < picture.columns; column += 1) {
    for (let band = 0; band < picture.bands; band += 1) {
      const shade = shades[levels[column * picture.bands + band]];
      image.data.set(shade, 4 * ((picture.bands - 1 - band) * picture.columns + column));
    }
  }
  const small = new OffscreenCanvas(picture.columns, picture.bands);
  small.getContext("2d").putImageData(image, 0, 0);
  context.imageSmoothingEnabled = true;
  context.imageSmoothingQuality = "high";
  context.drawImage(small, 0, 0, width, height);
}

// Probabilities of the windows, stacked from the first emotion at the bottom; white where nobody speaks.
export function drawStream(canvas, timeline, duration) {
  const { context, width, height } = surface(canvas);
  const heard = timeline.windows.map((window) => ({
    at: (((window.start_seconds + window.end_seconds) / 2) / duration) * width,
    probabilities: window.probabilities,
  }));
  if (!heard.length) return;
  const points = [{ ...heard[0], at: 0 }, ...heard, { ...heard.at(-1), at: width }];
  for (const stretch of stretches(points)) {
    let base = stretch.map(() => 0);
    for (const emotion of among(stretch[0].probabilities)) {
      const top = stretch.map((point, index) => base[index] + point.probabilities[emotion]);
      context.fillStyle = colour(emotion);
      context.beginPath();
      curve(context, stretch.map((point, index) => [point.at, height * (1 - top[index])]), true);
      curve(context, stretch.map((point, index) => [point.at, height * (1 - base[index])]).reverse(), false);
      context.closePath();
      context.fill();
      base = top;
    }
  }
}

// Runs of neighbouring windows in which somebody speaks.
function stretches(points) {
  const found = [];
  let current = [];
  for (const point of points) {
    if (point.probabilities) current.push(point);
    else if (current.length) { found.push(current); current = []; }
  }
  if (current.length) found.push(current);
  return found;
}

function curve(context, points, start) {
  const [[x, y]] = points;
  if (start) context.moveTo(x, y);
  else context.lineTo(x, y);
  for (let index = 1; index < points.length; index += 1) {
    const [fromX, fromY] = points[index - 1];
    const [toX, toY] = points[index];
    const middle = (fromX + toX) / 2;
    context.bezierCurveTo(middle, fromY, middle, toY, toX, toY);
  }
}

function gradient(stops) {
  const colours = stops.map((stop) => [1, 3, 5].map((at) => parseInt(stop.slice(at, at + 2), 16)));
  return Array.from({ length: 256 }, (_, level) => {
    const place = (level / 255) * (colours.length - 1);
    const from = Math.min(Math.floor(place), colours.length - 2);
    return [...colours[from].map((value, index) => value + (colours[from + 1][index] - value) * (place - from)), 255];
  });
}
