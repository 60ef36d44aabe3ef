/** V8 copies shorter slices anyway. */
const slicedFrom = 13

/**
 * The same text, by itself. What a transport hands out may be a slice of a text that holds a thousand messages: whoever
 * keeps the slice keeps all of it. For texts that are kept for long, and those that users may keep.
 */
export function ownText(text: string): string {
  // A slice of a joined text makes V8 copy the two parts into one first.
  return text.length < slicedFrom ? text : ` ${text}`.slice(1)
}
