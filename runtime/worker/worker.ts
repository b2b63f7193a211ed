/** The worker of a session, as a file of its own for pages whose policy lets in nothing else. */
import { serve } from "./host.ts";

serve();
