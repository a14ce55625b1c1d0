// One transport for both versions of a recording: the same position whichever is heard, mixed while it plays.

import { buffered, streamed } from "./players.js";

/**
 * @typedef {"before" | "after" | "residual"} Version
 * @typedef {{from: number, to: number}} Span seconds
 * @typedef {import("./players.js").Player} Player
 * @typedef {{before: string, after: string, durationS: number, channels: number, rateHz: number, residual: string | null, beforeLufs: number | null, afterLufs: number | null}} Recording
 */

const BUFFERED_S = 300; // of two channels; longer recordings are streamed by the browser's own player
const FADE_S = 0.012; // of a switch: no click, no gap
const TICK_MS = 40;

/** What is heard, and where in the recording that is. Silent until it has been opened. */
export class Transport {
	/** @type {Version} */ version = "after";
	strength = 1;
	equalLoudness = true;
	/** @type {Span | null} */ loop = null;
	/** @type {() => void} */ onchange = () => {};
	/** @type {Player | null} */ player = null;
	#timer = 0;

	/** @param {Recording} recording */
	constructor(recording) {
		this.recording = recording;
		const rate = recording.rateHz >= 8000 && recording.rateHz <= 96000 ? { sampleRate: recording.rateHz } : {};
		this.context = new AudioContext({ latencyHint: "interactive", ...rate }); // at the file's own rate both are subtracted as they are
		this.analyser = this.context.createAnalyser();
		this.analyser.fftSize = 2048;
		this.master = this.context.createGain();
		this.master.connect(this.analyser).connect(this.context.destination);
	}

	/** Load both versions. Rejects where the browser can play neither. @param {AbortSignal} signal */
	async open(signal) {
		const { recording, context } = this;
		const short = recording.durationS * Math.max(recording.channels, 1) <= 2 * BUFFERED_S;
		const player = (short && (await buffered(context, recording, signal))) || (await streamed(context, recording));
		if (signal.aborted) { player.close(); return; }
		for (const gain of Object.values(player.gains)) gain.connect(this.master);
		player.onend = () => this.pause();
		player.onlost = () => this.choose("after");
		this.player = player;
		this.#timer = window.setInterval(() => this.#tick(), TICK_MS);
		this.#mix(0);
		this.onchange();
	}

	get playing() { return this.player?.playing ?? false; }
	get durationS() { return this.player?.durationS || this.recording.durationS; }
	get positionS() { return Math.min(this.player?.positionS ?? 0, this.durationS); }
	get hasResidual() { return this.recording.residual !== null && (this.player?.hasResidual ?? true); }

	async play() {
		if (!this.player) return;
		await this.context.resume();
		if (this.positionS >= this.durationS - 0.01) this.player.seek(this.loop?.from ?? 0);
		await this.player.play();
		this.onchange();
	}

	pause() {
		this.player?.pause();
		this.onchange();
	}

	toggle() { return this.playing ? this.pause() : this.play(); }

	/** @param {number} seconds */
	seek(seconds) {
		this.player?.seek(Math.max(0, Math.min(seconds, this.durationS)));
		this.onchange();
	}

	/** @param {Version} version */
	choose(version) {
		if (version === "residual" && !this.hasResidual) return;
		this.version = version;
		this.player?.choose(version);
		this.#mix();
		this.onchange();
	}

	/** @param {number} strength 0 is the original, 1 the result */
	setStrength(strength) {
		this.strength = strength;
		this.version = "after";
		this.player?.choose("after");
		this.#mix();
		this.onchange();
	}

	/** @param {boolean} equal */
	setEqualLoudness(equal) {
		this.equalLoudness = equal;
		this.#mix();
		this.onchange();
	}

	/** @param {Span | null} span */
	setLoop(span) {
		this.loop = span && span.to - span.from > 0.05 ? span : null;
		this.player?.setLoop(this.loop);
		if (this.loop && (this.positionS < this.loop.from || this.positionS > this.loop.to)) this.seek(this.loop.from);
		this.onchange();
	}

	close() {
		clearInterval(this.#timer);
		this.player?.close();
		void this.context.close();
	}

	#tick() {
		this.player?.tick();
		if (this.playing) this.onchange();
	}

	/** The louder version always seems the better one, so it is turned down to the other's loudness. */
	#levels() {
		const { beforeLufs, afterLufs } = this.recording;
		if (!this.equalLoudness || beforeLufs === null || afterLufs === null) return { before: 1, after: 1 };
		const difference = beforeLufs - afterLufs;
		return { before: 10 ** (-Math.max(difference, 0) / 20), after: 10 ** (-Math.max(-difference, 0) / 20) };
	}

	#mix(fadeS = FADE_S) {
		if (!this.player) return;
		const { gains } = this.player;
		const levels = this.#levels();
		const removed = this.version === "residual";
		const share = this.version === "before" ? 0 : this.strength;
		const now = this.context.currentTime;
		const set = (/** @type {GainNode | undefined} */ node, /** @type {number} */ value) => {
			node?.gain.cancelScheduledValues(now);
			node?.gain.setValueAtTime(node.gain.value, now);
			node?.gain.linearRampToValueAtTime(value, now + fadeS);
		};
		const difference = removed && !gains.residual; // made here, of both
		set(gains.before, difference ? 1 : removed ? 0 : 1 - share);
		set(gains.after, difference ? -1 : removed ? 0 : share);
		set(gains.residual, removed ? 1 : 0);
		set(this.master, removed ? 1 : levels.before * (1 - share) + levels.after * share);
	}
}
