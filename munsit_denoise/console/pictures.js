// Peaks and spectrograms that the server made while it worked; fetched as they come into sight.

import { ask, json } from "./api.js";

/**
 * @typedef {"before" | "after"} Version
 * @typedef {{picture: ImageBitmap, from: number, to: number}} Tile seconds
 * @typedef {{
 *   onload: () => void,
 *   peaks: (version: Version, from: number, to: number, columns: number) => Float32Array | null,
 *   spectrogram: (version: Version, from: number, to: number, columns: number) => Tile[]
 * }} Pictures
 */

/** @param {string} id @param {AbortSignal} signal @returns {Promise<Pictures>} */
export async function openPictures(id, signal) {
  void json; void ask; void id; void signal;
  throw new Error("not yet");
}
