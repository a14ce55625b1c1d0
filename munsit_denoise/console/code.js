// The same from a program: snippets for this server and this job, each of which runs as it stands.

import { card, h, icon, rove, toast } from "./dom.js";
import { t } from "./i18n.js";

/** @typedef {import("./api.js").Entry} Entry */

/** A file name as a shell, Python and JavaScript read it alike: in quotes, without what ends them. @param {string} name */
const plain = (name) => JSON.stringify(name.replace(/[^\p{L}\p{N}._ -]/gu, "_"));

/** @param {Entry} entry @returns {Record<string, string>} */
function snippets(entry) {
	const base = new URL(".", document.baseURI).href.replace(/\/$/, "");
	const file = plain(entry.file_name);
	return {
		curl: `# send a file: the answer has its job's id
curl -sS -H "x-api-key: $DENOISE_API_KEY" -F audio=@${file} ${base}/api/v1/denoise
# follow this job, then read its record
curl -N -sS -H "x-api-key: $DENOISE_API_KEY" ${base}/api/v1/denoise/${entry.id}/progress
curl -sS -H "x-api-key: $DENOISE_API_KEY" ${base}/api/v1/denoise/${entry.id}
`,
		Python: `import os
from munsit_denoise_client import Client

with Client(${JSON.stringify(base)}, os.environ["DENOISE_API_KEY"]) as client:
    job = client.submit(${file})
    for event in client.watch(job):
        print(event)
    client.download(job, to="clean.wav")
    print(client.get(job).status)
`,
		JavaScript: `const headers = { "x-api-key": process.env.DENOISE_API_KEY };
const form = new FormData();
form.set("audio", new Blob([await (await import("node:fs/promises")).readFile(${file})]), ${file});
const sent = await fetch(${JSON.stringify(`${base}/api/v1/denoise`)}, { method: "POST", headers, body: form });
const { denoiseId } = await sent.json();
const stream = await fetch(\`${base}/api/v1/denoise/\${denoiseId}/progress\`, { headers });
for await (const part of stream.body.pipeThrough(new TextDecoderStream())) process.stdout.write(part);
console.log(await (await fetch(\`${base}/api/v1/denoise/\${denoiseId}\`, { headers })).json());
`,
	};
}

/** @param {Entry} entry */
export function codePanel(entry) {
	const all = snippets(entry);
	const names = Object.keys(all);
	const panels = names.map((name, index) => h("div", { class: "snippet", role: "tabpanel", id: `code-${index}`, "aria-labelledby": `tab-${index}`, hidden: index > 0, "data-language": name },
		h("button", { class: "copy", onclick: () => void copy(all[name]) }, icon("copy"), t("copy")),
		h("pre", { dir: "ltr", tabindex: 0, "aria-label": name }, h("code", {}, all[name]))));
	const tabs = names.map((name, index) => h("button", { role: "tab", id: `tab-${index}`, "aria-controls": `code-${index}`, "aria-selected": String(index === 0), tabindex: index ? -1 : 0, onclick: () => show(index) }, name));
	const show = (/** @type {number} */ chosen) => {
		tabs.forEach((tab, index) => { tab.setAttribute("aria-selected", String(index === chosen)); tab.tabIndex = index === chosen ? 0 : -1; });
		panels.forEach((panel, index) => { panel.hidden = index !== chosen; });
	};
	const list = h("div", { class: "tabs", role: "tablist", "aria-label": t("code"), onkeydown: (/** @type {KeyboardEvent} */ event) => rove(event, tabs, show) }, tabs);
	return card("code", h("p", { class: "hint" }, t("your_key")), list, panels);
}

/** @param {string} text */
async function copy(text) {
	try {
		await navigator.clipboard.writeText(text);
	} catch {
		const area = h("textarea", { class: "unseen", value: text });
		document.body.append(area);
		area.select();
		document.execCommand("copy"); // the only way on a page that is not served securely
		area.remove();
	}
	toast(t("copied"));
}
