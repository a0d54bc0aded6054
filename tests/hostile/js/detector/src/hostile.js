// A detector that misbehaves as its settings or its client say: see ../../README.md.

import { detector } from "@grille/sdk";

import { commit, configured, keep, misdeedOf } from "./misdeeds.js";

export default detector((settings) => {
  configured(settings);
  let misdeed = "";
  let isBlind = false;
  return {
    begin(exchange) {
      misdeed = misdeedOf(settings, exchange);
      // Whoever can keep something until the next exchange finds nothing there, and gives itself away.
      isBlind = misdeed === "blind" || (misdeed === "keep" && keep("planted") !== "");
    },
    inspect(cell, out) {
      commit(misdeed);
      const end = cell.text.length;
      const below = (finding) => out.found.push({ cell: 0, start: 0, end: 1, label: 0, score: 900, support: 0, ...finding });
      switch (misdeed) {
        case "giant-result":
          for (let i = 0; i < 10_000_000; i++) out.add(0, 0, end, 900);
          return;
        case "out-of-range":
          out.add(0, 0, end + 9, 900);
          return;
        // Past the SDK's check, into what it hands over.
        case "out-of-range-below":
          below({ end: 2 ** 31 - 1 });
          return;
        case "cell-out-of-range":
          below({ cell: 2 ** 31 - 1 });
          return;
        case "no-number":
          below({ end: NaN });
          return;
        case "unknown-label":
          out.add(7, 0, end, 900);
          return;
      }
      if (!isBlind) out.add(0, 0, end, 900);
    },
  };
});
