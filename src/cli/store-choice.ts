/** Which store a verb works with: the embedded one, or that of the Nix that is installed. */
import { fail } from "../problems/index.ts";
import { type EmbeddedStore, openNixStore, openStore, type Store } from "../store/index.ts";

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

/** The chosen store, for verbs that build nothing. */
export function openChosenStore(option: string | undefined): Store {
  return chosenStore(option) === "nix" ? openNixStore() : openStore({ sandbox: noBuilders });
}

/** The embedded store, for verbs that Nix has its own of. Problem: `usage`, which names Nix's way. */
export function openEmbeddedStore(option: string | undefined, ofNix: string): EmbeddedStore {
  if (chosenStore(option) === "nix")
    fail({ code: "usage", message: "this verb works on osmod's own store", fix: `For Nix's store use ${ofNix}.` });
  return openStore({ sandbox: noBuilders });
}

const noBuilders = { prepare: () => Promise.reject(new Error("this verb builds nothing")) };
