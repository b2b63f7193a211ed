/** The playground's parts that need a document: elements, tables, forms, panels, the drawing pad. */
import { dataTable } from "../../playground/dataTable.ts";
import { DrawingPad } from "../../playground/drawingPad.ts";
import { element } from "../../playground/element.ts";
import { questionsOf } from "../../playground/openShapes.ts";
import { problemPanel } from "../../playground/problemPanel.ts";
import { preprocess } from "../../playground/sample/preprocess.ts";
import { shapeForm } from "../../playground/shapeForm.ts";
import { expect } from "./expect.ts";

describe("playground: elements", () => {
  it("never takes a name out of a model for markup", () => {
    const name = "<img src=x onerror=alert(1)>";
    const made = element("p", { textContent: name }, name);
    expect(made.children.length === 0, "the name has become an element");
    expect(made.textContent === name + name, `the text is ${made.textContent}`);
  });
});

describe("playground: tables", () => {
  const rows = [
    { name: "conv10", work: 5 },
    { name: "conv2", work: 90 },
    { name: "add", work: 90 },
  ];
  const table = dataTable(
    "Kernels",
    [
      { heading: "Name", cell: ({ name }) => name, by: ({ name }) => name },
      { heading: "Work", cell: ({ work }) => String(work), by: ({ work }) => work, style: "number" },
    ],
    rows,
  );
  const names = (): string =>
    [...table.querySelectorAll("tbody tr")].map((row) => row.firstChild!.textContent).join();
  const press = (column: number): void => table.querySelectorAll<HTMLButtonElement>("th button")[column]!.click();
  const order = (column: number): string | null => table.querySelectorAll("th")[column]!.getAttribute("aria-sort");

  it("show rows as they come, then sorted by the column that is pressed", () => {
    expect(names() === "conv10,conv2,add", names());
    press(1);
    expect(names() === "conv2,add,conv10" && order(1) === "descending", names());
    press(1);
    expect(names() === "conv10,conv2,add" && order(1) === "ascending", names());
    press(0);
    expect(names() === "add,conv2,conv10" && order(0) === "ascending", names());
    expect(order(1) === null, "two columns say that the table is sorted by them");
  });
}); // prettier-ignore

describe("playground: problems", () => {
  it("are listed all, with node and hint", () => {
    const diagnostics = Array.from({ length: 40 }, (_, i) => ({
      code: "op-unsupported",
      message: `no definition of Op${i}`,
      op: `Op${i}`,
      node: `node${i}`,
      hint: "remove it",
    }));
    const panel = problemPanel({ kind: "model", title: "No", explanation: "", diagnostics }, false);
    expect(panel.querySelectorAll("tbody tr").length === 40, "not all are listed");
    expect(
      panel.textContent!.includes("node39") && panel.textContent!.includes("remove it"),
      panel.innerHTML,
    );
    expect(panel.getAttribute("role") === "alert", "it is not announced");
  });
});

describe("playground: open dimensions", () => {
  const inputs = [{ name: "x", dtype: "float32" as const, shape: ["batch", 3] }];

  it("start as 1, and answer what was typed", () => {
    const given: Readonly<Record<string, string>>[] = [];
    const form = shapeForm(questionsOf(inputs), {}, (answers) => void given.push(answers));
    const input = form.querySelector("input")!;
    expect(input.value === "1", `it starts as ${input.value}`);
    input.value = "8";
    form.dispatchEvent(new Event("submit", { cancelable: true }));
    expect(given[0]?.["batch"] === "8", JSON.stringify(given));
  });

  it("tell what is wrong beside the form", () => {
    const form = shapeForm(questionsOf(inputs), {}, () => {
      throw new RangeError("batch: no size");
    });
    form.dispatchEvent(new Event("submit", { cancelable: true }));
    expect(form.querySelector(".wrong")!.textContent === "batch: no size", form.innerHTML);
  });
});

describe("playground: drawing pad", () => {
  function padOf(side: number): { canvas: HTMLCanvasElement; pad: DrawingPad; changes: () => number } {
    const canvas = document.createElement("canvas");
    canvas.setAttribute("style", `width: ${side}px; height: ${side}px`);
    document.body.append(canvas);
    let count = 0;
    const pad = new DrawingPad(canvas, () => count++);
    return { canvas, pad, changes: () => count };
  }

  function press(canvas: HTMLCanvasElement, type: string, x: number, y: number, more: PointerEventInit = {}): void {
    const { left, top, width, height } = canvas.getBoundingClientRect();
    const at = { clientX: left + x * width, clientY: top + y * height };
    canvas.dispatchEvent(new PointerEvent(type, { pointerId: 1, bubbles: true, ...at, ...more }));
  } // prettier-ignore

  it("gives the model the same image whatever its size on the screen", async () => {
    const images: Float32Array[] = [];
    for (const side of [120, 400]) {
      const { canvas, pad } = padOf(side);
      await new Promise(requestAnimationFrame); // its size is known
      await new Promise(requestAnimationFrame);
      press(canvas, "pointerdown", 0.3, 0.2);
      for (let step = 1; step <= 10; step++)
        press(canvas, "pointermove", 0.3 + step * 0.04, 0.2 + step * 0.06);
      press(canvas, "pointerup", 0.7, 0.8);
      const { pixels, width, height } = pad.ink();
      images.push(preprocess(pixels, width, height));
      canvas.remove();
    }
    const [small, large] = images;
    const worst = Math.max(...small!.map((value, i) => Math.abs(value - large![i]!)));
    expect(worst < 0.02, `two sizes differ by ${worst}`);
    expect(small!.some((value) => value > 0.9), "nothing was drawn"); // prettier-ignore
  });

  it("follows one pointer at a time, and only the main button", () => {
    const { canvas, pad, changes } = padOf(200);
    press(canvas, "pointerdown", 0.5, 0.5, { button: 2 });
    expect(pad.isEmpty, "the right button draws");
    press(canvas, "pointermove", 0.6, 0.5);
    expect(pad.isEmpty && changes() === 0, "a pointer draws that is not down");
    press(canvas, "pointerdown", 0.5, 0.5);
    const before = changes();
    press(canvas, "pointermove", 0.9, 0.9, { pointerId: 2 });
    expect(changes() === before, "a second finger joins the stroke of the first");
    press(canvas, "pointerup", 0.5, 0.5);
    expect(!pad.isEmpty && !pad.isDrawing, "the stroke has not ended");
    pad.clear();
    expect(pad.isEmpty && pad.ink().pixels.every((value) => value === 0), "ink is left after clearing");
    canvas.remove();
  });
});
