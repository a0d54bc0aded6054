// Outside of a component, `log` is what the test in progress grants.

import type { LogHost } from "../interfaces.js";
import { granted } from "./grants.js";

export const log: LogHost = granted("log");
