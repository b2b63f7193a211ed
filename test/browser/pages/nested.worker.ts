/** A worker that asks for a session in a worker. */
import { load } from "../../../runtime/index.ts";

const session = await load(new URL("../../artifacts/scaling.tile", import.meta.url), { worker: true });
const { y } = await session.run({ x: [1, 1, 1, 1] });
postMessage({ y: [...(y!.data as Float32Array)], place: session.stats().place });
session.dispose();
