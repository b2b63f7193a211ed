/**
 * Digits in system fonts, drawn by a headless Chromium. In: seed and count. Out: preprocessed images with the
 * families that were there. Invariant: a family is either trained on or held out, never both.
 */
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import puppeteer from "puppeteer-core";
import { chromeFlags, ensureChrome } from "../../../scripts/chrome.ts";
import type { DigitSet } from "./digitSet.ts";
import type * as fontPage from "./fontPage.ts";

/*
 * The families of Debian's fonts-dejavu and fonts-liberation. No family that fontconfig would replace by another
 * of them (Courier New by Liberation Mono, say): it could bring a trained font into the held-out set.
 */
const TRAINED_FAMILIES = [
  "DejaVu Sans",
  "DejaVu Sans Condensed",
  "DejaVu Serif",
  "DejaVu Serif Condensed",
  "Liberation Sans",
  "Liberation Sans Narrow",
  "Liberation Mono",
];
const HELD_OUT_FAMILIES = ["Liberation Serif", "DejaVu Sans Mono"];

/** What the bundle of `fontPage.ts` leaves on the page's global object. */
interface PageGlobal {
  readonly fontPage: typeof fontPage;
}

export interface FontDigits {
  readonly trained: DigitSet;
  readonly heldOut: DigitSet;
  readonly families: { readonly trained: readonly string[]; readonly heldOut: readonly string[] };
}

/** Draws `trained` and `heldOut` images; installs a browser if there is none. */
export async function drawFonts(seed: number, trained: number, heldOut: number): Promise<FontDigits> {
  const bundle = await build({
    entryPoints: [fileURLToPath(new URL("./fontPage.ts", import.meta.url))],
    bundle: true,
    write: false,
    format: "iife",
    globalName: "fontPage",
  });
  const browser = await puppeteer.launch({ executablePath: ensureChrome(), args: chromeFlags() });
  try {
    const page = await browser.newPage();
    await page.addScriptTag({ content: bundle.outputFiles[0]?.text ?? "" });
    const present = async (families: readonly string[]): Promise<string[]> => {
      const found = await page.evaluate(
        (names) => (globalThis as unknown as PageGlobal).fontPage.presentFamilies(names),
        families,
      );
      if (found.length === 0) throw new Error(`none of the fonts ${families.join(", ")} is installed here`);
      return found;
    };
    const draw = async (request: fontPage.FontRequest): Promise<DigitSet> => {
      const bytes = await page.evaluate(
        (asked) => (globalThis as unknown as PageGlobal).fontPage.drawFontDigits(asked),
        request,
      );
      return {
        images: Float32Array.from(Buffer.from(bytes, "base64"), (value) => value / 255),
        labels: Uint8Array.from({ length: request.count }, (_, index) => index % 10),
      };
    };
    const families = {
      trained: await present(TRAINED_FAMILIES),
      heldOut: await present(HELD_OUT_FAMILIES),
    };
    return {
      families,
      trained: await draw({ families: families.trained, seed, count: trained }),
      heldOut: await draw({ families: families.heldOut, seed: seed + 1, count: heldOut }),
    };
  } finally {
    await browser.close();
  }
}
