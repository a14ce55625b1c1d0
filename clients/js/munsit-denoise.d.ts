/** What is wanted of a result; what is left out is the server's default. */
export interface Options {
  /** How much of the noise is removed, 0 to 1. */
  strength?: number | "transcription";
  /** An extension such as `flac`, or `original`: the source's own. */
  output_format?: string;
  /** LUFS, -70 to 0. */
  loudness?: number;
  /** Which audio track of the file; 0 is the first. */
  audio_track?: number;
  /** Where the job's end is told. */
  webhook_url?: string;
  /** `best`: two models together, better and slower, where the server has them. */
  quality?: "standard" | "best";
  /** `voice+music`: whatever rises above the steady background stays too; `dry-voice`: reverberation goes too. */
  keep?: "voice" | "voice+music" | "dry-voice";
}

export type Status = "pending" | "success" | "failed";

/** A job of the history. */
export interface DenoiseRecord {
  id: string;
  user_id: string;
  transaction_id: string | null;
  /** Of the result, once there is one. */
  audio_url: string | null;
  original_audio_url: string;
  file_name: string;
  /** Seconds. */
  audio_duration: number;
  /** Bytes. */
  audio_size: number;
  audio_format: string;
  source_type: "audio" | "video";
  status: Status;
  error: string | null;
  created_at: string;
  updated_at: string;
}

export interface ProcessingEvent {
  stage: "processing";
  pct: number;
  message?: string;
}
export interface DoneEvent {
  stage: "done";
  url: string;
  denoiseId: string;
}
export interface ErrorEvent {
  stage: "error";
  message: string;
}
export type JobEvent = ProcessingEvent | DoneEvent | ErrorEvent;

/** What was measured of a sound; null where it cannot be told. */
export interface Levels {
  loudness_lufs: number | null;
  true_peak_dbtp: number | null;
  noise_floor_db: number | null;
  snr_db: number | null;
  clipped_samples: number | null;
}

export interface ReportModel {
  name: string | null;
  version: string | null;
  sha256: string | null;
}

export interface Report {
  duration_s: number;
  sample_rate_hz: number | null;
  channels: number | null;
  before: Levels;
  after: Levels;
  removed_energy_db: number | null;
  speech_level_change_db: number | null;
  model: ReportModel;
  /** Only if two models were used, as with `quality: "best"`. */
  second_model?: ReportModel;
  /** Only if three were used, as with `quality: "best"` and `keep: "dry-voice"`. */
  third_model?: ReportModel;
  options: Record<string, unknown>;
  sha256: Record<string, string | null>;
}

export interface Usage {
  user_id: string;
  jobs: Record<Status, number>;
  minutes_processed: number;
  /** null where the server keeps no balance. */
  minutes_available: number | null;
  bytes_stored: number;
}

export interface WebhookEvent {
  type: "denoise.success" | "denoise.failed";
  timestamp: string;
  data: DenoiseRecord;
}

/** A file that is on the server: `submit` takes it as often as wanted until it expires. */
export interface Uploaded {
  id: string;
  url: string;
}

/** Bytes so far, and in all where that is known. */
export type OnProgress = (bytes: number, total: number | undefined) => void;

export interface Abortable {
  signal?: AbortSignal;
}

export interface SubmitOptions extends Options, Abortable {
  fileName?: string;
  /** Two submissions with the same key are one job; without it each call has its own. */
  idempotencyKey?: string;
  onProgress?: OnProgress;
}

export interface UploadOptions extends Abortable {
  fileName?: string;
  /** Of an earlier upload of the same file, which goes on. */
  url?: string;
  onProgress?: OnProgress;
  /** Gets the URL by which the upload can go on later. */
  onCreated?: (url: string) => void;
}

export interface DownloadOptions extends Abortable {
  onProgress?: OnProgress;
}

export interface ListOptions extends Abortable {
  offset?: number;
  limit?: number;
  status?: Status;
  /** Part of the file name, in any case. */
  q?: string;
}

export interface ClientOptions {
  /** Failures in a row before a request is given up; 0 tries once. */
  retries?: number;
  /** How long to wait in all where the server asks for it. */
  longestWaitSeconds?: number;
  firstPauseMs?: number;
  /** Size of the pieces of an upload that can go on. */
  chunkBytes?: number;
}

/** Base of all errors of this module. */
export class ClientError extends Error {}
/** The server cannot be reached, or the connection broke before the end. */
export class ConnectionLost extends ClientError {}
/** The server refused a request. */
export class ApiError extends ClientError {
  status: number;
  code: string | undefined;
  /** Seconds. */
  retryAfter: number | undefined;
}
/** The job ended without a result; the message is its reason. */
export class JobFailed extends ClientError {
  id: string;
}
/** The webhook was not signed with this secret, or was sent too long ago. */
export class InvalidSignature extends ClientError {}

/** A denoise server. Every method may throw ApiError, and ConnectionLost when patience is at its end. */
export class DenoiseClient {
  constructor(url: string, key: string, options?: ClientOptions);
  /** Send a recording in, a URL that the server fetches, or an upload; returns the job's id. */
  submit(source: Blob | string | URL | Uploaded, options?: SubmitOptions): Promise<string>;
  /** Send a file in pieces, which goes on after a cut; with an earlier one's `url`, from where that stopped. */
  upload(source: Blob, options?: UploadOptions): Promise<Uploaded>;
  /** Yield what becomes of a job, its end last; a connection that breaks is opened anew. */
  watch(id: string, options?: Abortable): AsyncGenerator<JobEvent, void, void>;
  /** Wait for a job's end. Throws JobFailed. */
  wait(id: string, options?: Abortable & { onEvent?: (event: JobEvent) => void }): Promise<DoneEvent>;
  /** Yield a result's bytes; a connection that breaks is opened anew where it broke. */
  bytes(job: string | DoneEvent | DenoiseRecord, options?: DownloadOptions): AsyncGenerator<Uint8Array, void, void>;
  /** Return a result. */
  download(job: string | DoneEvent | DenoiseRecord, options?: DownloadOptions): Promise<Blob>;
  /** Return what was removed from a recording, a WAV. */
  residual(id: string, options?: DownloadOptions): Promise<Blob>;
  /** Send a recording in, wait, and return the result. Throws JobFailed. */
  enhance(
    source: Blob | string | URL | Uploaded,
    options?: SubmitOptions & { onEvent?: (event: JobEvent) => void },
  ): Promise<Blob>;
  get(id: string, options?: Abortable): Promise<DenoiseRecord>;
  /** Return a page of the history, newest first. */
  list(options?: ListOptions): Promise<DenoiseRecord[]>;
  /** Yield the whole history, newest first; each record once, also while jobs come in. */
  iterate(options?: Omit<ListOptions, "offset" | "limit"> & { page?: number }): AsyncGenerator<DenoiseRecord, void, void>;
  /** Remove a job, its files and its record, wherever it stands. */
  delete(id: string, options?: Abortable): Promise<void>;
  /** Stop a job that has not ended; its original stays. */
  cancel(id: string, options?: Abortable): Promise<DenoiseRecord>;
  /** Return what was measured before and after. */
  report(id: string, options?: Abortable): Promise<Report>;
  usage(options?: Abortable): Promise<Usage>;
}

/** Return what a webhook tells, its body exactly as it came in. Throws InvalidSignature. */
export function verifyWebhook(
  body: string | Uint8Array,
  headers: Headers | Record<string, string>,
  secret: string,
): Promise<WebhookEvent>;
