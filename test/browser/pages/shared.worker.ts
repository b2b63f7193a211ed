/** A shared worker that serves sessions. */
import { serve } from "../../../runtime/worker/index.ts";

serve();
