// Names and order as in deepemo/emotions.py, colours as in deepemo/charts/colours.py; a test compares them.

export const EMOTIONS = ["angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"];

const NUMBERS = ["", "One", "Two", "Three", "Four", "Five", "Six", "Seven"];

// The number of some emotions in words.
export const howMany = (emotions) => NUMBERS[emotions.length];

// The emotions that a model tells apart, in their order.
export const among = (probabilities) => EMOTIONS.filter((emotion) => emotion in probabilities);

export function colour(answer) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${answer}`).trim();
}

// What is not certain is never shown as 100%.
export function percent(value) {
  if (value >= 0.995 && value < 1) return ">99%";
  return `${Math.round(value * 100)}%`;
}

export function seconds(value) {
  if (value < 60) return `${value.toFixed(1)} s`;
  return `${Math.floor(value / 60)}:${String(Math.floor(value % 60)).padStart(2, "0")} min`;
}

export function clock(value) {
  return `${Math.floor(value / 60)}:${String(Math.floor(value % 60)).padStart(2, "0")}`;
}

// The likeliest first; equal ones keep their order.
export function ranked(probabilities) {
  return among(probabilities).sort((one, other) => probabilities[other] - probabilities[one]);
}
