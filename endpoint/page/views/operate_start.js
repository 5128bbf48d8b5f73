// The first of the operators' views that this server has.

import { viewsOf } from "./operate.js";

export function view(root, context) {
  location.replace(`#/operate/${viewsOf(context.server)[0]}`);
}
