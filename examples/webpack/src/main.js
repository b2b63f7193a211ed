/** The artifact is a file beside the source, made by `tilewright compile`; webpack emits it under a name with a hash. */
import { model } from "tilewright";
import { mostLikely, seven } from "../../seven.js";

/** @type {import("tilewright").Model<import("./digits.tile").Types>} */
const classify = model(new URL("./digits.tile", import.meta.url));

const { probabilities } = await classify({ image: seven });
document.querySelector("#answer").textContent = String(mostLikely(probabilities.data));
