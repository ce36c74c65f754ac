/** Doing something to many, several at a time. */

/**
 * Do something to each, so many at a time. After a failure no more are begun, and it is thrown when none is at work any
 * more: whoever catches it may let go of what the work needed.
 */
export async function several<T>(many: readonly T[], atATime: number, work: (one: T) => Promise<void>): Promise<void> {
  const left = many.values();
  let failure: { readonly error: unknown } | undefined;
  const worker = async (): Promise<void> => {
    for (let next = left.next(); next.done !== true && failure === undefined; next = left.next()) {
      try {
        await work(next.value);
      } catch (error) {
        failure ??= { error };
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(atATime, many.length) }, worker));
  // Set by a worker, which the compiler does not see.
  const failed = failure as { readonly error: unknown } | undefined;
  if (failed !== undefined) throw failed.error;
}
