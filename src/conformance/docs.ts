/** placeholder */
export function casesOf(): readonly { readonly id?: string }[] {
  return [];
}
export function check(): string | undefined {
  return undefined;
}
