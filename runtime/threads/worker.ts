/**
 * The worker of a thread pool, as a file of its own for pages whose policy lets in nothing else. In: the messages of
 * pool.ts. Out: a word that it runs; what it computes is in shared memory.
 */
import { helpWithRuns, type ThreadMessage } from "./thread.ts";

const receive = helpWithRuns();
addEventListener("message", ({ data }: MessageEvent<ThreadMessage>) => receive(data));
postMessage(0);
