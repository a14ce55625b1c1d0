// Peaks and spectrograms that the server made while it worked; fetched as they come into sight, see docs/tiles.md.

import { Refused, again, ask, json, pause } from "./api.js";

/**
 * @typedef {"before" | "after"} Version
 * @typedef {{picture: HTMLCanvasElement, from: number, to: number}} Tile seconds
 * @typedef {{spectrogram: {columns_per_second: number, tiles: number}[], peaks: {peaks_per_second: number, count: number}[]}} Levels
 */

const FULL_SCALE = 127;
const RETRY_MS = 2000;
const KEPT_TILES = 200;
const FLOOR_DB = -100; // darker is black
const CEILING_DB = -10;

/** @param {string} id @param {AbortSignal} signal */
export async function openPictures(id, signal) {
	const index = await json(`denoise/${id}/tiles`, { signal });
	const pictures = new Pictures(id, index, signal);
	await Promise.all([pictures.load("before"), pictures.load("after")]);
	return pictures;
}

export class Pictures {
	onload = () => {};
	/** @type {Map<string, Int8Array | null>} */ #peaks = new Map();
	/** @type {Map<string, Tile | null>} */ #tiles = new Map();
	#colours;

	/** @param {string} id @param {any} index @param {AbortSignal} signal */
	constructor(id, index, signal) {
		this.id = id;
		this.index = index;
		this.signal = signal;
		this.#colours = palette(index.grey_floor_db, index.db_per_grey);
	}

	/** The whole recording at a glance, before anything is drawn. @param {Version} version */
	async load(version) {
		const last = this.#levels(version).peaks.length - 1;
		if (last >= 0) await this.#fetchPeaks(version, last);
	}

	/** Lowest and highest sample of each column, in turn. @param {Version} version @param {number} from @param {number} to @param {number} columns */
	peaks(version, from, to, columns) {
		const levels = this.#levels(version).peaks;
		const wanted = Math.max(0, pick(levels.map((level) => level.peaks_per_second), columns / (to - from)));
		const level = this.#nearest(version, levels.length, wanted);
		if (level === null) return null;
		const data = /** @type {Int8Array} */ (this.#peaks.get(`${version}/${level}`));
		const rate = levels[level].peaks_per_second;
		const out = new Float32Array(2 * columns);
		for (let x = 0; x < columns; x++) {
			const first = Math.floor((from + ((to - from) * x) / columns) * rate);
			const end = Math.max(first + 1, Math.floor((from + ((to - from) * (x + 1)) / columns) * rate));
			let [low, high] = [Infinity, -Infinity];
			for (let n = first; n < end && n < levels[level].count; n++) {
				low = Math.min(low, data[2 * n]);
				high = Math.max(high, data[2 * n + 1]);
			}
			out[2 * x] = low === Infinity ? 0 : low / FULL_SCALE;
			out[2 * x + 1] = high === -Infinity ? 0 : high / FULL_SCALE;
		}
		return out;
	}

	/** The level that is here and nearest to the wanted one, which is fetched. @param {Version} version @param {number} count @param {number} wanted */
	#nearest(version, count, wanted) {
		if (!this.#peaks.has(`${version}/${wanted}`)) void this.#fetchPeaks(version, wanted).then(() => this.onload(), (error) => this.#later(error, () => this.#peaks.delete(`${version}/${wanted}`)));
		const here = Array.from({ length: count }, (_, level) => level).filter((level) => this.#peaks.get(`${version}/${level}`));
		return here.sort((a, b) => Math.abs(a - wanted) - Math.abs(b - wanted))[0] ?? null;
	}

	/** After a failure: draw again in a while, which asks again unless there is no such picture. @param {unknown} error @param {() => void} forget */
	async #later(error, forget) {
		if (error instanceof Refused && [404, 410].includes(error.status)) return;
		await pause(again(error, 0) ?? RETRY_MS, this.signal);
		forget();
		if (!this.signal.aborted) this.onload();
	}

	/** @param {Version} version @param {number} level */
	async #fetchPeaks(version, level) {
		const name = `${version}/${level}`;
		if (this.#peaks.has(name)) return;
		this.#peaks.set(name, null);
		const answer = await ask(`denoise/${this.id}/tiles/${version}/peaks/${level}`, { signal: this.signal });
		this.#peaks.set(name, new Int8Array(await answer.arrayBuffer()));
	}

	/** Coarse tiles first, finer ones over them as they come. @param {Version} version @param {number} from @param {number} to @param {number} columns */
	spectrogram(version, from, to, columns) {
		const levels = this.#levels(version).spectrogram;
		if (!levels.length) return [];
		const wanted = pick(levels.map((level) => level.columns_per_second), columns / 2 / (to - from));
		const found = [];
		for (let level = levels.length - 1; level >= wanted; level--) {
			const tileS = this.index.tile_columns / levels[level].columns_per_second;
			const last = Math.min(levels[level].tiles - 1, Math.floor(to / tileS));
			for (let n = Math.floor(from / tileS); n <= last; n++) {
				const ask = level === wanted || level === levels.length - 1;
				const tile = this.#tile(version, level, n, tileS, ask);
				if (tile) found.push(tile);
			}
		}
		return found;
	}

	/** @param {Version} version @param {number} level @param {number} n @param {number} tileS @param {boolean} wanted */
	#tile(version, level, n, tileS, wanted) {
		const name = `${version}/spectrogram/${level}/${n}.png`;
		const here = this.#tiles.get(name);
		if (here !== undefined || !wanted) return here;
		this.#tiles.set(name, null);
		this.#fetchTile(name, n * tileS, this.#levels(version).spectrogram[level].columns_per_second).then(() => this.onload(), (error) => this.#later(error, () => this.#tiles.delete(name)));
		return null;
	}

	/** @param {string} name @param {number} from @param {number} rate */
	async #fetchTile(name, from, rate) {
		const answer = await ask(`denoise/${this.id}/tiles/${name}`, { signal: this.signal });
		const bitmap = await createImageBitmap(await answer.blob());
		const picture = document.createElement("canvas");
		[picture.width, picture.height] = [bitmap.width, bitmap.height];
		const context = /** @type {CanvasRenderingContext2D} */ (picture.getContext("2d"));
		context.drawImage(bitmap, 0, 0);
		const pixels = context.getImageData(0, 0, picture.width, picture.height);
		for (let at = 0; at < pixels.data.length; at += 4) {
			const grey = 3 * pixels.data[at];
			pixels.data[at] = this.#colours[grey];
			pixels.data[at + 1] = this.#colours[grey + 1];
			pixels.data[at + 2] = this.#colours[grey + 2];
		}
		context.putImageData(pixels, 0, 0);
		if (this.#tiles.size > KEPT_TILES) this.#tiles.delete(/** @type {string} */ (this.#tiles.keys().next().value));
		this.#tiles.set(name, { picture, from, to: from + picture.width / rate });
	}

	/** @param {Version} version @returns {Levels} */
	#levels(version) { return this.index[version] ?? { spectrogram: [], peaks: [] }; }
}

/** The coarsest level that has at least so many a second, else the finest. @param {number[]} rates finest first @param {number} wanted */
function pick(rates, wanted) {
	for (let level = rates.length - 1; level > 0; level--) if (rates[level] >= wanted) return level;
	return 0;
}

/** From black over deep blue and teal to a warm white, by loudness. @param {number} floorDb @param {number} dbPerGrey */
function palette(floorDb, dbPerGrey) {
	const stops = [[8, 12, 16], [18, 38, 66], [16, 92, 108], [58, 168, 140], [214, 208, 126], [255, 250, 235]];
	const colours = new Uint8Array(3 * 256);
	for (let grey = 0; grey < 256; grey++) {
		const share = Math.max(0, Math.min(1, (floorDb + grey * dbPerGrey - FLOOR_DB) / (CEILING_DB - FLOOR_DB)));
		const place = share * (stops.length - 1);
		const below = Math.min(Math.floor(place), stops.length - 2);
		for (let channel = 0; channel < 3; channel++) {
			colours[3 * grey + channel] = stops[below][channel] + (place - below) * (stops[below + 1][channel] - stops[below][channel]);
		}
	}
	return colours;
}
