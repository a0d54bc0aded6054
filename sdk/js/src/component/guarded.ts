// The first import of every component's entry: see guards.ts.

import { raiseGuards } from "./guards.js";

raiseGuards();
