// Waveform and spectrogram of both versions: click to jump, drag to select, wheel to zoom.

import { h } from "./dom.js";
import { clock, t } from "./i18n.js";

/**
 * @typedef {import("./pictures.js").Pictures} Pictures
 * @typedef {import("./sound.js").Transport} Transport
 * @typedef {import("./sound.js").Span} Span
 */

const WAVE_SHARE = 0.42;
const QUIETEST = 0.03; // peak that is still drawn in full height
const SHORTEST_S = 0.05;
const DRAG_PX = 4;
const ZOOM = 1.0015;
const RULER_PX = 18;
const STEPS_S = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600];

/** Draws what is there at once, and the rest when it has come. */
export class Scope {
	/** @type {Span | null} */ selection = null;
	#frame = 0;
	#pen;
	#style = getComputedStyle(document.body);
	#width = 0;
	#height = 0; // of both pictures, above the ruler
	#loudest = 1; // sample, which fills the height
	/** @type {{x: number, at: number, moved: boolean} | null} */ #drag = null;

	/** @param {Pictures} pictures @param {Transport} transport @param {AbortSignal} signal */
	constructor(pictures, transport, signal) {
		this.pictures = pictures;
		this.transport = transport;
		this.from = 0;
		this.to = transport.durationS;
		const whole = pictures.peaks("before", 0, this.to, 500) ?? [];
		this.#loudest = Math.max(QUIETEST, ...whole.map(Math.abs));
		this.canvas = h("canvas", { class: "scope", role: "img", "aria-label": t("wave"), "aria-describedby": "keys-hint" });
		this.#pen = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d"));
		this.element = h("div", { class: "scope-box", dir: "ltr" }, this.canvas);
		const on = (/** @type {string} */ name, /** @type {(event: any) => void} */ act, passive = true) => this.canvas.addEventListener(name, act, { signal, passive });
		on("pointerdown", (event) => this.#down(event));
		on("pointermove", (event) => this.#move(event));
		on("pointerup", (event) => this.#up(event));
		on("pointercancel", () => { this.#drag = null; });
		on("wheel", (event) => this.#wheel(event), false);
		on("dblclick", () => this.#show(0, transport.durationS));
		pictures.onload = () => this.draw();
		const observer = new ResizeObserver(() => this.draw());
		observer.observe(this.element);
		document.addEventListener("themechange", () => this.draw(), { signal });
		signal.addEventListener("abort", () => observer.disconnect());
	}

	get shown() { return { from: this.from, to: this.to }; }

	/** @param {PointerEvent | WheelEvent} event */
	#timeAt(event) {
		const box = this.canvas.getBoundingClientRect();
		const share = Math.max(0, Math.min(1, (event.clientX - box.left) / Math.max(box.width, 1)));
		return this.from + share * (this.to - this.from);
	}

	/** @param {PointerEvent} event */
	#down(event) {
		this.canvas.setPointerCapture(event.pointerId);
		this.#drag = { x: event.clientX, at: this.#timeAt(event), moved: false };
	}

	/** @param {PointerEvent} event */
	#move(event) {
		const drag = this.#drag;
		if (!drag || (!drag.moved && Math.abs(event.clientX - drag.x) < DRAG_PX)) return;
		drag.moved = true;
		const at = this.#timeAt(event);
		this.selection = { from: Math.min(at, drag.at), to: Math.max(at, drag.at) };
		this.draw();
	}

	/** @param {PointerEvent} event */
	#up(event) {
		const drag = this.#drag;
		this.#drag = null;
		if (!drag) return;
		if (!drag.moved) {
			this.selection = null;
			if (this.transport.loop) this.transport.setLoop(null);
			this.transport.seek(this.#timeAt(event));
		} else if (this.selection) {
			this.transport.setLoop(this.selection);
			if (!this.transport.loop) this.selection = null;
		}
		this.draw();
	}

	/** @param {WheelEvent} event */
	#wheel(event) {
		event.preventDefault();
		const length = this.to - this.from;
		if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
			const by = ((event.deltaX || event.deltaY) / 800) * length;
			this.#show(this.from + by, this.to + by);
			return;
		}
		const wanted = Math.max(SHORTEST_S, Math.min(this.transport.durationS, length * ZOOM ** event.deltaY));
		const at = this.#timeAt(event);
		const from = at - ((at - this.from) / length) * wanted;
		this.#show(from, from + wanted);
	}

	/** Show more or less, around the position. @param {number} factor of the shown length */
	zoom(factor) {
		const length = Math.max(SHORTEST_S, Math.min(this.transport.durationS, (this.to - this.from) * factor));
		this.#show(this.transport.positionS - length / 2, this.transport.positionS + length / 2);
	}

	/** @param {number} from @param {number} to */
	#show(from, to) {
		const length = Math.min(to - from, this.transport.durationS);
		this.from = Math.max(0, Math.min(from, this.transport.durationS - length));
		this.to = this.from + length;
		this.draw();
	}

	draw() {
		if (!this.#frame) this.#frame = requestAnimationFrame(() => { this.#frame = 0; this.#draw(); });
	}

	#draw() {
		const ratio = window.devicePixelRatio || 1;
		const [width, height] = [this.element.clientWidth, this.element.clientHeight];
		if (!width || !height) return;
		if (this.canvas.width !== Math.round(width * ratio)) this.canvas.width = Math.round(width * ratio);
		if (this.canvas.height !== Math.round(height * ratio)) this.canvas.height = Math.round(height * ratio);
		this.#pen.setTransform(ratio, 0, 0, ratio, 0, 0);
		[this.#width, this.#height] = [width, height - RULER_PX];
		this.#style = getComputedStyle(this.element);
		this.#ink("scope");
		this.#pen.fillRect(0, 0, width, height);
		this.#follow();
		const waveHeight = Math.round(this.#height * WAVE_SHARE);
		const version = this.transport.version;
		this.#wave("before", waveHeight, version === "before" ? "wave-a" : "wave-dim");
		this.#wave(version === "residual" ? "before" : "after", waveHeight, version === "before" ? "wave-dim-b" : "wave-b");
		this.#spectrum(waveHeight);
		this.#ruler();
		this.#marks();
	}

	/** @param {string} colour of what is drawn next */
	#ink(colour) { this.#pen.fillStyle = this.#style.getPropertyValue(`--${colour}`).trim(); }

	/** @param {number} at seconds */
	#x(at) { return ((at - this.from) / (this.to - this.from)) * this.#width; }

	/** Keep the position in sight while it plays. */
	#follow() {
		const at = this.transport.positionS;
		if (this.transport.playing && !this.#drag && (at > this.to || at < this.from)) {
			const length = this.to - this.from;
			this.from = Math.max(0, Math.min(at - 0.05 * length, this.transport.durationS - length));
			this.to = this.from + length;
		}
	}

	/** @param {"before" | "after"} version @param {number} height @param {string} colour */
	#wave(version, height, colour) {
		const peaks = this.pictures.peaks(version, this.from, this.to, this.#width);
		if (!peaks) return;
		const scale = height / 2 / this.#loudest;
		this.#ink(colour);
		this.#pen.beginPath();
		for (let x = 0; x < this.#width; x++) {
			const [low, high] = [peaks[2 * x], peaks[2 * x + 1]];
			this.#pen.rect(x, height / 2 - high * scale, 1, Math.max((high - low) * scale, 1));
		}
		this.#pen.fill();
	}

	/** @param {number} top */
	#spectrum(top) {
		const version = this.transport.version === "before" ? "before" : "after";
		for (const { picture, from, to } of this.pictures.spectrogram(version, this.from, this.to, this.#width)) {
			this.#pen.drawImage(picture, this.#x(from), top, this.#x(to) - this.#x(from) + 0.5, this.#height - top);
		}
	}

	#ruler() {
		const length = this.to - this.from;
		const step = STEPS_S.find((one) => (one / length) * this.#width >= 70) ?? 3600;
		this.#ink("ruler");
		this.#pen.font = "11px system-ui, sans-serif";
		this.#pen.textBaseline = "bottom";
		for (let at = Math.ceil(this.from / step) * step; at <= this.to; at += step) {
			this.#pen.fillRect(this.#x(at), this.#height, 1, 4);
			this.#pen.fillText(clock(at, step < 1 ? 2 : 0), this.#x(at) + 3, this.#height + RULER_PX - 2);
		}
	}

	#marks() {
		const span = this.#drag?.moved ? this.selection : (this.transport.loop ?? this.selection);
		if (span) {
			this.#ink("select");
			this.#pen.fillRect(this.#x(span.from), 0, this.#x(span.to) - this.#x(span.from), this.#height);
		}
		this.#ink("head");
		this.#pen.fillRect(this.#x(this.transport.positionS) - 0.75, 0, 1.5, this.#height);
	}
}
