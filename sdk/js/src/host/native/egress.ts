// Outside of a component, `egress` is what the test in progress grants.

import type { EgressHost } from "../interfaces.js";
import { granted } from "./grants.js";

export const egress: EgressHost = granted("egress");
