/**
 * The form for what a model leaves open. In: questions and the answers so far. Out: a form that calls back with new
 * answers. Invariant: an answer that will not do is told below the form, and the page stays as it was.
 */
import { element } from "./element.ts";
import { type Answers, DEFAULT_SIZE, type Question } from "./openShapes.ts";

const SIZES_NOTE = "The model leaves these open. Kernels are made for exact sizes, so choose them here.";
const VALUES_NOTE =
  "A whole number may choose how a model works, as a sampling rate does. It is random unless you give it.";

/** @param compile may throw a RangeError whose message says which answer is wrong */
export function shapeForm(
  questions: readonly Question[],
  answers: Answers,
  compile: (answers: Answers) => void,
): HTMLFormElement {
  const wrong = element("p", { className: "wrong", attributes: { role: "alert" } });
  const fields = questions.map(({ kind, name, where }) => ({
    name,
    input: element("input", {
      name,
      value: answers[name] ?? (kind === "value" ? "" : DEFAULT_SIZE),
      placeholder: kind === "value" ? "random" : "",
      size: kind === "shape" ? 16 : 8,
      autocomplete: "off",
      spellcheck: false,
      inputMode: kind === "shape" ? "text" : "numeric",
      title: `in ${where.join(", ")}`,
    }),
    shape: kind === "shape",
  }));
  const onlyValues = questions.every(({ kind }) => kind === "value");
  const form = element(
    "form",
    { className: "panel shapes", noValidate: true },
    element("h3", { textContent: onlyValues ? "Inputs" : "Open dimensions" }),
    element("p", { className: "note", textContent: onlyValues ? VALUES_NOTE : SIZES_NOTE }),
    element(
      "div",
      { className: "fields" },
      ...fields.map(({ name, input, shape }) =>
        element("label", {}, element("span", {}, shape ? `${name} (like 1, 3, 224, 224)` : name), input),
      ),
      element("button", { type: "submit", className: "primary", textContent: "Compile with these" }),
    ),
    wrong,
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    wrong.textContent = "";
    try {
      compile(Object.fromEntries(fields.map(({ name, input }) => [name, input.value])));
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      wrong.textContent = error.message;
    }
  });
  return form;
}
