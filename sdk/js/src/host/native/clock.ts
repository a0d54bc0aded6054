// Outside of a component, `clock` is what the test in progress grants.

import type { ClockHost } from "../interfaces.js";
import { granted } from "./grants.js";

export const clock: ClockHost = granted("clock");
