/**
 * From what a caller has to bytes. In: bytes, a URL, a request, a response, a blob or a stream. Out: the bytes, or
 * a stream of them with its length if that is known. Invariant: whatever goes wrong on the way is `network`, or
 * `aborted` if the caller wanted so.
 */
import { TilewrightError } from "./errors.ts";
import { throwIfAborted } from "./reader.ts";

/**
 * Where an artifact may come from. A string is a URL, relative to the page or worker; where there is no such base
 * (in Node), `file:` URLs and paths of files work too.
 */
export type Source =
  ArrayBuffer | Uint8Array | URL | string | Request | Response | Blob | ReadableStream<Uint8Array>;

export interface OpenSource {
  readonly content: Uint8Array | ReadableStream<Uint8Array>;
  /** Bytes in all; undefined if nobody says. */
  readonly total?: number | undefined;
  /** Whether that is certain: there are neither more nor less. Default: false. */
  readonly exact?: boolean | undefined;
}

/** @throws TilewrightError `network`, `aborted` */
export async function openSource(source: Source, signal: AbortSignal | undefined): Promise<OpenSource> {
  throwIfAborted(signal);
  if (isBytes(source)) {
    const content = bytesOf(source);
    return { content, total: content.length };
  }
  if (source instanceof ReadableStream) return { content: source };
  if (source instanceof Blob) return { content: source.stream(), total: source.size, exact: true };
  if (source instanceof Response) return openResponse(source);
  const file = source instanceof URL || typeof source === "string" ? openFile(source) : undefined;
  const address = source instanceof Request ? source.url : String(source);
  try {
    if (file !== undefined) return await file;
    return openResponse(await fetch(source, signal === undefined ? {} : { signal }));
  } catch (error) {
    throwIfAborted(signal);
    if (error instanceof TilewrightError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new TilewrightError("network", `${address} cannot be read: ${reason}`, error);
  }
}

/** Whether it is an array or a buffer; told by its tag, since it may come from another frame. */
function isBytes(source: Source): source is ArrayBuffer | Uint8Array {
  const tag = Object.prototype.toString.call(source);
  return ArrayBuffer.isView(source) || tag === "[object ArrayBuffer]" || tag === "[object SharedArrayBuffer]";
}

function bytesOf(source: ArrayBuffer | Uint8Array): Uint8Array {
  if (!ArrayBuffer.isView(source)) return new Uint8Array(source);
  return new Uint8Array(source.buffer, source.byteOffset, source.byteLength);
}

function openResponse(response: Response): OpenSource {
  const address = response.url === "" ? "the response" : response.url;
  if (!response.ok) {
    throw new TilewrightError(
      "network",
      `${address}: status ${response.status} ${response.statusText}`.trim(),
    );
  }
  if (response.bodyUsed || response.body?.locked === true) {
    throw new TilewrightError("network", `the body of ${address} has been read already`);
  }
  if (response.body === null) throw new TilewrightError("network", `${address} has no body`);
  // With a content encoding, the length is that of the encoded bytes.
  const length = response.headers.get("content-encoding") === null && response.headers.get("content-length");
  return { content: response.body, total: length ? Number(length) : undefined };
}

/** The few functions of Node's that reading a file takes. */
interface FileSystem {
  readonly promises: {
    open(path: URL | string): Promise<{
      read(buffer: Uint8Array, offset: number, length: number): Promise<{ bytesRead: number }>;
      stat(): Promise<{ size: number }>;
      close(): Promise<void>;
    }>;
  };
}

interface NodeGlobals {
  readonly process?: { getBuiltinModule?(name: string): unknown };
  readonly location?: unknown;
}

const READ_BYTES = 1 << 20;

/** Opens a file where there is a file system; undefined for what `fetch` has to get. */
function openFile(source: URL | string): Promise<OpenSource> | undefined {
  const isPath = typeof source === "string" && !/^[a-z][a-z\d+.-]+:/i.test(source);
  const url = isPath ? undefined : new URL(source);
  if (url !== undefined && url.protocol !== "file:") return undefined;
  // Asked of the process at run time, so that a bundler for browsers sees no import of Node's.
  const { process, location } = globalThis as NodeGlobals;
  if (location !== undefined) return undefined;
  const fileSystem = process?.getBuiltinModule?.("node:fs") as FileSystem | undefined;
  return fileSystem && streamFile(fileSystem, url ?? source);
}

async function streamFile(fileSystem: FileSystem, path: URL | string): Promise<OpenSource> {
  const handle = await fileSystem.promises.open(path);
  const content = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const buffer = new Uint8Array(READ_BYTES);
        let bytesRead = 0;
        try {
          ({ bytesRead } = await handle.read(buffer, 0, READ_BYTES));
        } finally {
          if (bytesRead === 0) await handle.close();
        }
        if (bytesRead === 0) controller.close();
        else controller.enqueue(buffer.subarray(0, bytesRead));
      },
      cancel: () => handle.close(),
    },
    { highWaterMark: 0 },
  );
  return { content, total: (await handle.stat()).size };
}
