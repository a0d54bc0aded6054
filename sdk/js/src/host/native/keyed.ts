// Outside of a component, `keyed` is what the test in progress grants.

import type { KeyedHost } from "../interfaces.js";
import { granted } from "./grants.js";

export const keyed: KeyedHost = granted("keyed");
