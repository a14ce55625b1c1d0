// One transport for both versions of a recording: the same position whichever is heard, mixed while it plays.

/**
 * @typedef {"before" | "after" | "residual"} Version
 * @typedef {{from: number, to: number}} Span seconds
 * @typedef {{before: string, after: string, durationS: number, channels: number, beforeLufs: number | null, afterLufs: number | null}} Recording
 */

const BUFFERED_S = 300; // of two channels; longer recordings are streamed by the browser's own player
const SAME_LENGTH_S = 0.08;
const FADE_S = 0.012; // of a switch: no click, no gap
const TICK_MS = 40;
const NUDGE_S = 0.004; // two players that are further apart are brought together
const SEEK_S = 0.25;

/** What is heard, and where in the recording that is. */
export class Transport {
  /** @type {Version} */ version = "after";
  strength = 1;
  equalLoudness = true;
  /** @type {Span | null} */ loop = null;
  /** @type {() => void} */ onchange = () => {};

  /** @param {AudioContext} context @param {Recording} recording @param {Player} player */
  constructor(context, recording, player) {
    this.context = context;
    this.recording = recording;
    this.player = player;
    this.analyser = context.createAnalyser();
    this.analyser.fftSize = 2048;
    this.master = context.createGain();
    player.beforeGain.connect(this.master);
    player.afterGain.connect(this.master);
    this.master.connect(this.analyser).connect(context.destination);
    player.onend = () => this.pause();
    this.timer = window.setInterval(() => this.#tick(), TICK_MS);
    this.#mix(0);
  }

  get playing() { return this.player.playing; }
  get durationS() { return this.player.durationS || this.recording.durationS; }
  get positionS() { return Math.min(this.player.positionS, this.durationS); }
  get hasResidual() { return this.player.exact; }

  async play() {
    await this.context.resume();
    if (this.positionS >= this.durationS - 0.01) this.player.seek(this.loop?.from ?? 0);
    await this.player.play();
    this.onchange();
  }

  pause() {
    this.player.pause();
    this.onchange();
  }

  toggle() { return this.playing ? this.pause() : this.play(); }

  /** @param {number} seconds */
  seek(seconds) {
    this.player.seek(Math.max(0, Math.min(seconds, this.durationS)));
    this.onchange();
  }

  /** @param {Version} version */
  choose(version) {
    if (version === "residual" && !this.hasResidual) return;
    this.version = version;
    this.#mix();
    this.onchange();
  }

  /** @param {number} strength 0 is the original, 1 the result */
  setStrength(strength) {
    this.strength = strength;
    this.version = "after";
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
    this.player.setLoop(this.loop);
    if (this.loop && (this.positionS < this.loop.from || this.positionS > this.loop.to)) this.seek(this.loop.from);
    this.onchange();
  }

  close() {
    clearInterval(this.timer);
    this.player.close();
    void this.context.close();
  }

  #tick() {
    this.player.tick();
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
    const levels = this.#levels();
    const share = this.version === "before" ? 0 : this.strength;
    const [before, after] = this.version === "residual" ? [1, -1] : [1 - share, share];
    const level = this.version === "residual" ? 1 : levels.before * (1 - share) + levels.after * share;
    const set = (/** @type {AudioParam} */ gain, /** @type {number} */ value) => {
      const now = this.context.currentTime;
      gain.cancelScheduledValues(now);
      gain.setValueAtTime(gain.value, now);
      gain.linearRampToValueAtTime(value, now + fadeS);
    };
    set(this.player.beforeGain.gain, before);
    set(this.player.afterGain.gain, after);
    set(this.master.gain, level);
  }
}

/**
 * @typedef {{
 *   beforeGain: GainNode, afterGain: GainNode, exact: boolean, playing: boolean, positionS: number, durationS: number,
 *   onend: () => void, play: () => Promise<void>, pause: () => void, seek: (seconds: number) => void,
 *   setLoop: (span: Span | null) => void, tick: () => void, close: () => void
 * }} Player
 */

/** Both versions decoded in memory, started at the same sample: they can be subtracted. @implements {Player} */
class BufferedPlayer {
  exact = true;
  playing = false;
  onend = () => {};
  /** @type {AudioBufferSourceNode[]} */ #sources = [];
  #startS = 0; // of the context, when position #fromS was heard
  #fromS = 0;
  /** @type {Span | null} */ #loop = null;

  /** @param {AudioContext} context @param {AudioBuffer} before @param {AudioBuffer} after */
  constructor(context, before, after) {
    this.context = context;
    this.buffers = [before, after];
    this.beforeGain = context.createGain();
    this.afterGain = context.createGain();
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
    const gains = [this.beforeGain, this.afterGain];
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

/** Both versions streamed by players of the browser, kept together. @implements {Player} */
class StreamedPlayer {
  exact = false;
  onend = () => {};
  /** @type {Span | null} */ #loop = null;

  /** @param {AudioContext} context @param {HTMLMediaElement} before @param {HTMLMediaElement} after */
  constructor(context, before, after) {
    this.before = before;
    this.after = after;
    this.beforeGain = context.createGain();
    this.afterGain = context.createGain();
    for (const [element, gain] of /** @type {const} */ ([[before, this.beforeGain], [after, this.afterGain]])) {
      element.preservesPitch = false;
      context.createMediaElementSource(element).connect(gain);
    }
    after.addEventListener("ended", () => { this.pause(); this.onend(); });
  }

  get playing() { return !this.after.paused; }
  get positionS() { return this.after.currentTime; }
  get durationS() { return Number.isFinite(this.after.duration) ? this.after.duration : 0; }

  async play() { await Promise.all([this.after.play(), this.before.play()]); }

  pause() {
    this.after.pause();
    this.before.pause();
    this.before.currentTime = this.after.currentTime;
  }

  /** @param {number} seconds */
  seek(seconds) {
    this.after.currentTime = seconds;
    this.before.currentTime = seconds;
  }

  /** @param {Span | null} span */
  setLoop(span) { this.#loop = span; }

  tick() {
    if (!this.playing) return;
    if (this.#loop && this.positionS >= this.#loop.to) this.seek(this.#loop.from);
    const apart = this.before.currentTime - this.after.currentTime;
    if (Math.abs(apart) > SEEK_S && !this.before.seeking) this.before.currentTime = this.after.currentTime;
    this.before.playbackRate = Math.abs(apart) < NUDGE_S ? 1 : 1 - Math.max(-0.08, Math.min(0.08, apart));
  }

  close() {
    for (const element of [this.before, this.after]) {
      element.pause();
      element.removeAttribute("src");
      element.load();
    }
  }
}

/**
 * Open a recording's two versions. Rejects where the browser can play neither.
 * @param {Recording} recording
 * @param {AbortSignal} signal
 * @returns {Promise<Transport>}
 */
export async function openTransport(recording, signal) {
  const context = new AudioContext({ latencyHint: "interactive" });
  try {
    const short = recording.durationS * Math.max(recording.channels, 1) <= 2 * BUFFERED_S;
    const player = (short && (await buffered(context, recording, signal))) || (await streamed(context, recording));
    return new Transport(context, recording, player);
  } catch (error) {
    void context.close();
    throw error;
  }
}

/** @param {AudioContext} context @param {Recording} recording @param {AbortSignal} signal */
async function buffered(context, recording, signal) {
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
async function streamed(context, recording) {
  const open = (/** @type {string} */ url) =>
    new Promise((/** @type {(element: HTMLMediaElement) => void} */ resolve, reject) => {
      const element = new Audio();
      element.preload = "metadata";
      element.onloadedmetadata = () => resolve(element);
      element.onerror = () => reject(new Error("The browser cannot play this file."));
      element.src = url;
    });
  const [before, after] = await Promise.all([open(recording.before), open(recording.after)]);
  return new StreamedPlayer(context, before, after);
}
