/** Classifies in Node, on as many threads as there are cores (four at most). */
import { load } from "tilewright";
import { mostLikely, seven } from "../seven.js";

const session = await load(new URL("./digits.tile", import.meta.url));
const { probabilities } = await session.run({ image: seven });
console.log(`The digit is ${mostLikely(probabilities.data)}`);
session.dispose();
