/**
 * `npm run train`: draws digits, trains the sample model, exports it and says how good it is. In: the seed and
 * sizes below (or from the command line, see `--help`). Out: `digits.onnx` and `digits.json` beside this file.
 * Invariant: accuracy is that of the exported file, run by onnxruntime-web, on drawings that training never saw:
 * other seeds, another hand's skeletons, other fonts. Nothing is written when that falls short of 97%, or when
 * the file does not answer as TensorFlow.js does.
 */
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { InferenceSession, Tensor } from "onnxruntime-web";
import { IMAGE_SIZE } from "./preprocess.ts";
import { HELD_OUT } from "./skeletons.ts";
import { accuracyOf, drawStrokes, joinSets, type DigitSet } from "./train/digitSet.ts";
import { exportOnnx } from "./train/exportOnnx.ts";
import { drawFonts } from "./train/fonts.ts";
import { classify, digitNetwork, startBackend, train } from "./train/network.ts";

const REQUIRED_ACCURACY = 0.97;
const HELP = `npm run train -- [--seed N] [--epochs N] [--strokes N] [--fonts N]
  --seed     where all random numbers come from (default 1)
  --epochs   passes, each over fresh drawings (default 10)
  --strokes  hand-drawn digits in a pass (default 20000)
  --fonts    digits in system fonts, the same in each pass (default 4000)
`;

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    epochs: { type: "string", default: "10" },
    strokes: { type: "string", default: "20000" },
    fonts: { type: "string", default: "4000" },
    help: { type: "boolean", default: false },
  },
});
if (values.help) {
  console.log(HELP);
  process.exit(0);
}
const [seed, epochs, strokes, fonts] = [values.seed, values.epochs, values.strokes, values.fonts].map(
  Number,
) as [number, number, number, number];
if (![seed, epochs, strokes, fonts].every((value) => Number.isInteger(value) && value >= 0)) {
  console.error(`Numbers are whole and not negative.\n${HELP}`);
  process.exit(1);
}

/** Seeds of the sets lie far apart; the tests use others still. */
const seeds = { training: seed * 1_000_000, heldOut: seed * 1_000_000 + 500_000 };
const started = performance.now();
const fontDigits = await drawFonts(seeds.training + 400_000, fonts, 1000);
console.log(
  `fonts: ${fontDigits.families.trained.join(", ")}; held out: ${fontDigits.families.heldOut.join(", ")}`,
);

const heldOut: Readonly<Record<string, DigitSet>> = {
  "strokes, other seed": drawStrokes(seeds.heldOut, 2000),
  "strokes, another hand": drawStrokes(seeds.heldOut + 1, 2000, { skeletons: HELD_OUT }),
  "fonts held out": fontDigits.heldOut,
};

await startBackend();
const network = digitNetwork(seed);
await train(
  network,
  { seed, epochs, batchSize: 64, learningRate: 0.003 },
  (epoch) => joinSets([drawStrokes(seeds.training + epoch, strokes), fontDigits.trained]),
  (epoch, loss, accuracy) => {
    const seconds = ((performance.now() - started) / 1000).toFixed(0);
    console.log(`epoch ${epoch + 1}/${epochs}: loss ${loss.toFixed(4)}, ${percent(accuracy)}, ${seconds} s`);
  },
);

const bytes = exportOnnx(network);
const session = await InferenceSession.create(bytes);
const accuracy: Record<string, number> = {};
let worst = 0;
let [right, total] = [0, 0];
for (const [name, set] of Object.entries(heldOut)) {
  const count = set.labels.length;
  const feed = new Tensor("float32", set.images, [count, 1, IMAGE_SIZE, IMAGE_SIZE]);
  const { probabilities } = await session.run({ image: feed });
  const exported = probabilities?.data as Float32Array;
  const original = classify(network, set);
  exported.forEach((value, index) => {
    worst = Math.max(worst, Math.abs(value - (original[index] as number)));
  });
  accuracy[name] = accuracyOf(exported, set.labels);
  right += accuracy[name] * count;
  total += count;
  console.log(`${name}: ${percent(accuracy[name])} of ${count}`);
}
const overall = right / total;
console.log(`held out, all: ${percent(overall)} of ${total}`);
console.log(`largest difference from TensorFlow.js: ${worst.toExponential(1)}`);
console.log(`digits.onnx: ${bytes.length} bytes`);
if (worst > 1e-4 || overall < REQUIRED_ACCURACY) {
  console.error("Not written: the model is not good enough, or its export differs from it.");
  process.exit(1);
}
writeFileSync(fileURLToPath(new URL("./digits.onnx", import.meta.url)), bytes);
const facts = {
  accuracy: { heldOut: overall, ...accuracy },
  heldOutImages: total,
  bytes: bytes.length,
  weights: network.countParams(),
  seed,
  epochs,
  imagesPerEpoch: strokes + fonts,
  fonts: fontDigits.families,
  date: new Date().toISOString().slice(0, 10),
};
writeFileSync(
  fileURLToPath(new URL("./digits.json", import.meta.url)),
  `${JSON.stringify(facts, null, 2)}\n`,
);
process.exit(0);

function percent(share: number): string {
  return `${(100 * share).toFixed(2)}%`;
}
