/**
 * Foreign text inside of messages.
 *
 * What a file, an archive or a builder says may be a megabyte long, or move the cursor of the terminal it is printed on.
 */

/** Put text in quotes, escaped and cut to `limit` characters. */
export function quoted(text: string, limit = 80): string {
  return text.length <= limit ? JSON.stringify(text) : `${JSON.stringify(text.slice(0, limit))}…`;
}

/** Make control characters visible that a terminal would obey; line ends and tabs stay. */
export function printable(text: string): string {
  return text.replace(CONTROL, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`);
}

/** Control characters but for tab and newline, and what reverses the direction of text. */
const CONTROL = /[^\P{Cc}\t\n]|[\u202a-\u202e\u2066-\u2069]/gu;
