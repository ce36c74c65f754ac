/** Which store a verb works with: the embedded one, or that of the Nix that is installed. */
import { fail } from "../problems/index.ts";

/** The kinds of stores by the names that users give them. */
export type StoreKind = "embedded" | "nix";

/** What `--store` says, else $OSMOD_STORE, else embedded. Problem: `usage`. */
export function chosenStore(option: string | undefined): StoreKind {
  const environment = process.env["OSMOD_STORE"];
  const chosen = option ?? (environment === undefined || environment === "" ? "embedded" : environment);
  if (chosen === "embedded" || chosen === "nix") return chosen;
  return fail({
    code: "usage",
    message: `${option === undefined ? "OSMOD_STORE" : "--store"} is ${JSON.stringify(chosen)}, and there is no such store`,
    fix: "Use embedded (the default) or nix.",
  });
}
