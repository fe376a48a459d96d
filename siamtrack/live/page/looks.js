// How targets look: a color each, and a line for each status.

const HUES = ["#4fd26b", "#4aa8ff", "#ff9f40", "#e56bd6", "#f2d53c", "#7fe0e0", "#b99bff", "#ff7a7a"];

export function hue(id) {
  return HUES[(id - 1) % HUES.length];
}

export const STATUS_MARKS = { tracked: "●", uncertain: "◐", lost: "○", skipped: "–" };
