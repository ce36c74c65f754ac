/** A Nix store of its own in a folder, for `nix-store` and its like. */
import { join } from "node:path";

/** The environment in which Nix keeps everything below `place`. */
export function privateNix(place) {
  return {
    ...process.env,
    NIX_STORE_DIR: join(place, "store"),
    NIX_STATE_DIR: join(place, "var"),
    NIX_LOG_DIR: join(place, "log"),
    NIX_CONF_DIR: join(place, "etc"),
    NIX_REMOTE: "local",
  };
}
