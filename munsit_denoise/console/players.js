// What plays both versions of a recording: from memory where it is short, else by the browser's own players.

/**
 * @typedef {import("./sound.js").Version} Version
 * @typedef {import("./sound.js").Span} Span
 * @typedef {import("./sound.js").Recording} Recording
 * @typedef {BufferedPlayer | StreamedPlayer} Player
 * @typedef {{before: GainNode, after: GainNode, residual?: GainNode}} Gains
 */

const SAME_LENGTH_S = 0.08;
const NUDGE_S = 0.004; // two players that are further apart are brought together
const SEEK_S = 0.25;

/** Both versions decoded in memory, started at the same sample: they can be subtracted. */
class BufferedPlayer {
	hasResidual = true;
	playing = false;
	onend = () => {};
	onlost = () => {};
	/** @type {AudioBufferSourceNode[]} */ #sources = [];
	#startS = 0; // of the context, when position #fromS was heard
	#fromS = 0;
	/** @type {Span | null} */ #loop = null;

	/** @param {AudioContext} context @param {AudioBuffer} before @param {AudioBuffer} after */
	constructor(context, before, after) {
		this.context = context;
		this.buffers = [before, after];
		/** @type {Gains} */ this.gains = { before: context.createGain(), after: context.createGain() };
		this.durationS = Math.min(before.duration, after.duration);
	}

	get positionS() {
		if (!this.playing) return this.#fromS;
		const position = this.#fromS + Math.max(0, this.context.currentTime - this.#startS);
		if (!this.#loop || position < this.#loop.to) return position;
		return this.#loop.from + ((position - this.#loop.from) % (this.#loop.to - this.#loop.from));
	}

	async play() {
		this.#stop();
		const gains = [this.gains.before, this.gains.after];
		this.#startS = this.context.currentTime + 0.02;
		this.#sources = this.buffers.map((buffer, index) => {
			const source = this.context.createBufferSource();
			source.buffer = buffer;
			if (this.#loop) [source.loop, source.loopStart, source.loopEnd] = [true, this.#loop.from, this.#loop.to];
			source.connect(gains[index]);
			source.start(this.#startS, this.#fromS);
			return source;
		});
		this.playing = true;
	}

	choose(/** @type {Version} */ _) { /* all that is heard comes from both */ }

	pause() {
		this.#fromS = this.positionS;
		this.#stop();
	}

	/** @param {number} seconds */
	seek(seconds) {
		const was = this.playing;
		this.#stop();
		this.#fromS = seconds;
		if (was) void this.play();
	}

	/** @param {Span | null} span */
	setLoop(span) {
		const position = this.positionS;
		this.#loop = span;
		this.seek(position);
	}

	tick() {
		if (this.playing && !this.#loop && this.positionS >= this.durationS) {
			this.#stop();
			this.#fromS = this.durationS;
			this.onend();
		}
	}

	close() { this.#stop(); }

	#stop() {
		for (const source of this.#sources) { source.stop(); source.disconnect(); }
		this.#sources = [];
		this.playing = false;
	}
}

/** The versions streamed by players of the browser, kept together: one leads, the others follow. */
class StreamedPlayer {
	onend = () => {};
	onlost = () => {}; // of the residual, which is missed only when it is listened to
	playing = false;
	/** @type {HTMLMediaElement} */ #lead;
	/** @type {Span | null} */ #loop = null;

	/** @param {AudioContext} context @param {HTMLMediaElement} before @param {HTMLMediaElement} after @param {string | null} residual */
	constructor(context, before, after, residual) {
		this.after = this.#lead = after;
		this.all = [after, before];
		this.hasResidual = residual !== null;
		this.residual = new Audio();
		this.residual.preload = "none"; // it is computed for whoever listens to it
		if (residual) this.residual.src = residual;
		this.residual.addEventListener("error", () => { this.hasResidual = false; this.onlost(); });
		const gain = (/** @type {HTMLMediaElement} */ element) => {
			const node = context.createGain();
			element.preservesPitch = false;
			element.addEventListener("ended", () => { if (element === this.#lead) { this.pause(); this.onend(); } });
			context.createMediaElementSource(element).connect(node);
			return node;
		};
		/** @type {Gains} */ this.gains = { before: gain(before), after: gain(after), residual: gain(this.residual) };
	}

	get positionS() { return this.#lead.currentTime; }
	get durationS() { return Number.isFinite(this.after.duration) ? this.after.duration : 0; }

	/** @param {Version} version */
	choose(version) {
		const lead = version === "residual" ? this.residual : this.after;
		if (lead === this.#lead) return;
		const position = this.positionS;
		this.#lead = lead;
		lead.playbackRate = 1;
		this.residual.pause();
		this.all = lead === this.residual ? [...this.all, lead] : this.all.filter((element) => element !== this.residual);
		if (lead === this.residual) lead.currentTime = position; // the others follow it
		if (this.playing) void this.play();
	}

	async play() {
		this.playing = true;
		await Promise.all(this.all.map((element) => element.play().catch(() => null)));
	}

	pause() {
		this.playing = false;
		for (const element of this.all) element.pause();
		this.seek(this.positionS);
	}

	/** @param {number} seconds */
	seek(seconds) {
		for (const element of this.all) if (element.currentTime !== seconds) element.currentTime = seconds;
	}

	/** @param {Span | null} span */
	setLoop(span) { this.#loop = span; }

	tick() {
		if (!this.playing) return;
		if (this.#loop && this.positionS >= this.#loop.to) this.seek(this.#loop.from);
		const waits = this.#lead.seeking || this.#lead.readyState < HTMLMediaElement.HAVE_FUTURE_DATA;
		for (const element of this.all) if (element !== this.#lead) this.#keepWith(element, waits);
	}

	/** @param {HTMLMediaElement} element @param {boolean} waits whether the one that leads has no sound yet */
	#keepWith(element, waits) {
		if (waits) { element.pause(); return; }
		if (element.paused && !element.ended) void element.play().catch(() => null);
		const apart = element.currentTime - this.positionS;
		if (Math.abs(apart) > SEEK_S && !element.seeking) element.currentTime = this.positionS;
		element.playbackRate = Math.abs(apart) < NUDGE_S ? 1 : 1 - Math.max(-0.08, Math.min(0.08, apart));
	}

	close() {
		for (const element of [...this.all, this.residual]) {
			element.pause();
			element.removeAttribute("src");
			element.load();
		}
	}
}

/** @param {AudioContext} context @param {Recording} recording @param {AbortSignal} signal */
export async function buffered(context, recording, signal) {
	try {
		const load = async (/** @type {string} */ url) => context.decodeAudioData(await (await fetch(url, { signal })).arrayBuffer());
		const [before, after] = await Promise.all([load(recording.before), load(recording.after)]);
		return Math.abs(before.duration - after.duration) <= SAME_LENGTH_S ? new BufferedPlayer(context, before, after) : null;
	} catch (error) {
		if (signal.aborted) throw error;
		return null; // a format that this cannot decode may still be one that a player can
	}
}

/** @param {AudioContext} context @param {Recording} recording */
export async function streamed(context, recording) {
	const open = (/** @type {string} */ url) =>
		new Promise((/** @type {(element: HTMLMediaElement) => void} */ resolve, reject) => {
			const element = new Audio();
			element.preload = "metadata";
			element.onloadedmetadata = () => resolve(element);
			element.onerror = () => reject(new Error("The browser cannot play this file."));
			element.src = url;
		});
	const [before, after] = await Promise.all([open(recording.before), open(recording.after)]);
	return new StreamedPlayer(context, before, after, recording.residual);
}
