/**
 * A limit on how many things run at a time. Of those that wait the one with the lowest rank is next; equals in the order
 * they came.
 */
export class Slots {
  #free: number;
  readonly #waiting: { readonly rank: number; readonly start: () => void }[] = [];
  readonly #spare: () => void;

  /** `spare` is called whenever a slot is left and nobody waits for it. */
  constructor(count: number, spare: () => void = () => {}) {
    this.#free = Math.max(1, Math.floor(count));
    this.#spare = spare;
  }

  /** Run `work` when a slot is free. The slot is free again when it is done, or earlier, when it says so. */
  async use<T>(work: (leave: () => void) => Promise<T>, rank = 0): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((start) => this.#wait(rank, start));
    let left = false;
    const leave = (): void => {
      if (left) return;
      left = true;
      // Handed over directly, so that nobody who comes now gets in first.
      const next = this.#waiting.shift();
      if (next !== undefined) {
        next.start();
        return;
      }
      this.#free++;
      this.#spare();
    };
    try {
      return await work(leave);
    } finally {
      leave();
    }
  }

  #wait(rank: number, start: () => void): void {
    const behind = this.#waiting.findIndex((other) => other.rank > rank);
    this.#waiting.splice(behind < 0 ? this.#waiting.length : behind, 0, { rank, start });
  }
}
