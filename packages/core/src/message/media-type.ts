/** A parsed `datacontenttype`. */
export interface MediaType {
  /** `type/subtype`, lower-case. */
  readonly type: string
  /** The parameter `charset`, lower-case, without quotes. */
  readonly charset: string | undefined
}

// RFC 9110 §8.3.1 with tokens of §5.6.2; every alternative starts with another character, so it runs in linear time.
const mediaType = /^[\t ]*([!#$%&'*+.^_`|~0-9A-Za-z-]+\/[!#$%&'*+.^_`|~0-9A-Za-z-]+)[\t ]*(;[^\r\n]*)?$/
const charsetParameter = /;[\t ]*charset="?([^\s";]+)"?/i

// Few distinct ones exist in a process; bounded against strangers who invent one a message.
const parsed = new Map<string, MediaType | undefined>()
const parsedMax = 256

/** Parses a media type; undefined when it is none. */
export function parseMediaType(text: string): MediaType | undefined {
  if (parsed.has(text)) return parsed.get(text)
  const match = text.length > 1_024 ? null : mediaType.exec(text)
  const media = match === null ? undefined : { type: (match[1] as string).toLowerCase(), charset: charsetParameter.exec(match[2] ?? '')?.[1]?.toLowerCase() }
  if (parsed.size >= parsedMax) parsed.clear()
  parsed.set(text, media)
  return media
}

/** Whether a `datacontenttype` says JSON (absent, `application/json`, `text/json`, `…+json`): such data stands as a value in structured mode. */
export function isJsonType(contentType: string | undefined): boolean {
  if (contentType === undefined || contentType === 'application/json') return true
  const type = parseMediaType(contentType)?.type
  return type !== undefined && (type === 'application/json' || type === 'text/json' || type.endsWith('+json'))
}
