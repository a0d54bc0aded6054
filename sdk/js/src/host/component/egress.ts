// In a component, `egress` is the host's.

export { default as egress } from "grille:plugin/egress@0.1.0";
