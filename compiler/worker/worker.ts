/**
 * The worker of the compiler: it compiles, and it runs sessions that bind shapes when they come. In: what the two
 * protocols say. Out: replies.
 */
import { expose, type Endpoint, transfer } from "comlink";
import { createHost } from "../../runtime/worker/host.ts";
import { listenerThere, sendError } from "../../runtime/worker/protocol.ts";
import * as compiler from "../index.ts";
import type { CompilerHost } from "./protocol.ts";

const host: CompilerHost = {
  async compile(model, { externalData, ...options }, progress) {
    try {
      const { tell, heard } = listenerThere(progress);
      const value = await compiler.compile(model, {
        ...options,
        ...(externalData === undefined ? {} : { externalData: (location) => externalData[location] }),
        ...(tell === undefined ? {} : { progress: tell }),
      });
      await heard();
      return transfer({ value }, [value.artifact.buffer as ArrayBuffer]);
    } catch (error) {
      return { error: sendError(error) };
    }
  },
};

expose({ ...createHost({ compiler: () => compiler }), ...host }, globalThis as unknown as Endpoint);
