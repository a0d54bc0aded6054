// In a component, `log` is the host's.

export { default as log } from "grille:plugin/log@0.1.0";
