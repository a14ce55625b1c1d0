/**
 * A client of munsit-denoise servers, for browsers and Node 18 or newer: one module, nothing but fetch.
 * The types stand in munsit-denoise.d.ts.
 */

const BASE = "/api/v1";
const TUS = { "Tus-Resumable": "1.0.0" };
const AGAIN = new Set([429, 502, 503, 504]);
const KEY_IN_USE = "40901"; // the same submission is still coming in on another connection
const LOCKED = new Set([409, 423]); // an upload that another connection still holds, or whose offset has moved
const OPTIONS = ["strength", "output_format", "loudness", "audio_track", "webhook_url", "quality", "keep"];
const STAGES = { processing: ["pct"], done: ["url", "denoiseId"], error: ["message"] }; // and what their events have
const LONGEST_TIMER_MS = 2 ** 31 - 1; // a longer one would fire at once
const LONG_MS = 5000; // a stream that lived so long was no failure
const WEBHOOK_TOLERANCE_S = 300;
const SECRET_PREFIX = "whsec_";

/** Base of all errors of this module. */
export class ClientError extends Error {
  constructor(message, options) {
    super(message, options);
    this.name = this.constructor.name;
  }
}

/** The server cannot be reached, or the connection broke before the end. */
export class ConnectionLost extends ClientError {}

/** The server refused a request: `status`, `code`, `message`, `retryAfter` in seconds. */
export class ApiError extends ClientError {
  constructor(status, message, code, retryAfter) {
    super(message);
    Object.assign(this, { status, code, retryAfter });
  }
}

/** The job ended without a result; the message is its reason. */
export class JobFailed extends ClientError {
  constructor(id, message) {
    super(message);
    this.id = id;
  }
}

/** The webhook was not signed with this secret, or was sent too long ago. */
export class InvalidSignature extends ClientError {}

/** A denoise server. */
export class DenoiseClient {
  #base;
  #key;
  #options;

  constructor(url, key, options = {}) {
    if (!/^https?:\/\/./i.test(url)) throw new TypeError(`The address of the server must start with http: ${url}`);
    this.#base = url.replace(/\/+$/, "").replace(/\/api\/v1$/, "") + BASE;
    this.#key = key;
    this.#options = { retries: 5, longestWaitSeconds: 600, firstPauseMs: 500, chunkBytes: 8 * 2 ** 20, ...options };
  }

  /** Send a recording in and return the job's id. */
  async submit(source, { fileName, idempotencyKey, onProgress, signal, ...options } = {}) {
    const fields = checkOptions(options);
    const headers = { "Idempotency-Key": idempotencyKey ?? randomKey() };
    if (typeof source === "string" || source instanceof URL) {
      return this.#submitJson({ url: String(source), ...fields }, headers, signal);
    }
    if (!(source instanceof Blob)) return this.#submitJson({ upload_id: source.id, ...fields }, headers, signal);
    if (onProgress && typeof XMLHttpRequest === "undefined") {
      // fetch does not tell how much of a body it has sent: pieces do
      const uploaded = await this.upload(source, { fileName, onProgress, signal });
      return this.#submitJson({ upload_id: uploaded.id, ...fields }, headers, signal);
    }
    const body = new FormData();
    for (const [name, value] of Object.entries(fields)) body.append(name, String(value));
    body.append("audio", source, nameOf(source, fileName));
    const send = onProgress ? (url, init) => sendCounted(url, init, onProgress) : undefined;
    const answer = await this.#ask("/denoise", { method: "POST", headers, body, signal }, send);
    return (await answer.json()).denoiseId;
  }

  async #submitJson(fields, headers, signal) {
    const init = { method: "POST", body: JSON.stringify(fields), signal };
    const answer = await this.#ask("/denoise", { ...init, headers: { ...headers, "Content-Type": "application/json" } });
    return (await answer.json()).denoiseId;
  }

  /** Send a file in pieces, from where an earlier upload stopped if its `url` is given. */
  async upload(source, { fileName, url, onProgress, onCreated, signal } = {}) {
    const id = lastSegment(url ?? (await this.#createUpload(source, nameOf(source, fileName), signal)));
    const path = `/uploads/${encodeURIComponent(id)}`;
    if (url === undefined) onCreated?.(this.#base + path);
    let offset = url === undefined ? 0 : await this.#offset(path, source.size, signal);
    const tries = this.#tries();
    while (offset < source.size) {
      const before = offset;
      try {
        offset = await this.#sendPiece(path, source, offset, signal);
        onProgress?.(offset, source.size);
      } catch (error) {
        await pause(tries.pauseMs(LOCKED.has(error.status) ? new ConnectionLost(error.message) : error), signal);
        offset = await this.#offset(path, source.size, signal);
      }
      if (offset > before) tries.reset();
    }
    return { id, url: this.#base + path };
  }

  async #createUpload(source, name, signal) {
    const metadata = `filename ${base64(new TextEncoder().encode(name))}`;
    const headers = { ...TUS, "Upload-Length": String(source.size), "Upload-Metadata": metadata };
    const answer = await this.#ask("/uploads", { method: "POST", headers, signal });
    const location = answer.headers.get("location");
    if (!location) throw new ConnectionLost("The server did not say where the upload is.");
    return location;
  }

  async #offset(path, size, signal) {
    const answer = await this.#ask(path, { method: "HEAD", headers: TUS, signal });
    const length = answer.headers.get("upload-length") ?? String(size);
    if (length !== String(size)) throw new ClientError(`The upload is of a file of ${length} bytes, not ${size}.`);
    return Number(answer.headers.get("upload-offset"));
  }

  async #sendPiece(path, source, offset, signal) {
    const headers = { ...TUS, "Upload-Offset": String(offset), "Content-Type": "application/offset+octet-stream" };
    const body = source.slice(offset, offset + this.#options.chunkBytes);
    const answer = await this.#once(this.#base + path, { method: "PATCH", headers, body, signal });
    return Number(answer.headers.get("upload-offset"));
  }

  /** Yield what becomes of a job, its end last; a connection that breaks is opened anew. */
  async *watch(id, { signal } = {}) {
    const url = `${this.#base}/denoise/${encodeURIComponent(id)}/progress`;
    const tries = this.#tries();
    let last = "";
    for (;;) {
      const began = Date.now();
      let wait;
      try {
        for await (const line of linesOf(await this.#once(url, { headers: { Accept: "text/event-stream" }, signal }))) {
          const event = line === last ? null : eventOf(line);
          if (!event) continue;
          last = line;
          tries.reset();
          yield event;
          if (event.stage === "done" || event.stage === "error") return;
        }
        throw new ConnectionLost("The stream of events ended before the job did.");
      } catch (error) {
        if (Date.now() - began > LONG_MS) tries.reset();
        wait = tries.pauseMs(error);
      }
      await pause(wait, signal);
    }
  }

  /** Wait for a job's end and return its last event. */
  async wait(id, { signal, onEvent } = {}) {
    for await (const event of this.watch(id, { signal })) {
      onEvent?.(event);
      if (event.stage === "error") throw new JobFailed(id, event.message);
      if (event.stage === "done") return event;
    }
    throw new ConnectionLost("The stream of events ended before the job did.");
  }

  /** Yield a result's bytes; a connection that breaks is opened anew where it broke. */
  async *bytes(job, { signal, onProgress } = {}) {
    const url = typeof job === "string" ? (await this.get(job, { signal })).audio_url : job.url ?? job.audio_url;
    if (!url) throw new ClientError("The job has no result.");
    yield* this.#download(url, {}, { signal, onProgress }); // without the key
  }

  /** Return a result as a Blob. */
  async download(job, options) {
    return collected(this.bytes(job, options));
  }

  /** Return what was removed from a recording, a WAV, as a Blob. */
  async residual(id, options = {}) {
    const url = `${this.#base}/denoise/${encodeURIComponent(id)}/residual`;
    return collected(this.#download(url, { "x-api-key": this.#key }, options));
  }

  async *#download(url, headers, { signal, onProgress }) {
    const tries = this.#tries();
    let have = 0;
    let total;
    let validator;
    while (total === undefined || have < total) {
      const rest = have ? { Range: `bytes=${have}-` } : {}; // If-Range would need a preflight
      try {
        const answer = await checked(await connected(fetch, url, { headers: { ...headers, ...rest }, signal }));
        const range = answer.headers.get("content-range");
        const isRest = answer.status === 206 && (range === null || range.startsWith(`bytes ${have}-`)); // CORS hides it
        if (have && !(isRest && validatorOf(answer) === validator)) throw new ClientError("The file has changed meanwhile. Please fetch it again.");
        if (!have) [total, validator] = [sizeOf(answer), validatorOf(answer)];
        for await (const chunk of chunksOf(answer)) {
          have += chunk.length;
          tries.reset();
          onProgress?.(have, total);
          yield chunk;
        }
        if (total === undefined) return;
        if (have < total) throw new ConnectionLost("The connection broke before the end of the file.");
      } catch (error) {
        await pause(tries.pauseMs(error), signal);
      }
    }
  }

  /** Send a recording in, wait, and return the result as a Blob. */
  async enhance(source, { onEvent, signal, ...options } = {}) {
    const id = await this.submit(source, { signal, ...options });
    return this.download(await this.wait(id, { signal, onEvent }), { signal });
  }

  /** Return a job's record. */
  get(id, { signal } = {}) {
    return this.#json(`/denoise/${encodeURIComponent(id)}`, { signal });
  }

  /** Return a page of the history, newest first; `q` is a part of the file name. */
  list({ signal, ...query } = {}) {
    const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null);
    const params = new URLSearchParams(given.map(([name, value]) => [name, String(value)]));
    return this.#json(`/denoise${params.size || String(params) ? `?${params}` : ""}`, { signal });
  }

  /** Yield the whole history, newest first, a page at a time; each record once, also while jobs come in. */
  async *iterate({ page = 100, signal, ...query } = {}) {
    const seen = new Set();
    for (let offset = 0, records; ; offset += records.length) {
      records = await this.list({ ...query, offset, limit: page, signal });
      for (const record of records) {
        if (!seen.has(record.id)) yield record;
        seen.add(record.id);
      }
      if (records.length < page) return;
    }
  }

  /** Remove a job, its files and its record, wherever it stands. */
  async delete(id, { signal } = {}) {
    await this.#ask(`/denoise/${encodeURIComponent(id)}`, { method: "DELETE", signal });
  }

  /** Stop a job that has not ended; its original stays. Returns the record. */
  cancel(id, { signal } = {}) {
    return this.#json(`/denoise/${encodeURIComponent(id)}/cancel`, { method: "POST", signal });
  }

  /** Return what was measured before and after. */
  report(id, { signal } = {}) {
    return this.#json(`/denoise/${encodeURIComponent(id)}/report`, { signal });
  }

  /** Return what the key's user has and has used. */
  usage({ signal } = {}) {
    return this.#json("/usage", { signal });
  }

  async #json(path, init) {
    const answer = await this.#ask(path, init);
    try {
      return await answer.json();
    } catch (error) {
      throw new ConnectionLost("The answer is no JSON. Is this the address of a denoise server?", { cause: error });
    }
  }

  /** Send a request until it is answered, or patience is at its end. */
  async #ask(path, init, send) {
    for (const tries = this.#tries(); ; ) {
      try {
        return await this.#once(this.#base + path, init, send);
      } catch (error) {
        await pause(tries.pauseMs(error), init.signal);
      }
    }
  }

  async #once(url, init, send = fetch) {
    return checked(await connected(send, url, { ...init, headers: { "x-api-key": this.#key, ...init.headers } }));
  }

  #tries() {
    return new Tries(this.#options);
  }
}

/** Counts what failed since something last went well. */
class Tries {
  #options;
  #failures = 0;
  #waitedSeconds = 0;

  constructor(options) {
    this.#options = options;
  }

  reset() {
    this.#failures = this.#waitedSeconds = 0;
  }

  /** Return how long to wait before the next try; throw the error itself when there is to be none. */
  pauseMs(error) {
    const { retries, longestWaitSeconds, firstPauseMs } = this.#options;
    if (!isPassing(error) || retries === 0) throw error;
    if (error.retryAfter) { // zero is no pause: a server that asks for it would be tried without end
      this.#waitedSeconds += error.retryAfter;
      if (this.#waitedSeconds > longestWaitSeconds) throw error;
      return error.retryAfter * 1000;
    }
    this.#failures += 1;
    if (this.#failures > retries) throw error;
    // jittered, so that the clients of a server that comes back do not all come at once
    return Math.min(firstPauseMs * 2 ** (this.#failures - 1), 8000) * (0.5 + Math.random() / 2);
  }
}

function isPassing(error) {
  return error instanceof ConnectionLost || AGAIN.has(error.status) || error.code === KEY_IN_USE;
}

/** Send a request; what fetch throws becomes ConnectionLost, unless the caller has ended it. */
async function connected(send, url, init) {
  try {
    return await send(url, init);
  } catch (error) {
    throw lost(error, init.signal);
  }
}

function lost(error, signal) {
  if (signal?.aborted || error instanceof ClientError) return error;
  return new ConnectionLost(`The connection to the server failed: ${error.cause?.message ?? error.message}`, {
    cause: error,
  });
}

async function checked(answer) {
  if (answer.ok) return answer;
  let body = {};
  try {
    body = (await answer.json()) ?? {};
  } catch {
    // whatever it says, the status tells enough
  }
  const message = body.errorMessage ?? body.message ?? `The server answered ${answer.status}.`;
  const wait = answer.headers.get("retry-after");
  throw new ApiError(answer.status, message, body.errorCode, /^\d{1,9}$/.test(wait ?? "") ? Number(wait) : undefined);
}

function sizeOf(answer) {
  const length = answer.headers.get("content-length");
  return length === null ? undefined : Number(length);
}

/** Return what says that a file is still the same. */
function validatorOf(answer) {
  return answer.headers.get("etag") ?? answer.headers.get("last-modified");
}

/** Yield a body's chunks; whoever stops early closes the connection. */
async function* chunksOf(answer) {
  const reader = answer.body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read().catch((error) => {
        throw error.name === "AbortError" ? error : lost(error);
      });
      if (done) return;
      yield value;
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

async function* linesOf(answer) {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of chunksOf(answer)) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop();
    yield* lines;
  }
}

/** Return the event of a line; null for comments, for JSON of another shape, and for stages that a newer server may add. */
function eventOf(line) {
  if (!line.startsWith("data:")) return null;
  try {
    const event = JSON.parse(line.slice(5));
    return STAGES[event.stage].every((name) => name in event) ? event : null;
  } catch {
    return null;
  }
}

async function collected(chunks) {
  const parts = [];
  for await (const chunk of chunks) parts.push(chunk);
  return new Blob(parts);
}

/** Send a form by XMLHttpRequest, which tells how much of it is sent, and return what fetch would. */
function sendCounted(url, { method, headers, body, signal }, onProgress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open(method, url);
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => onProgress(event.loaded, event.lengthComputable ? event.total : undefined);
    request.onload = () => {
      const names = ["retry-after", "content-type"].filter((name) => request.getResponseHeader(name) !== null);
      const given = Object.fromEntries(names.map((name) => [name, request.getResponseHeader(name)]));
      resolve(new Response(request.responseText, { status: request.status, headers: given }));
    };
    request.onerror = () => reject(new TypeError("the request failed"));
    request.onabort = () => reject(signal.reason);
    signal?.addEventListener("abort", () => request.abort(), { once: true });
    if (signal?.aborted) reject(signal.reason);
    else request.send(body);
  });
}

function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const end = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", end);
      resolve();
    }, Math.min(milliseconds, LONGEST_TIMER_MS));
    signal?.addEventListener("abort", end, { once: true });
  });
}

function checkOptions(options) {
  const unknown = Object.keys(options).filter((name) => !OPTIONS.includes(name));
  if (unknown.length) throw new TypeError(`There is no option ${unknown.join(", ")}.`);
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined && value !== null));
}

function nameOf(source, fileName) {
  return fileName ?? source.name ?? "recording";
}

function lastSegment(url) {
  return decodeURIComponent(url.split("?")[0].replace(/\/+$/, "").split("/").pop());
}

function randomKey() {
  const digits = () => Math.random().toString(36).slice(2); // no secret: it has to be another one each time
  return globalThis.crypto?.randomUUID?.() ?? `${Date.now().toString(36)}-${digits()}${digits()}`;
}

function base64(bytes) {
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}

/** Return what a webhook tells, its body exactly as it came in; throw InvalidSignature when it is not the server's. */
export async function verifyWebhook(body, headers, secret) {
  const given = headers instanceof Headers ? headers : new Headers(headers);
  const [id, sentAt, signatures] = ["id", "timestamp", "signature"].map((name) => given.get(`webhook-${name}`) ?? "");
  if (!/^\d+$/.test(sentAt) || Math.abs(Date.now() / 1000 - Number(sentAt)) > WEBHOOK_TOLERANCE_S) {
    throw new InvalidSignature("The webhook was not sent within the last five minutes.");
  }
  const text = typeof body === "string" ? body : new TextDecoder().decode(body);
  const subtle = globalThis.crypto?.subtle ?? (await import("node:crypto")).webcrypto.subtle; // Node 18
  const hmac = { name: "HMAC", hash: "SHA-256" };
  const key = await subtle.importKey("raw", secretBytes(secret), hmac, false, ["verify"]);
  const signed = new TextEncoder().encode(`${id}.${sentAt}.${text}`);
  for (const signature of signatures.split(" ")) {
    const bytes = signature.startsWith("v1,") ? fromBase64(signature.slice(3)) : null;
    if (bytes && (await subtle.verify("HMAC", key, bytes, signed))) return JSON.parse(text);
  }
  throw new InvalidSignature("The webhook is not signed with this secret.");
}

function secretBytes(secret) {
  const bytes = fromBase64(secret.startsWith(SECRET_PREFIX) ? secret.slice(SECRET_PREFIX.length) : secret);
  if (!bytes?.length) throw new TypeError(`The secret is no secret of a webhook: one is written like ${SECRET_PREFIX}...`);
  return bytes;
}

function fromBase64(text) {
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  } catch {
    return null;
  }
}
