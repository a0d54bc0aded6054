// Outside of a component, `state` is what the test in progress grants.

import type { StateHost } from "../interfaces.js";
import { granted } from "./grants.js";

export const state: StateHost = granted("state");
