/** The store of virtual machines that are there already, for verbs that build nothing. */
import { formerSandbox } from "../packages/index.ts";
import { openNixStore, openStore, type Store } from "../store/index.ts";
import { type KeepPath, rootOf } from "../vm/index.ts";

/** The store of this host that a launcher lies in. */
export function storeOf(launcher: string): Store {
  const root = rootOf(launcher);
  return root === "" ? openNixStore() : openStore({ root, sandbox: formerSandbox(root) });
}

/** Keeps paths of a launcher's store by links. */
export function keeper(launcher: string): KeepPath {
  const store = storeOf(launcher);
  return (link, path) => store.addRoot(link, path);
}
