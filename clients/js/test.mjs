/** Run by the project's tests, with a server: URL, KEY and RECORDING (a path) in the environment. */
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { basename } from "node:path";
import { test } from "node:test";
import {
  ApiError,
  ConnectionLost,
  DenoiseClient,
  InvalidSignature,
  JobFailed,
  verifyWebhook,
} from "./munsit-denoise.js";

const { URL: SERVER, KEY, RECORDING } = process.env;
const bytes = readFileSync(RECORDING);
const recording = new Blob([bytes]);
const fileName = basename(RECORDING);
const client = new DenoiseClient(SERVER, KEY);

/** Serve answers, one after the other, to a client that waits for nothing; return what it asked for. */
async function scripted(answers, use) {
  const asked = [];
  const server = createServer(async (request, response) => {
    const parts = [];
    for await (const part of request) parts.push(part);
    asked.push({ method: request.method, url: request.url, headers: request.headers, body: Buffer.concat(parts) });
    const { status = 200, headers = {}, body = "", cut } = answers.shift();
    response.writeHead(status, headers);
    if (cut === undefined) return response.end(body);
    response.write(body.slice(0, cut), () => response.destroy());
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${server.address().port}`;
  try {
    await use(new DenoiseClient(url, "the-key", { retries: 3, firstPauseMs: 5, chunkBytes: 500 }), url);
  } finally {
    server.closeAllConnections?.();
    await new Promise((resolve) => server.close(resolve));
  }
  return asked;
}

const json = (value) => JSON.stringify(value);
const accepted = { body: json({ jobId: "7", denoiseId: "7" }) };

test("enhances a recording", async () => {
  const events = [];
  const result = await client.enhance(recording, { fileName, onEvent: (event) => events.push(event) });
  assert.equal(String(await result.slice(0, 4).text()), "RIFF");
  assert.deepEqual(events.at(-1).stage, "done");
  assert.ok(events.slice(0, -1).every((event) => event.stage === "processing"));
  const [record] = await client.list({ limit: 1 });
  assert.deepEqual([record.file_name, record.status], [fileName, "success"]);
  assert.equal((await client.wait(record.id)).url, record.audio_url);
  const told = [];
  await client.download(record, { onProgress: (...soFar) => told.push(soFar) });
  assert.deepEqual(told.at(-1), [result.size, result.size]);
});

test("iterates over the history", async () => {
  const whole = (await client.list()).map((record) => record.id);
  const ids = [];
  for await (const record of client.iterate({ page: 1 })) ids.push(record.id);
  assert.deepEqual(ids, whole);
});

test("asks for everything beside the dialects", async () => {
  const id = await client.submit(recording, { fileName: "beside.wav", strength: 0.5 });
  const { url } = await client.wait(id);
  const record = await client.get(id);
  assert.deepEqual([record.id, record.status, record.audio_url], [id, "success", url]);
  assert.equal((await client.list({ q: "BESIDE", status: "success" }))[0].id, id);
  const report = await client.report(id);
  assert.deepEqual([report.options.strength, report.channels], [0.5, 1]);
  assert.equal(await (await client.residual(id)).slice(0, 4).text(), "RIFF");
  assert.ok((await client.usage()).jobs.success > 0);
  assert.equal((await client.cancel(id)).status, "success");
  await client.delete(id);
  await assert.rejects(client.get(id), { status: 404 });
  const options = { idempotencyKey: `once-${Date.now()}` };
  assert.equal(await client.submit(recording, options), await client.submit(recording, options));
});

test("sends a recording in pieces", async () => {
  const patient = new DenoiseClient(SERVER, KEY, { chunkBytes: 3000 });
  const told = [];
  const id = await patient.submit(recording, { fileName: "ä.wav", onProgress: (...soFar) => told.push(soFar) });
  assert.ok(told.length > 2);
  assert.deepEqual(told.at(-1), [recording.size, recording.size]);
  await patient.wait(id);
  const record = await patient.get(id);
  assert.deepEqual([record.file_name, record.audio_size], ["ä.wav", recording.size]);
});

test("tells errors by class, status and code", async () => {
  await assert.rejects(new DenoiseClient(SERVER, "wrong").list(), (error) => {
    assert.ok(error instanceof ApiError);
    return error.status === 401 && error.code === "40101" && error.message === "Invalid or missing API key";
  });
  await assert.rejects(client.wait("nope"), (error) => error.status === 404);
  await assert.rejects(client.submit(new Blob(["no sound"])), (error) => error.code === "40001");
  await assert.rejects(client.submit(recording, { lodness: 1 }), /no option lodness/);
  assert.throws(() => new DenoiseClient("localhost:8000", KEY), /must start with http/);
  await assert.rejects(new DenoiseClient("http://127.0.0.1:9", KEY, { retries: 0 }).list(), ConnectionLost);
});

test("waits while it is asked to, with one idempotency key", async () => {
  const answers = [429, 503].map((status) => ({ status, headers: { "retry-after": "0" } }));
  const asked = await scripted([...answers, accepted], async (client) => {
    assert.equal(await client.submit(recording, { fileName, strength: 0.5 }), "7");
  });
  assert.equal(new Set(asked.map((one) => one.headers["idempotency-key"])).size, 1);
  assert.ok(asked[2].body.includes('name="strength"\r\n\r\n0.5\r\n'));
  const refused = { status: 503, headers: { "retry-after": "700" }, body: json({ errorMessage: "Full." }) };
  await scripted([refused], (client) => assert.rejects(client.list(), (e) => e.retryAfter === 700 && /Full/.test(e)));
});

test("counts an answer that asks for no pause as a failure", async (t) => {
  const pauses = [];
  const timer = globalThis.setTimeout;
  t.mock.method(globalThis, "setTimeout", (act, ms, ...rest) => {
    pauses.push(ms);
    return timer(act, ms, ...rest);
  });
  for (const wait of ["0", "00", "-5", "NaN", "0.5", "9".repeat(400), "Wed, 21 Oct 2015 07:28:00 GMT"]) {
    pauses.length = 0;
    const answers = Array.from({ length: 9 }, () => ({ status: 503, headers: { "retry-after": wait } }));
    const asked = await scripted(answers, (client) => assert.rejects(client.list(), { status: 503 }));
    assert.equal(asked.length, 4, wait); // the first one, and three retries
    for (const longest of [5, 10, 20]) assert.ok(pauses.some((ms) => ms >= longest / 2 && ms <= longest), `${wait}: ${pauses}`);
  }
});

test("sends URLs and uploads as JSON", async () => {
  const asked = await scripted([accepted, accepted], async (client) => {
    await client.submit("https://example.org/a.mp3", { loudness: -16, idempotencyKey: "mine" });
    await client.submit({ id: "u1", url: "" });
  });
  const url = "https://example.org/a.mp3";
  assert.deepEqual(asked.map((one) => JSON.parse(one.body)), [{ url, loudness: -16 }, { upload_id: "u1" }]);
  assert.equal(asked[0].headers["idempotency-key"], "mine");
});

test("uploads in pieces from the server's offset", async () => {
  const file = new Blob([new Uint8Array(1024).map((_, index) => index)]);
  const told = [];
  const answers = [
    { status: 201, headers: { location: "https://behind.a.proxy/api/v1/uploads/abc" } },
    { status: 204, headers: { "upload-offset": "500" } },
    { status: 503 },
    { headers: { "upload-offset": "700", "upload-length": "1024" } },
    { status: 204, headers: { "upload-offset": "1024" } },
    accepted,
    { headers: { "upload-offset": "1000", "upload-length": "1024" } },
    { status: 204, headers: { "upload-offset": "1024" } },
    { headers: { "upload-offset": "0", "upload-length": "9" } },
  ];
  const asked = await scripted(answers, async (client, url) => {
    await client.submit(file, { fileName: "ä.wav", onProgress: (...soFar) => told.push(soFar) });
    const uploaded = await client.upload(file, { url: `${url}/api/v1/uploads/abc` });
    assert.deepEqual(uploaded, { id: "abc", url: `${url}/api/v1/uploads/abc` });
    await assert.rejects(client.upload(file, { url: uploaded.url }), /of 9 bytes, not 1024/);
  });
  const pieces = asked.filter((one) => one.method === "PATCH");
  assert.deepEqual(pieces.map((one) => [one.headers["upload-offset"], one.body.length]), [
    ["0", 500], ["500", 500], ["700", 324], ["1000", 24],
  ]);
  assert.deepEqual(told, [[500, 1024], [1024, 1024]]);
  assert.equal(asked[0].headers["upload-metadata"], `filename ${Buffer.from("ä.wav").toString("base64")}`);
  assert.deepEqual(JSON.parse(asked[5].body), { upload_id: "abc" });
});

test("goes on watching and downloading where the connection broke", async () => {
  const line = (event) => `data: ${json(event)}\n\n`;
  const events = [
    { stage: "processing", pct: 5 }, { stage: "processing", pct: 50, message: "ä" }, { stage: "error", message: "no" },
  ];
  const first = `: ping\n\n${line(events[0])}${line(events[1])}`;
  const answers = [
    { body: first, cut: first.length - 1 }, { status: 503 }, { body: line(events[1]) + line({ stage: "new" }) },
    { body: line(events[1]) + line(events[2]) },
  ];
  await scripted(answers, async (client) => {
    const seen = [];
    for await (const event of client.watch("7")) seen.push(event);
    assert.deepEqual(seen, events);
  });
  const strange = [[], 5, null, {}, { stage: "processing" }, { stage: "done" }, { stage: "error" }, { stage: "constructor" }];
  await scripted([{ body: strange.map(line).join("") + line(events[2]) }], async (client) => {
    const seen = [];
    for await (const event of client.watch("7")) seen.push(event);
    assert.deepEqual(seen, [events[2]]);
  });
  await scripted([{ body: line(events[2]) }], (client) => assert.rejects(client.wait("7"), JobFailed));
  const parts = [
    { headers: { "content-length": "9", etag: '"a"' }, body: "123456789", cut: 4 },
    { status: 206, headers: { "content-length": "5", "content-range": "bytes 4-8/9", etag: '"a"' }, body: "56789" },
  ];
  const asked = await scripted(parts, async (client, url) => {
    assert.equal(await (await client.download({ stage: "done", url: `${url}/a.wav` })).text(), "123456789");
  });
  assert.equal(asked[1].headers.range, "bytes=4-");
  assert.equal(asked[0].headers["x-api-key"], undefined);
});

test("ends when it is told to", async () => {
  const stopping = new AbortController();
  const answers = [{ status: 503, headers: { "retry-after": "60" } }];
  await scripted(answers, async (client) => {
    const listing = client.list({ signal: stopping.signal });
    setTimeout(() => stopping.abort(), 20);
    await assert.rejects(listing, { name: "AbortError" });
  });
});

test("verifies webhooks", async () => {
  const secret = Buffer.from("sixteen or more!");
  const body = json({ type: "denoise.success", timestamp: "", data: { file_name: "ä" } });
  const sentAt = Math.floor(Date.now() / 1000);
  const signature = createHmac("sha256", secret).update(`msg_1.${sentAt}.${body}`).digest("base64");
  const headers = { "webhook-id": "msg_1", "webhook-timestamp": `${sentAt}`, "webhook-signature": `v1,AA v1,${signature}` };
  const given = `whsec_${secret.toString("base64")}`;
  assert.deepEqual(await verifyWebhook(body, headers, given), JSON.parse(body));
  assert.deepEqual(await verifyWebhook(new TextEncoder().encode(body), new Headers(headers), given), JSON.parse(body));
  await assert.rejects(verifyWebhook(`${body} `, headers, given), InvalidSignature);
  const old = { ...headers, "webhook-timestamp": `${sentAt - 301}` };
  await assert.rejects(verifyWebhook(body, old, given), InvalidSignature);
  await assert.rejects(verifyWebhook(body, headers, "whsec_!"), TypeError);
});
