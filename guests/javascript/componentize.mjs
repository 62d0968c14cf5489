// The packages that make components of JavaScript are large, and apart from the
// others for that reason.
export { componentize } from "@bytecodealliance/componentize-js";
