/**
 * The page. In: its elements. Out: a drawing that is classified, and a place where models are compiled. Invariant:
 * each part starts by itself, so one that fails leaves the other working.
 */
import sampleUrl from "./sample/digits.onnx?url";
import { startDigitDemo } from "./digitDemo.ts";
import { acceptFiles, Workbench } from "./workbench.ts";

acceptFiles(new Workbench(), sampleUrl);
void startDigitDemo();
