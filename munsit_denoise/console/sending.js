// A file's way in: uploaded in parts that can go on, made a job, followed to its end.

import { Refused, Unreachable, again, ask, follow, json, pause, said, sending } from "./api.js";
import { append, fill, h, iconButton, toast } from "./dom.js";
import { size, t } from "./i18n.js";
import { upload } from "./tus.js";

/**
 * @typedef {{active: HTMLElement, options: Record<string, string>, changed: () => void}} Desk
 */

const AT_ONCE = 2;
const MAYBE_ACCEPTED = [409, 502, 504]; // the same submission is still at work; a proxy lost the answer
const LONG = 5; // percent of steps that a screen reader is told

/** @param {Iterable<File>} files @param {Desk} desk */
export async function sendAll(files, desk) {
	const waiting = [...files].map((file) => new Job(file, desk));
	const work = async () => { for (let job = waiting.shift(); job; job = waiting.shift()) await job.run(); };
	await Promise.all(Array.from({ length: AT_ONCE }, work));
}

/** One file on its way, and what is shown of it. */
class Job {
	#stop = new AbortController();
	/** @type {string | null} */ #id = null;
	/** The upload of a submission that may have been accepted, while no answer says so. @type {string | null} */ #unanswered = null;
	#over = false;

	/** @param {File} file @param {Desk} desk */
	constructor(file, desk) {
		this.file = file;
		this.desk = desk;
		this.bar = h("progress", { max: 100, value: 0, "aria-label": file.name });
		this.says = h("span", { class: "facts", role: "status" }, t("queued"));
		this.percent = h("span", { class: "percent", dir: "ltr", "aria-hidden": "true" });
		this.buttons = h("span", { class: "row" }, h("button", { onclick: () => void this.#cancel() }, t("cancel")));
		this.element = h("li", { class: "card job" }, h("span", { class: "name" }, h("bdi", {}, file.name)), this.says, this.percent, this.buttons, this.bar);
		append(desk.active, this.element);
	}

	async run() {
		if (this.#stop.signal.aborted) return;
		try {
			const uploadId = await this.#upload();
			const { denoiseId } = await this.#submit(uploadId, this.#stop.signal);
			this.#id = denoiseId;
			this.desk.changed();
			void this.#follow(denoiseId); // the next file need not wait for it
		} catch (error) {
			this.#ended(error);
		}
	}

	#upload() {
		const total = Math.max(this.file.size, 1);
		return upload(this.file, {
			sent: (bytes) => this.#tell(`${t("uploading")} · \u2066${size(bytes)} / ${size(this.file.size)}\u2069`, (100 * bytes) / total, "uploading"),
			lost: (lost) => this.#tell(lost ? t("upload_paused") : t("uploading")),
			signal: this.#stop.signal,
		});
	}

	/** @param {string} uploadId @param {AbortSignal} [signal] @returns {Promise<{denoiseId: string}>} */
	async #submit(uploadId, signal) {
		const { body, headers, method } = sending("POST", { upload_id: uploadId, ...this.desk.options });
		for (let tries = 0; ; tries++) {
			this.#tell(t("checking"));
			const before = this.#unanswered;
			try {
				this.#unanswered = uploadId;
				// Asked for again under the same key, it stays one job.
				return await json("denoise", { method, body, headers: { ...headers, "Idempotency-Key": `console-${uploadId}` }, signal });
			} catch (error) {
				if (error instanceof Refused && !MAYBE_ACCEPTED.includes(error.status)) this.#unanswered = before;
				const wait = again(error, tries);
				if (wait === null) throw error;
				this.#tell(error instanceof Unreachable ? t("upload_paused") : said(error));
				await pause(wait, signal);
			}
		}
	}

	/** @param {string} id */
	async #follow(id) {
		this.bar.value = 0;
		try {
			await follow(id, (event) => {
				if (event.stage === "processing") this.#tell(event.message ?? t("working"), event.pct, "working");
				else if (event.stage === "done") this.#done(id);
				else this.#ended(new Refused(0, event.message));
			}, this.#stop.signal);
		} catch (error) {
			this.#ended(error);
		}
	}

	/** @param {string} id */
	#done(id) {
		if (!this.#end()) return;
		this.element.classList.add("done");
		[this.bar.value, this.percent.textContent, this.says.textContent] = [100, "100 %", t("success")];
		fill(this.buttons, h("a", { class: "button primary", href: `#/file/${id}` }, t("listen_now")), this.#dismiss());
		this.desk.changed();
	}

	/** @returns {boolean} whether it had not ended before: it ends once, also when it is cancelled at that moment */
	#end() {
		const first = !this.#over;
		this.#over = true;
		return first;
	}

	/** @param {unknown} error */
	#ended(error) {
		if (!this.#end()) return;
		const cancelled = this.#stop.signal.aborted;
		this.element.classList.add(cancelled ? "cancelled" : "broken");
		this.percent.textContent = "";
		this.says.textContent = cancelled ? t("cancelled") : said(error);
		const again = h("button", { onclick: () => { this.element.remove(); void sendAll([this.file], this.desk); } }, t("retry"));
		fill(this.buttons, !cancelled && again, this.#dismiss());
		this.desk.changed();
	}

	#dismiss() { return iconButton("close", t("dismiss"), () => this.element.remove()); }

	async #cancel() {
		this.#stop.abort();
		this.#ended(null);
		try {
			// The server may have made a job before its answer could come. The same submission again is answered with that job.
			if (!this.#id && this.#unanswered) this.#id = (await this.#submit(this.#unanswered)).denoiseId;
			if (this.#id) await ask(`denoise/${this.#id}/cancel`, { method: "POST" });
		} catch (error) {
			if (this.#id) toast(said(error)); // else it was refused, and there is no job
		}
		this.desk.changed();
	}

	#told = "";

	/** @param {string} text @param {number} [percent] @param {string} [stage] of many small steps, which are told seldom */
	#tell(text, percent, stage) {
		if (this.#over) return;
		if (percent !== undefined) {
			this.bar.value = percent;
			this.percent.textContent = `${Math.floor(percent)} %`;
		}
		const step = stage ? `${stage}${Math.floor((percent ?? 0) / LONG)}` : text;
		if (step === this.#told) return;
		this.#told = step;
		this.says.textContent = text;
	}
}
