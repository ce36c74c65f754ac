/** A value that several thunks of one module share. */

/** Compute at the first call and remember; a computation that throws is tried again. */
export function once<T>(compute: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: compute() };
    return made.value;
  };
}
