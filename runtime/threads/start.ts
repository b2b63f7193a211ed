/**
 * Starts a worker, in a page or in Node. In: nothing. Out: where to send messages. Invariant: messages arrive in
 * order, whichever way the worker came to be: first as a file of its own, which the strictest policy allows; where
 * that file is not to be had (a bundler that did not see it, a page from another origin), from its text.
 */
import { helpWithRuns, type ThreadMessage } from "./thread.ts";

export interface Thread {
  post(message: ThreadMessage): void;
  end(): void;
}

/** The part of Node that is needed; a page has none of it. */
interface Node {
  readonly getBuiltinModule?: (name: "node:worker_threads") => {
    readonly Worker: new (url: URL) => {
      postMessage(message: ThreadMessage): void;
      unref(): void;
      terminate(): Promise<number>;
      on(event: "error", listener: () => void): void;
    };
  };
}

export function startThread(): Thread {
  const node = (globalThis as { readonly process?: Node }).process?.getBuiltinModule;
  if (typeof Worker === "undefined" && node) {
    const { Worker: NodeWorker } = node("node:worker_threads");
    const worker = new NodeWorker(
      new URL(`data:text/javascript,${encodeURIComponent(textOfWorker(NODE_LISTENS))}`),
    );
    worker.unref();
    worker.on("error", () => {}); // it helps no more
    return { post: (message) => worker.postMessage(message), end: () => void worker.terminate() };
  }
  return startInPage();
}

function startInPage(): Thread {
  /** What the worker was sent until it said that it runs. */
  let sent: ThreadMessage[] | undefined = [];
  let worker: Worker | undefined;
  const begin = (make: () => Worker, otherwise: () => void): void => {
    try {
      worker = make();
    } catch {
      otherwise();
      return;
    }
    worker.addEventListener("message", () => (sent = undefined), { once: true });
    worker.addEventListener("error", () => sent && otherwise(), { once: true });
    for (const message of sent ?? []) worker.postMessage(message);
  };
  const fromText = (): void =>
    begin(
      () => {
        const url = URL.createObjectURL(new Blob([textOfWorker(PAGE_LISTENS)], { type: "text/javascript" }));
        const made = new Worker(url, { type: "module", name: "tilewright" });
        made.addEventListener("message", () => URL.revokeObjectURL(url), { once: true });
        return made;
      },
      () => (worker = sent = undefined),
    );
  begin(
    () => new Worker(new URL("./worker.ts", import.meta.url), { type: "module", name: "tilewright" }),
    fromText,
  );
  return {
    post: (message) => {
      sent?.push(message);
      worker?.postMessage(message);
    },
    end: () => {
      sent = undefined;
      worker?.terminate();
    },
  };
}

const PAGE_LISTENS = "addEventListener('message',e=>receive(e.data));postMessage(0)";
const NODE_LISTENS = "import{parentPort}from'node:worker_threads';parentPort.on('message',receive)";

/** The same as worker.ts, without a file. Tools that keep names in development call `__name`. */
function textOfWorker(listen: string): string {
  return `const __name=f=>f;const receive=(${helpWithRuns.toString()})();${listen}`;
}
