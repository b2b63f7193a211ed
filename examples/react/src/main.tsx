/** A component that classifies what it is given, loads the model when it is first shown, and shows how far that is. */
import { StrictMode, useEffect, useState } from "react";
import { createRoot } from "react-dom/client";
import classify from "../../digits.onnx";
import { mostLikely, seven } from "../../seven.js";

/** The digit in a picture; undefined while the model is loaded or runs. An error goes to the error boundary. */
function useDigit(image: Float32Array): number | undefined {
  const [digit, setDigit] = useState<number>();
  const [error, setError] = useState<unknown>();
  useEffect(() => {
    const leaving = new AbortController();
    classify({ image }, { signal: leaving.signal })
      .then(({ probabilities }) => setDigit(mostLikely(probabilities.data)))
      .catch((reason: unknown) => {
        if (!leaving.signal.aborted) setError(reason);
      });
    return () => leaving.abort();
  }, [image]);
  if (error !== undefined) throw error;
  return digit;
}

function Digit({ image }: { readonly image: Float32Array }) {
  const digit = useDigit(image);
  return <p>{digit === undefined ? "Reading ..." : <output id="answer">{digit}</output>}</p>;
}

createRoot(document.querySelector("#root")!).render(
  <StrictMode>
    <Digit image={seven} />
  </StrictMode>,
);
