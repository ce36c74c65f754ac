/** The machine of both tests: equal ones are built once. */
import { define, defineMachine } from "osmod";

export const small = defineMachine({
  config: define({ networking: { hostName: "small" }, system: { stateVersion: "13" } }),
});
