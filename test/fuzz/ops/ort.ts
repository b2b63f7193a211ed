/**
 * Asks onnxruntime-web. In: a model and inputs. Out: its outputs, or its error, or that it crashed or did not end.
 * Invariant: a thread is used for a limited number of questions, since sessions leave memory behind; one that fails
 * hard is replaced, and the next question does not notice.
 */
import { Worker } from "node:worker_threads";
import type { Tensor } from "../../../runtime/dtype.ts";
import type { OrtAnswer } from "./ortWorker.ts";

/** Questions of one thread. */
const LIFE = 800;

/** Milliseconds to wait for an answer, on a busy machine. */
const PATIENCE = 30_000;

export type Answer = OrtAnswer | { readonly kind: "lost"; readonly message: string };

export class OnnxRuntime {
  private worker: Worker | undefined;
  private asked = 0;
  private id = 0;

  private start(): Worker {
    const file = new URL("./ortWorker.ts", import.meta.url).href;
    // Node 20 does not pass a loader of TypeScript on to threads, so the thread registers tsx by itself.
    const register = import.meta.resolve("tsx/esm/api");
    const source = `import { register } from ${JSON.stringify(register)}; register(); await import(${JSON.stringify(file)});`; // prettier-ignore
    return new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`), {
      stderr: true,
      stdout: true,
    });
  }

  async ask(model: Uint8Array, feeds: Readonly<Record<string, Tensor>>): Promise<Answer> {
    if (this.asked++ >= LIFE) await this.end();
    const worker = (this.worker ??= this.start());
    const id = this.id++;
    const answer = await new Promise<Answer>((resolve) => {
      const timer = setTimeout(
        () => settle({ kind: "lost", message: `no answer for ${PATIENCE} ms` }),
        PATIENCE,
      );
      const settle = (result: Answer): void => {
        clearTimeout(timer);
        worker.off("message", heard).off("error", failed).off("exit", ended);
        resolve(result);
      };
      const heard = (message: OrtAnswer & { id: number }): void => {
        if (message.id === id) settle(message);
      };
      const failed = (error: Error): void => settle({ kind: "lost", message: error.message });
      const ended = (code: number): void => settle({ kind: "lost", message: `ended with ${code}` });
      worker.on("message", heard).on("error", failed).on("exit", ended);
      worker.postMessage({ id, model, feeds });
    });
    // An engine that has aborted answers everything with the same error from then on.
    const spoiled = answer.kind === "lost" || (answer.kind === "error" && /abort|unreachable|memory access|table index|null function|is not a function/i.test(answer.message)); // prettier-ignore
    if (spoiled) await this.end();
    return spoiled ? { kind: "lost", message: answer.message } : answer;
  }

  /** Ends the thread; the next question starts another. */
  async end(): Promise<void> {
    this.asked = 0;
    const { worker } = this;
    this.worker = undefined;
    await worker?.terminate();
  }
}
